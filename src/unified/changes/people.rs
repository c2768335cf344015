//! Users: made or invited with everything that belongs to them in one request, changed, switched off.

use serde_json::value::RawValue;
use time::OffsetDateTime;

use super::{Changes, Part, done_if, refuse};
use crate::connectors::{ConnectorError, Invitation, Kind, Membership, UserWrites};
use crate::domain::input::{Done, Field, Flaw};
use crate::domain::user::{User, UserStatus, UserType};
use crate::domain::user_input::{UserInput, WorkspaceInput};
use crate::unified::{Shape, Shown, UnifiedError};

/// Whether a user who is switched off is signed out as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignOut {
    /// The provider ends the sessions when it sees fit.
    Later,
    /// At once.
    Now,
}

/// What to do when somebody new is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnConflict {
    /// Refuse.
    #[default]
    Fail,
    /// Answer with who is there, unchanged.
    Return,
    /// Bring who is there to what was wished.
    Update,
}

/// Where the account of an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// It is new.
    New,
    /// It was there.
    Existing,
}

/// A user after a change, and the steps that it took.
#[derive(Debug)]
pub struct WrittenUser {
    /// The user as it is now; null when it could not be read again.
    pub user: Shown,
    /// Whether the account is new.
    pub made: Made,
    /// The steps.
    pub parts: Vec<Part>,
}

