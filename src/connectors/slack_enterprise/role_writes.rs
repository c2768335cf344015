//! Assigns and removes roles. Levels take one call each; system roles are sent in batches of ten users in ten places,
//! which is Slack's maximum.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use serde::Deserialize;

use super::SlackConnector;
use super::level_writes::check_level;
use super::roles::is_provider_id;
use super::wire;
use crate::connectors::{
    AssignmentWrites, CallContext, ConnectorError, ErrorKind, ReadResource, RoleGrant,
};
use crate::domain::assignment::RoleAssignment;
use crate::domain::filter::RemoteQuery;
use crate::domain::patch::WriteOutcome;

/// Maximum number of users, and of places, of one call.
const MAX_PER_CALL: usize = 10;

/// The rejected users and entities in an error response of `admin.roles.*`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RejectionDetails {
    rejected_users: Vec<RejectedItem>,
    rejected_entities: Vec<RejectedItem>,
}

#[derive(Debug, Deserialize)]
struct RejectedItem {
    id: String,
    error: String,
}

/// One call: these users in these places.
#[derive(Debug, PartialEq, Eq)]
struct RoleBatch<'a> {
    role: &'a str,
    users: Vec<&'a str>,
    places: Vec<&'a str>,
}

impl RoleBatch<'_> {
    fn role_grants(&self) -> Vec<RoleGrant> {
        let held = |user: &&str, place: &&str| RoleGrant {
            role_id: self.role.to_owned(),
            user_id: (*user).to_owned(),
            place_id: (*place).to_owned(),
        };
        let of = |user| self.places.iter().map(move |place| held(user, place));
        self.users.iter().flat_map(of).collect()
    }
}

/// The change of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RoleChange {
    Assign,
    Remove,
}

impl RoleChange {
    fn method(self) -> &'static str {
        match self {
            Self::Assign => "admin.roles.addAssignments",
            Self::Remove => "admin.roles.removeAssignments",
        }
    }
}

type RoleOutcome = Result<WriteOutcome, ConnectorError>;

#[async_trait]
impl AssignmentWrites for SlackConnector {
    fn check_assignable(
        &self,
        cx: &CallContext<'_>,
        holding: &RoleGrant,
    ) -> Result<(), ConnectorError> {
        if is_provider_id(&holding.role_id) { Ok(()) } else { check_level(cx, holding) }
    }

    async fn assign(&self, cx: &CallContext<'_>, holdings: &[RoleGrant]) -> Vec<RoleOutcome> {
        self.change_all(cx, RoleChange::Assign, holdings).await
    }

    async fn remove(&self, cx: &CallContext<'_>, holdings: &[RoleGrant]) -> Vec<RoleOutcome> {
        self.change_all(cx, RoleChange::Remove, holdings).await
    }
}

impl SlackConnector {
    /// Returns the outcomes in the order of `holdings`; a duplicate is changed only once.
    async fn change_all(
        &self,
        cx: &CallContext<'_>,
        change: RoleChange,
        holdings: &[RoleGrant],
    ) -> Vec<RoleOutcome> {
        let mut system = self.change_system_roles(cx, change, holdings).await;
        let mut outcomes: Vec<RoleOutcome> = Vec::with_capacity(holdings.len());
        for (number, holding) in holdings.iter().enumerate() {
            let before = holdings.iter().take(number).position(|one| one == holding);
            let before = before.and_then(|place| outcomes.get(place));
            outcomes.push(match (before, system.remove(holding), change) {
                (Some(Ok(_)), ..) => Ok(WriteOutcome::Unchanged),
                (Some(Err(error)), ..) => Err(error.without_source()),
                (None, Some(outcome), _) => outcome,
                (None, None, RoleChange::Assign) => self.assign_level(cx, holding).await,
                (None, None, RoleChange::Remove) => self.remove_level(cx, holding).await,
            });
        }
        outcomes
    }

    /// Changes the system roles among `holdings`, and returns their outcomes.
    async fn change_system_roles(
        &self,
        cx: &CallContext<'_>,
        change: RoleChange,
        holdings: &[RoleGrant],
    ) -> BTreeMap<RoleGrant, RoleOutcome> {
        let mut outcomes = BTreeMap::new();
        for batch in batches(holdings) {
            self.change_batch(cx, change, &batch, &mut outcomes).await;
        }
        outcomes
    }

    /// Changes a batch. Slack accepts changes without effect, so the present assignments are read before; where that
    /// fails, every change is taken as effective.
    async fn change_batch(
        &self,
        cx: &CallContext<'_>,
        change: RoleChange,
        batch: &RoleBatch<'_>,
        outcomes: &mut BTreeMap<RoleGrant, RoleOutcome>,
    ) {
        let held = self.existing_grants(cx, change, batch).await.ok();
        let was_so = |holding: &RoleGrant| {
            let is_held = |held: &BTreeSet<RoleGrant>| held.contains(holding);
            held.as_ref().is_some_and(|held| is_held(held) == (change == RoleChange::Assign))
        };
        let holdings = batch.role_grants();
        if holdings.iter().all(was_so) {
            outcomes
                .extend(holdings.into_iter().map(|holding| (holding, Ok(WriteOutcome::Unchanged))));
            return;
        }
        let users = serde_json::json!(batch.users).to_string();
        let places = serde_json::json!(batch.places).to_string();
        let arguments = [("role_id", batch.role), ("user_ids", &*users), ("entity_ids", &*places)];
        let said = self.web_response(cx, change.method(), &arguments).await;
        for holding in holdings {
            let outcome = match &said {
                Ok((_, None)) => Ok(WriteOutcome::Applied),
                Ok((response, Some(refusal))) => {
                    let rejected: RejectionDetails = response.read(cx).unwrap_or_default();
                    outcome_of(&rejected, refusal, &holding.user_id, &holding.place_id)
                }
                Err(error) => Err(error.without_source()),
            };
            let is_already = outcome.is_ok() && was_so(&holding);
            outcomes
                .insert(holding, if is_already { Ok(WriteOutcome::Unchanged) } else { outcome });
        }
    }

