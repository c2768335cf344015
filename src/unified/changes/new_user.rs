//! New users: made or invited with everything that belongs to them in one request, or matched with
//! somebody who is there.

use time::{Duration, OffsetDateTime};

use super::members::Before;
use super::outcome::{Changed, Made, MatchedBy, Part, Seen};
use super::people::membership;
use super::{Changes, refuse};
use crate::connectors::{ConnectorError, Invitation, Kind};
use crate::domain::input::{Comparison, Done, Field};
use crate::domain::user::{User, UserType};
use crate::domain::user_input::UserInput;
use crate::unified::{Shape, UnifiedError};

/// The most that a provider's clock may be behind ours.
const CLOCK_SKEW: Duration = Duration::minutes(2);

/// What to do when somebody new is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnConflict {
    /// Refuse.
    #[default]
    Fail,
    /// Answer with who is there, unchanged.
    Return,
    /// Bring who is there to what was requested.
    Update,
}

/// The account of somebody new.
enum Account {
    /// It can be read.
    Visible { id: String, made: Made },
    /// It was made, and the provider does not show it yet.
    NotVisible,
}

impl Changes<'_> {
    /// Makes or invites somebody, with workspaces, roles and the end of a guest's stay. Once the account
    /// is there, a step that fails is a failed part and stops nothing else.
    ///
    /// # Errors
    ///
    /// `Flawed` for a request that can't be granted, before anything is sent; what the provider said when
    /// there is no account; `Exists` when there is one with that address and `on_conflict` says so.
    pub async fn create_user(
        &self,
        wish: UserInput,
        on_conflict: OnConflict,
        shape: &Shape,
    ) -> Result<Changed, UnifiedError> {
        refuse(self.flaws_of_new(&wish)?)?;
        let made = if wish.invite { self.invite(&wish).await? } else { self.make(&wish).await? };
        let (id, made) = match made {
            Ok(Account::Visible { id, made }) => (id, made),
            Ok(Account::NotVisible) => return Ok(self.not_visible(&wish)),
            Err(refused) if refused.kind == Kind::Conflict => {
                return self.resolve(wish, refused, on_conflict, shape).await;
            }
            Err(error) => return Err(error.into()),
        };
        let mut parts = vec![Part::of("account", &id, Ok(Done::Done))];
        let before = if made == Made::New { Before::Outside } else { Before::Unknown };
        let invited = usize::from(wish.invite);
        parts.extend(self.settle_in(&id, wish, invited, before).await?);
        self.changed::<User>(&id, made, parts, shape).await
    }

    /// What happens to somebody who is there already, matched by the address alone. Any other clash is
    /// the provider's refusal.
    async fn resolve(
        &self,
        wish: UserInput,
        refused: ConnectorError,
        on_conflict: OnConflict,
        shape: &Shape,
    ) -> Result<Changed, UnifiedError> {
        let Some(found) = self.find(&wish).await? else { return Err(refused.into()) };
        let id = found.id.clone();
        let parts = match on_conflict {
            OnConflict::Fail => {
                let error = refused.about("/email");
                return Err(UnifiedError::Exists { id, error });
            }
            OnConflict::Return => vec![Part::of("account", &id, Ok(Done::Already))],
            OnConflict::Update => {
                let mut parts = self.adjust(&found, &wish).await?;
                parts.extend(self.settle_in(&id, wish, 0, Before::Unknown).await?);
                parts
            }
        };
        let changed = self.changed::<User>(&id, Made::Existing, parts, shape).await?;
        Ok(Changed { matched_by: Some(MatchedBy::Email), ..changed })
    }

    /// The account alone.
    async fn make(
        &self,
        wish: &UserInput,
    ) -> Result<Result<Account, ConnectorError>, UnifiedError> {
        let email = wish.primary_email().unwrap_or_default();
        let send = self.user_writes()?.create(&self.directory.cx, wish);
        let started = self.journal.clock.now();
        let seen = async {
            let Some(user) = self.find(wish).await? else { return Ok(Seen::NotDone) };
            // Of one channel they are made later, in their workspace.
            let kind = wish.kind().map(|kind| match kind {
                UserType::GuestSingleChannel => UserType::GuestMultiChannel,
                UserType::Member | UserType::GuestMultiChannel | UserType::Bot => kind,
            });
            let account =
                UserInput { user_type: kind.map_or(Field::Keep, Field::Set), ..wish.clone() };
            Ok(match (is_older(&user, started), account.compare(&user)) {
                (Some(true), _) | (_, Comparison::Different) => Seen::NotDone,
                (Some(false), _) | (None, Comparison::Equal) => Seen::Done(user.id),
                (None, Comparison::Unknown) => Seen::Undecided,
            })
        };
        let made = self.step("user.created", &subject(email), send, seen).await?;
        Ok(made.map(|id| Account::Visible { id, made: Made::New }))
    }

    /// The invitation, and the account that it made.
    async fn invite(
        &self,
        wish: &UserInput,
    ) -> Result<Result<Account, ConnectorError>, UnifiedError> {
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
            membership: membership(wish.kind(), first),
            expires_at: wish.expiry(),
        };
        let send = self.user_writes()?.invite(&self.directory.cx, invitation);
        let started = self.journal.clock.now();
        let seen = async {
            let found = self.find(wish).await?;
            let is_in = |user: &User| user.workspaces.iter().any(|one| one.id == first.id);
            Ok(match found.filter(is_in).map(|user| is_older(&user, started)) {
                None => Seen::NotDone,
                Some(Some(false)) => Seen::Done(Done::Done),
                Some(Some(true) | None) => Seen::Undecided,
            })
        };
        if let Err(error) = self.step("user.invited", &subject(email), send, seen).await? {
            return Ok(Err(error));
        }
        // The invitation is sent: a failure to read is no failure of it.
        Ok(Ok(match self.find(wish).await {
            Ok(Some(user)) => {
                let existed = is_older(&user, started) == Some(true);
                let made = if existed { Made::Existing } else { Made::New };
                Account::Visible { id: user.id, made }
            }
            Ok(None) | Err(_) => Account::NotVisible,
        }))
    }

    /// An invitation whose account the provider does not show yet: what belongs to it was not tried.
    fn not_visible(&self, wish: &UserInput) -> Changed {
        let skipped = || {
            let provider = self.directory.connector.provider();
            Err(ConnectorError::new(provider, "users", Kind::Skipped).with_fix(NOT_VISIBLE))
        };
        let account = Part { name: "account", id: None, place_id: None, outcome: Ok(Done::Done) };
        let workspaces = wish.workspaces.iter().skip(1);
        let workspaces = workspaces.map(|one| Part::of("workspace", &one.id, skipped()));
        let roles = wish.roles.iter().map(|role| Part::of("role", &role.id, skipped()));
        let parts = std::iter::once(account).chain(workspaces).chain(roles).collect();
        let object = Err(UnifiedError::NotFound { resource: "invited user yet" });
        Changed { id: None, object, made: Made::New, matched_by: None, parts }
    }

    /// Brings somebody who is there to what was requested.
    async fn adjust(&self, found: &User, wish: &UserInput) -> Result<Vec<Part>, UnifiedError> {
        let change = UserInput {
            email: Field::Keep,
            external_id: Field::Keep,
            // A guest of one channel is made one by the workspace.
            user_type: match wish.kind() {
                Some(UserType::GuestSingleChannel) | None => Field::Keep,
                Some(kind) => Field::Set(kind),
            },
            workspaces: Vec::new(),
            roles: Vec::new(),
            ..wish.clone()
        };
        let outcome = if change.compare(found) == Comparison::Equal {
            Ok(Done::Already)
        } else {
            self.update(&found.id, &change).await?
        };
        let mut parts = vec![Part::of("account", &found.id, outcome)];
        if wish.external_id.compare(found.external_id.as_ref()) == Comparison::Different {
            let provider = self.directory.connector.provider();
            let skipped = ConnectorError::new(provider, "users", Kind::Skipped);
            let skipped = skipped.with_fix(EXTERNAL_ID).about("/external_id");
            parts.push(Part::of("external_id", &found.id, Err(skipped)));
        }
        Ok(parts)
    }
}

/// Why what belongs to an invited user was not tried.
const NOT_VISIBLE: &str = "The invitation was sent, and the provider does not show the user yet. Find the \
    user with GET /users?email= and add the rest then.";
/// Why an id of the identity provider was not set.
const EXTERNAL_ID: &str = "The user was there with another `external_id` or with none, and it is set only with a new account.";

/// Whether an account was there before a request began; `None` when the provider does not show since when.
fn is_older(user: &User, started: OffsetDateTime) -> Option<bool> {
    user.created_at.map(|at| at < started.saturating_sub(CLOCK_SKEW))
}

/// What the log says instead of an address, which is personal.
fn subject(email: &str) -> String {
    email.rsplit_once('@').map_or_else(String::new, |(_, host)| format!("*@{host}"))
}
