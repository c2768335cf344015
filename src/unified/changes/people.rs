//! Users: changed, deactivated, and what belongs to a new one: workspaces, the end of a stay, roles.

use time::OffsetDateTime;

use super::members::Before;
use super::outcome::{Changed, Made, Part};
use super::{Changes, refuse};
use crate::connectors::{ConnectorError, Membership, UserWrites};
use crate::domain::input::{Comparison, Done, Flaw};
use crate::domain::user::{User, UserStatus, UserType};
use crate::domain::user_input::{UserInput, WorkspaceInput};
use crate::unified::{Shape, UnifiedError};

/// Whether a user who is deactivated is signed out as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignOut {
    /// The provider ends the sessions when it sees fit.
    Later,
    /// Immediately.
    Now,
}

impl Changes<'_> {
    /// Changes the profile, the kind of member, the end of a guest's stay, and whether the user can
    /// sign in.
    ///
    /// # Errors
    ///
    /// `Flawed` for a request that can't be granted, before anything is sent; else what the provider said
    /// about the first step. A later one that fails is a failed part.
    pub async fn update_user(
        &self,
        id: &str,
        wish: &UserInput,
        shape: &Shape,
    ) -> Result<Changed, UnifiedError> {
        refuse(self.flaws_of_change(wish)?)?;
        let guest = self.guest_whose_end_moves(id, wish).await?;
        let mut parts = Vec::new();
        if !wish.profile_fields().is_empty() {
            parts.push(Part::of("account", id, Ok(self.update(id, wish).await??)));
        }
        if let Some(guest) = guest {
            parts.extend(self.move_end(&guest, wish.expiry()).await?);
        }
        match &*parts {
            [] => {
                // Nothing was done that would have to be reported without the user.
                let object = Ok(self.directory.get::<User>(id, shape).await?);
                let id = Some(id.to_owned());
                Ok(Changed { id, object, made: Made::Existing, matched_by: None, parts })
            }
            [Part { outcome: Err(error), .. }] => Err(error.copy().into()),
            [..] => self.changed::<User>(id, Made::Existing, parts, shape).await,
        }
    }

    /// The guest whose end of stay is changed by a step of its own, read before anything is sent.
    async fn guest_whose_end_moves(
        &self,
        id: &str,
        wish: &UserInput,
    ) -> Result<Option<User>, UnifiedError> {
        let comes_with_kind = match wish.kind() {
            // A member has no end of a stay.
            Some(UserType::Member) => true,
            Some(UserType::GuestMultiChannel) => wish.expires_at.value().is_some(),
            Some(UserType::GuestSingleChannel | UserType::Bot) | None => false,
        };
        if wish.expires_at.is_keep() || comes_with_kind {
            return Ok(None);
        }
        let user = self.read::<User>(id).await?;
        let user = user.ok_or(UnifiedError::NotFound { resource: "user" })?;
        match user.user_type {
            UserType::GuestMultiChannel | UserType::GuestSingleChannel => Ok(Some(user)),
            // Who is made a guest now has no end yet.
            UserType::Member | UserType::Bot if wish.kind().is_some() => Ok(None),
            UserType::Member | UserType::Bot => {
                let flaw = Flaw::at("/expires_at", "only guests have an end of their stay");
                Err(UnifiedError::Flawed(vec![flaw]))
            }
        }
    }

    async fn move_end(
        &self,
        guest: &User,
        end: Option<OffsetDateTime>,
    ) -> Result<Vec<Part>, UnifiedError> {
        if end.is_none() && guest.user_type == UserType::GuestMultiChannel {
            return Ok(vec![self.stay(&guest.id).await?]);
        }
        let mut parts = Vec::new();
        for workspace in &guest.workspaces {
            parts.push(self.expire(&guest.id, &workspace.id, end).await?);
        }
        Ok(parts)
    }

    /// Deactivates a user everywhere.
    ///
    /// # Errors
    ///
    /// What the provider said. When the sessions can't be ended, the user is deactivated all the same,
    /// and that is a failed part.
    pub async fn deactivate(
        &self,
        id: &str,
        sign_out: SignOut,
        shape: &Shape,
    ) -> Result<Changed, UnifiedError> {
        let facet = self.user_writes()?;
        let cx = &self.directory.cx;
        let state =
            self.compare(id, |user: &User| Comparison::of(user.status == UserStatus::Inactive));
        let off = self.reach("user.deactivated", id, facet.deactivate(cx, id), state).await??;
        let mut parts = vec![Part::of("account", id, Ok(off))];
        if sign_out == SignOut::Now {
            let state = async { Ok(Comparison::of(!facet.has_sessions(cx, id).await?)) };
            let ended = self.reach("user.signed_out", id, facet.end_sessions(cx, id), state);
            parts.push(Part::of("sessions", id, ended.await?));
        }
        self.changed::<User>(id, Made::Existing, parts, shape).await
    }

    pub(super) async fn update(
        &self,
        id: &str,
        wish: &UserInput,
    ) -> Result<Result<Done, ConnectorError>, UnifiedError> {
        let send = self.user_writes()?.update(&self.directory.cx, id, wish);
        let state = self.compare(id, |user: &User| wish.compare(user));
        self.reach("user.updated", id, send, state).await
    }

    /// Workspaces but for the first `invited`, the end of the stay, roles: each a part.
    pub(super) async fn settle_in(
        &self,
        id: &str,
        wish: UserInput,
        invited: usize,
        before: Before,
    ) -> Result<Vec<Part>, UnifiedError> {
        let mut parts = Vec::new();
        for workspace in wish.workspaces.iter().skip(invited) {
            let joined = self.join(id, membership(wish.kind(), workspace), before).await?;
            let is_there = joined.is_ok();
            parts.push(Part::of("workspace", &workspace.id, joined));
            if let (true, Some(end)) = (is_there, wish.expiry()) {
                parts.push(self.expire(id, &workspace.id, Some(end)).await?);
            }
        }
        if !wish.roles.is_empty() {
            parts.extend(self.give_parts(id, wish.roles).await?);
        }
        Ok(parts)
    }

    async fn expire(
        &self,
        id: &str,
        workspace_id: &str,
        end: Option<OffsetDateTime>,
    ) -> Result<Part, UnifiedError> {
        let (facet, cx) = (self.user_writes()?, &self.directory.cx);
        let send = facet.set_expiry(cx, id, workspace_id, end);
        let state = async {
            let is = facet.expiry(cx, id, workspace_id).await?;
            let seconds = |at: Option<OffsetDateTime>| at.map(OffsetDateTime::unix_timestamp);
            Ok(Comparison::of(seconds(is) == seconds(end)))
        };
        let subject = format!("{id}@{workspace_id}");
        let outcome = self.reach("user.expiry_set", &subject, send, state).await?;
        Ok(Part::of("expiry", workspace_id, outcome))
    }

    /// Takes the end of a guest's stay away.
    async fn stay(&self, id: &str) -> Result<Part, UnifiedError> {
        let send = self.user_writes()?.lift_expiry(&self.directory.cx, id);
        let state = self.compare(id, |user: &User| Comparison::of(user.expires_at.is_none()));
        let outcome = self.reach("user.expiry_set", id, send, state).await?;
        Ok(Part::of("expiry", id, outcome))
    }

    pub(super) fn user_writes(&self) -> Result<&dyn UserWrites, UnifiedError> {
        let facet = self.directory.connector.user_writes();
        facet.ok_or_else(|| self.unsupported("changes of users"))
    }

    pub(super) fn flaws_of_new(&self, wish: &UserInput) -> Result<Vec<Flaw>, UnifiedError> {
        let mut flaws = wish.flaws_of_new(self.journal.clock.now());
        flaws.extend(self.user_writes()?.flaws(wish, true));
        flaws.extend(self.flaws_of_roles(&wish.roles)?);
        Ok(flaws)
    }

    pub(super) fn flaws_of_change(&self, wish: &UserInput) -> Result<Vec<Flaw>, UnifiedError> {
        let mut flaws = wish.flaws_of_change(self.journal.clock.now());
        flaws.extend(self.user_writes()?.flaws(wish, false));
        Ok(flaws)
    }
}

pub(super) fn membership(kind: Option<UserType>, workspace: &WorkspaceInput) -> Membership<'_> {
    Membership {
        workspace_id: &workspace.id,
        user_type: kind.unwrap_or(UserType::Member),
        channel_ids: &workspace.channel_ids,
    }
}