    /// Returns the assignments of a batch that exist. Slack may list a user under another id, that of the organization,
    /// so both ids are looked up before a role to remove counts as not held.
    async fn existing_grants(
        &self,
        cx: &CallContext<'_>,
        change: RoleChange,
        batch: &RoleBatch<'_>,
    ) -> Result<BTreeSet<RoleGrant>, ConnectorError> {
        let roles = serde_json::json!([batch.role]).to_string();
        let places = serde_json::json!(batch.places).to_string();
        let filter = [("role_ids", &*roles), ("entity_ids", &*places)];
        let none = RemoteQuery::default();
        let rows = self.all_system_assignments(cx, &filter, &none, |_| true).await?;
        let mut held: BTreeSet<RoleGrant> =
            rows.into_iter().map(|(row, _)| role_grant(row)).collect();
        let is_listed = |user: &str| held.iter().any(|one| one.user_id == user);
        let others = held.iter().any(|one| !batch.users.contains(&&*one.user_id));
        if change == RoleChange::Assign || !others {
            return Ok(held);
        }
        let unlisted: Vec<&str> =
            batch.users.iter().copied().filter(|user| !is_listed(user)).collect();
        for user in unlisted {
            let Some((person, _)) = self.web_user(cx, user).await? else { continue };
            let theirs = held.iter().filter(|one| person.ids().any(|id| id == one.user_id));
            let theirs = theirs.map(|one| RoleGrant { user_id: user.to_owned(), ..one.clone() });
            held.extend(theirs.collect::<Vec<_>>());
        }
        Ok(held)
    }

    /// Returns whether a level is held at present.
    pub(super) async fn holds_level(
        &self,
        cx: &CallContext<'_>,
        holding: &RoleGrant,
    ) -> Result<bool, ConnectorError> {
        let RoleGrant { role_id, user_id, place_id } = holding;
        let id = format!("{role_id}.{user_id}.{place_id}");
        let held = ReadResource::<RoleAssignment>::get(self, cx, &id).await?;
        Ok(held.is_some())
    }
}

fn role_grant(row: wire::SystemAssignment) -> RoleGrant {
    RoleGrant { role_id: row.role_id, user_id: row.user_id, place_id: row.entity_id }
}

/// Returns the outcome for one user in one place, where a batch was rejected in part or as a whole.
fn outcome_of(
    rejected: &RejectionDetails,
    refusal: &ConnectorError,
    user: &str,
    place: &str,
) -> RoleOutcome {
    let reason = |reasons: &[RejectedItem], id: &str| {
        reasons.iter().find(|reason| reason.id == id).map(|reason| reason.error.clone())
    };
    let named = reason(&rejected.rejected_users, user)
        .map(|code| (ErrorKind::InvalidArgument, code))
        .or_else(|| {
            reason(&rejected.rejected_entities, place)
                .map(|code| (ErrorKind::InvalidArgument, code))
        });
    let partial = refusal.code.as_deref().is_some_and(|code| code.starts_with("failed_for_some"));
    match named {
        Some((kind, code)) => {
            let fix = super::error::fix(&code);
            Err(ConnectorError { kind, fix, ..refusal.without_source() }.with_code(code))
        }
        None if partial => Ok(WriteOutcome::Applied),
        None => Err(refusal.without_source()),
    }
}

/// Returns the calls that cover exactly the system roles among `holdings`. Users with the same places share a call.
fn batches(holdings: &[RoleGrant]) -> Vec<RoleBatch<'_>> {
    let mut places: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for held in holdings.iter().filter(|held| is_provider_id(&held.role_id)) {
        places.entry((&held.role_id, &held.user_id)).or_default().insert(&held.place_id);
    }
    let mut alike: BTreeMap<(&str, Vec<&str>), Vec<&str>> = BTreeMap::new();
    for ((role, user), places) in places {
        alike.entry((role, places.into_iter().collect())).or_default().push(user);
    }
    let mut batches = Vec::new();
    for ((role, places), users) in &alike {
        for users in users.chunks(MAX_PER_CALL) {
            for places in places.chunks(MAX_PER_CALL) {
                let (users, places) = (users.to_vec(), places.to_vec());
                batches.push(RoleBatch { role, users, places });
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(role: &str, user: usize, place: usize) -> RoleGrant {
        let (user_id, place_id) = (format!("U{user}"), format!("T{place}"));
        RoleGrant { role_id: role.to_owned(), user_id, place_id }
    }

    #[test]
    fn batches_cover_exactly_the_requested_grants() {
        let mut requested = BTreeSet::new();
        for user in 0..23 {
            for place in 0..12 {
                requested.insert(held("Rl01", user, place));
            }
        }
        requested.extend([held("Rl02", 1, 1), held("Rl02", 2, 2), held("ws:admin", 1, 1)]);
        let list: Vec<RoleGrant> = requested.iter().cloned().collect();
        let made = batches(&list);
        assert_eq!(made.len(), 3 * 2 + 2);
        let mut covered = BTreeSet::from([held("ws:admin", 1, 1)]);
        for batch in &made {
            assert!(batch.users.len() <= MAX_PER_CALL && batch.places.len() <= MAX_PER_CALL);
            for holding in batch.role_grants() {
                assert!(covered.insert(holding), "covered twice");
            }
        }
        assert_eq!(covered, requested);
    }
}