impl Changes<'_> {
    /// Makes or invites somebody, with workspaces, roles and the end of a guest's stay. Once the account
    /// is there, a step that fails is a failed part and stops nothing else.
    ///
    /// # Errors
    ///
    /// `Flawed` for a wish that can't be granted, before anything is sent; what the provider said when
    /// there is no account.
    pub async fn create_user(
        &self,
        wish: UserInput,
        on_conflict: OnConflict,
        shape: &Shape,
    ) -> Result<WrittenUser, UnifiedError> {
        refuse(self.flaws_of_new(&wish)?)?;
        let made = if wish.invite { self.invite(&wish).await? } else { self.make(&wish).await? };
        let (id, made, mut parts) = match made {
            Ok(id) => {
                let part = Part::of("account", &id, Ok(Done::Done));
                (id, Made::New, vec![part])
            }
            Err(refused) if refused.kind == Kind::Conflict => {
                let Some(found) = self.find(&wish).await? else { return Err(refused.into()) };
                let id = found.id.clone();
                let part = match on_conflict {
                    OnConflict::Fail => return Err(UnifiedError::Exists { id, error: refused }),
                    OnConflict::Return => {
                        let parts = vec![Part::of("account", &id, Ok(Done::Already))];
                        return Ok(self.written(&id, Made::Existing, parts, shape).await);
                    }
                    OnConflict::Update => self.adjust(&found, &wish).await?,
                };
                (id, Made::Existing, vec![part])
            }
            Err(error) => return Err(error.into()),
        };
        let is_inside = wish.invite && made == Made::New;
        parts.extend(self.settle_in(&id, wish, is_inside).await?);
        Ok(self.written(&id, made, parts, shape).await)
    }

    /// Changes the profile, the kind of member, the end of a guest's stay, and whether the user can
    /// sign in.
    ///
    /// # Errors
    ///
    /// `Flawed` for a wish that can't be granted, before anything is sent; else what the provider said
    /// about the first step. A later one that fails is a failed part.
    pub async fn update_user(
        &self,
        id: &str,
        wish: &UserInput,
        shape: &Shape,
    ) -> Result<WrittenUser, UnifiedError> {
        refuse(self.flaws_of_change(wish)?)?;
        let mut parts = Vec::new();
        if wish.changes_profile() {
            parts.push(Part::of("account", id, Ok(self.update(id, wish).await??)));
        }
        // Somebody who is made a guest gets the end with it.
        let is_told = wish.user_type == Some(UserType::GuestMultiChannel)
            && wish.expires_at.value().is_some();
        if !(wish.expires_at.is_keep() || is_told) {
            let user = self.read::<User>(id).await?;
            let user = user.ok_or(UnifiedError::NotFound { resource: "user" })?;
            let is_guest = matches!(
                user.user_type,
                UserType::GuestMultiChannel | UserType::GuestSingleChannel
            );
            if !is_guest {
                let flaw = Flaw::at("/expires_at", "only guests have an end of their stay");
                return Err(UnifiedError::Flawed(vec![flaw]));
            }
            let end = wish.expiry();
            if end.is_none() && user.user_type == UserType::GuestMultiChannel {
                parts.push(self.stay(id).await?);
            } else {
                for workspace in &user.workspaces {
                    parts.push(self.expire(id, &workspace.id, end).await?);
                }
            }
        }
        match &*parts {
            [] => {
                // Nothing was done that an answer would have to tell.
                let user = self.directory.get::<User>(id, shape).await?;
                Ok(WrittenUser { user, made: Made::Existing, parts })
            }
            [Part { outcome: Err(error), .. }] => Err(error.copy().into()),
            [..] => Ok(self.written(id, Made::Existing, parts, shape).await),
        }
    }

    /// Switches a user off everywhere.
    ///
    /// # Errors
    ///
    /// What the provider said. When the sessions can't be ended, the user is switched off all the same,
    /// and that is a failed part.
    pub async fn deactivate(
        &self,
        id: &str,
        sign_out: SignOut,
        shape: &Shape,
    ) -> Result<WrittenUser, UnifiedError> {
        let facet = self.user_writes()?;
        let cx = &self.directory.cx;
        let seen = async {
            let user = self.read::<User>(id).await?;
            Ok(done_if(user.is_some_and(|user| user.status == UserStatus::Inactive)))
        };
        let off = self.step("user.deactivated", id, facet.deactivate(cx, id), seen).await??;
        let mut parts = vec![Part::of("account", id, Ok(off))];
        if sign_out == SignOut::Now {
            let unseen = async { Ok(None) };
            let ended = self.step("user.signed_out", id, facet.end_sessions(cx, id), unseen);
            parts.push(Part::of("sessions", id, ended.await?));
        }
        Ok(self.written(id, Made::Existing, parts, shape).await)
    }

    /// The account alone, by its wish.
    async fn make(&self, wish: &UserInput) -> Result<Result<String, ConnectorError>, UnifiedError> {
        let email = wish.primary_email().unwrap_or_default();
        let send = self.user_writes()?.create(&self.directory.cx, wish);
        let seen = async {
            let found = self.find(wish).await?;
            // Somebody else's account with this address is not what was asked for.
            Ok(found.filter(|user| wish.is_met_by(user)).map(|user| user.id))
        };
        self.step("user.created", &subject(email), send, seen).await
    }

    /// The invitation, and the account that it made.
    async fn invite(
        &self,
        wish: &UserInput,
    ) -> Result<Result<String, ConnectorError>, UnifiedError> {
        let email = wish.primary_email().unwrap_or_default();
        let Some(first) = wish.workspaces.first() else {
            return Err(UnifiedError::NotFound { resource: "workspace" });
        };
        let (given, family) = wish.names();
        let name = [&given, &family].into_iter().filter_map(Field::value).cloned();
        let name = name.collect::<Vec<_>>().join(" ");
        let invitation = Invitation {
            email,
            name: Some(name.as_str()).filter(|name| !name.is_empty()),
            membership: membership(wish.user_type, first),
            expires_at: wish.expiry(),
        };
        let send = self.user_writes()?.invite(&self.directory.cx, invitation);
        let there = async {
            let found = self.find(wish).await?;
            let is_in = |user: &User| user.workspaces.iter().any(|one| one.id == first.id);
            Ok(found.filter(is_in).map(|_| Done::Done))
        };
        match self.step("user.invited", &subject(email), send, there).await? {
            Err(error) => Ok(Err(error)),
            Ok(_) => match self.find(wish).await? {
                Some(user) => Ok(Ok(user.id)),
                None => Err(UnifiedError::NotFound { resource: "invited user yet" }),
            },
        }
    }

    /// Brings somebody who is there to the wish.
    async fn adjust(&self, found: &User, wish: &UserInput) -> Result<Part, UnifiedError> {
        let change = UserInput {
            email: Field::Keep,
            emails: Field::Keep,
            username: Field::Keep,
            external_id: Field::Keep,
            // A guest of one channel is made one by the workspace.
            user_type: wish.user_type.filter(|kind| *kind != UserType::GuestSingleChannel),
            ..wish.clone()
        };
        Ok(Part::of("account", &found.id, self.update(&found.id, &change).await?))
    }

    async fn update(
        &self,
        id: &str,
        wish: &UserInput,
    ) -> Result<Result<Done, ConnectorError>, UnifiedError> {
        let send = self.user_writes()?.update(&self.directory.cx, id, wish);
        let seen = async {
            let user = self.read::<User>(id).await?;
            Ok(done_if(user.is_some_and(|user| wish.is_met_by(&user))))
        };
        self.step("user.updated", id, send, seen).await
    }

    /// Workspaces, the end of the stay, roles: each a part.
    async fn settle_in(
        &self,
        id: &str,
        wish: UserInput,
        is_inside: bool,
    ) -> Result<Vec<Part>, UnifiedError> {
        let mut parts = Vec::new();
        let end = wish.expiry();
        for (number, workspace) in wish.workspaces.iter().enumerate() {
            let invited = is_inside && number == 0;
            if !invited {
                let joined = self.join(id, membership(wish.user_type, workspace)).await?;
                let is_there = joined.is_ok();
                parts.push(Part::of("workspace", &workspace.id, joined));
                if let (true, Some(end)) = (is_there, end) {
                    parts.push(self.expire(id, &workspace.id, Some(end)).await?);
                }
            }
        }
        if !wish.roles.is_empty() {
            parts.extend(self.give_user_roles(id, wish.roles).await?);
        }
        Ok(parts)
    }

    async fn expire(
        &self,
        id: &str,
        workspace_id: &str,
        end: Option<OffsetDateTime>,
    ) -> Result<Part, UnifiedError> {
        let send = self.user_writes()?.set_expiry(&self.directory.cx, id, workspace_id, end);
        let seen = async {
            let user = self.read::<User>(id).await?;
            Ok(done_if(user.is_some_and(|user| user.expires_at == end)))
        };
        let subject = format!("{id}@{workspace_id}");
        let outcome = self.step("user.expiry_set", &subject, send, seen).await?;
        Ok(Part::of("expiry", workspace_id, outcome))
    }

    /// Takes the end of a guest's stay away.
    async fn stay(&self, id: &str) -> Result<Part, UnifiedError> {
        let send = self.user_writes()?.lift_expiry(&self.directory.cx, id);
        let seen = async {
            let user = self.read::<User>(id).await?;
            Ok(done_if(user.is_some_and(|user| user.expires_at.is_none())))
        };
        let outcome = self.step("user.expiry_set", id, send, seen).await?;
        Ok(Part::of("expiry", id, outcome))
    }

    async fn written(&self, id: &str, made: Made, parts: Vec<Part>, shape: &Shape) -> WrittenUser {
        let user = self.directory.get::<User>(id, shape).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "a user could not be read again after a change");
            Shown { thing: RawValue::NULL.to_owned(), warnings: Vec::new() }
        });
        WrittenUser { user, made, parts }
    }

    fn user_writes(&self) -> Result<&dyn UserWrites, UnifiedError> {
        let facet = self.directory.connector.user_writes();
        facet.ok_or_else(|| self.unsupported("changes of users"))
    }

    fn flaws_of_new(&self, wish: &UserInput) -> Result<Vec<Flaw>, UnifiedError> {
        let mut flaws = wish.flaws_of_new(self.journal.clock.now());
        flaws.extend(self.user_writes()?.flaws(wish, true));
        flaws.extend(self.flaws_of_roles(&wish.roles)?);
        Ok(flaws)
    }

    fn flaws_of_change(&self, wish: &UserInput) -> Result<Vec<Flaw>, UnifiedError> {
        let mut flaws = wish.flaws_of_change(self.journal.clock.now());
        flaws.extend(self.user_writes()?.flaws(wish, false));
        Ok(flaws)
    }
}

fn membership(kind: Option<UserType>, workspace: &WorkspaceInput) -> Membership<'_> {
    Membership {
        workspace_id: &workspace.id,
        user_type: kind.unwrap_or(UserType::Member),
        channel_ids: &workspace.channel_ids,
    }
}

/// What the log says instead of an address, which is personal.
fn subject(email: &str) -> String {
    email.rsplit_once('@').map_or_else(String::new, |(_, host)| format!("*@{host}"))
}
