//! Roles given and taken away. Levels are one call each; system roles go in batches of ten users at
//! ten places, which is what Slack takes at once.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use serde::Deserialize;

use super::SlackEnterprise;
use super::levels::check_level;
use super::roles::is_provider_id;
use super::wire;
use crate::connectors::{AssignmentWrites, CallContext, ConnectorError, Holding, Kind, Reads};
use crate::domain::assignment::RoleAssignment;
use crate::domain::filter::RemoteQuery;
use crate::domain::input::Done;

/// The most users, and the most places, of one call.
const MOST: usize = 10;

/// What a refusal of `admin.roles.*` names.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Rejected {
    rejected_users: Vec<Reason>,
    rejected_entities: Vec<Reason>,
}

#[derive(Debug, Deserialize)]
struct Reason {
    id: String,
    error: String,
}

/// One call: these users at these places.
#[derive(Debug, PartialEq, Eq)]
struct Batch<'a> {
    role: &'a str,
    users: Vec<&'a str>,
    places: Vec<&'a str>,
}

impl Batch<'_> {
    fn holdings(&self) -> Vec<Holding> {
        let held = |user: &&str, place: &&str| Holding {
            role_id: self.role.to_owned(),
            user_id: (*user).to_owned(),
            place_id: (*place).to_owned(),
        };
        let of = |user| self.places.iter().map(move |place| held(user, place));
        self.users.iter().flat_map(of).collect()
    }
}

/// What happens to a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Give,
    Take,
}

impl Change {
    fn method(self) -> &'static str {
        match self {
            Self::Give => "admin.roles.addAssignments",
            Self::Take => "admin.roles.removeAssignments",
        }
    }
}

type Outcome = Result<Done, ConnectorError>;

#[async_trait]
impl AssignmentWrites for SlackEnterprise {
    fn check(&self, cx: &CallContext<'_>, holding: &Holding) -> Result<(), ConnectorError> {
        if is_provider_id(&holding.role_id) { Ok(()) } else { check_level(cx, holding) }
    }

    async fn assign(&self, cx: &CallContext<'_>, holdings: &[Holding]) -> Vec<Outcome> {
        self.change_all(cx, Change::Give, holdings).await
    }

    async fn revoke(&self, cx: &CallContext<'_>, holdings: &[Holding]) -> Vec<Outcome> {
        self.change_all(cx, Change::Take, holdings).await
    }
}

impl SlackEnterprise {
    /// The outcomes in the order of the holdings; one that is named again was changed the first time.
    async fn change_all(
        &self,
        cx: &CallContext<'_>,
        change: Change,
        holdings: &[Holding],
    ) -> Vec<Outcome> {
        let mut system = self.change_system_roles(cx, change, holdings).await;
        let mut outcomes: Vec<Outcome> = Vec::with_capacity(holdings.len());
        for (number, holding) in holdings.iter().enumerate() {
            let before = holdings.iter().take(number).position(|one| one == holding);
            let before = before.and_then(|place| outcomes.get(place));
            outcomes.push(match (before, system.remove(holding), change) {
                (Some(Ok(_)), ..) => Ok(Done::Already),
                (Some(Err(error)), ..) => Err(error.copy()),
                (None, Some(outcome), _) => outcome,
                (None, None, Change::Give) => self.give_level(cx, holding).await,
                (None, None, Change::Take) => self.take_level(cx, holding).await,
            });
        }
        outcomes
    }

    /// Changes the system roles among the holdings, and says what came of each.
    async fn change_system_roles(
        &self,
        cx: &CallContext<'_>,
        change: Change,
        holdings: &[Holding],
    ) -> BTreeMap<Holding, Outcome> {
        let mut outcomes = BTreeMap::new();
        for batch in batches(holdings) {
            self.change_batch(cx, change, &batch, &mut outcomes).await;
        }
        outcomes
    }

    /// Changes a batch. Slack accepts what is so already, so what was so is read before; where that
    /// fails, everything is taken for new.
    async fn change_batch(
        &self,
        cx: &CallContext<'_>,
        change: Change,
        batch: &Batch<'_>,
        outcomes: &mut BTreeMap<Holding, Outcome>,
    ) {
        let held = self.held_of(cx, change, batch).await.ok();
        let was_so = |holding: &Holding| {
            let is_held = |held: &BTreeSet<Holding>| held.contains(holding);
            held.as_ref().is_some_and(|held| is_held(held) == (change == Change::Give))
        };
        let holdings = batch.holdings();
        if holdings.iter().all(was_so) {
            outcomes.extend(holdings.into_iter().map(|holding| (holding, Ok(Done::Already))));
            return;
        }
        let users = serde_json::json!(batch.users).to_string();
        let places = serde_json::json!(batch.places).to_string();
        let arguments = [("role_id", batch.role), ("user_ids", &*users), ("entity_ids", &*places)];
        let said = self.web_said(cx, change.method(), &arguments).await;
        for holding in holdings {
            let outcome = match &said {
                Ok((_, None)) => Ok(Done::Done),
                Ok((answer, Some(refusal))) => {
                    let rejected: Rejected = answer.read(cx).unwrap_or_default();
                    judge(&rejected, refusal, &holding.user_id, &holding.place_id)
                }
                Err(error) => Err(error.copy()),
            };
            let is_already = outcome.is_ok() && was_so(&holding);
            outcomes.insert(holding, if is_already { Ok(Done::Already) } else { outcome });
        }
    }

    /// Which holdings of a batch are there. Slack may list somebody under another id, that of the organization, so
    /// what is to be taken is looked for under both before it is said that it is not held.
    async fn held_of(
        &self,
        cx: &CallContext<'_>,
        change: Change,
        batch: &Batch<'_>,
    ) -> Result<BTreeSet<Holding>, ConnectorError> {
        let roles = serde_json::json!([batch.role]).to_string();
        let places = serde_json::json!(batch.places).to_string();
        let filter = [("role_ids", &*roles), ("entity_ids", &*places)];
        let none = RemoteQuery::default();
        let rows = self.all_system_assignments(cx, &filter, &none, |_| true).await?;
        let mut held: BTreeSet<Holding> = rows.into_iter().map(|(row, _)| holding(row)).collect();
        let is_listed = |user: &str| held.iter().any(|one| one.user_id == user);
        let others = held.iter().any(|one| !batch.users.contains(&&*one.user_id));
        if change == Change::Give || !others {
            return Ok(held);
        }
        let unlisted: Vec<&str> =
            batch.users.iter().copied().filter(|user| !is_listed(user)).collect();
        for user in unlisted {
            let Some((person, _)) = self.person(cx, user).await? else { continue };
            let theirs = held.iter().filter(|one| person.ids().any(|id| id == one.user_id));
            let theirs = theirs.map(|one| Holding { user_id: user.to_owned(), ..one.clone() });
            held.extend(theirs.collect::<Vec<_>>());
        }
        Ok(held)
    }

    /// Whether a level is held at this moment.
    pub(super) async fn holds_level(
        &self,
        cx: &CallContext<'_>,
        holding: &Holding,
    ) -> Result<bool, ConnectorError> {
        let Holding { role_id, user_id, place_id } = holding;
        let id = format!("{role_id}.{user_id}.{place_id}");
        let held = Reads::<RoleAssignment>::get(self, cx, &id).await?;
        Ok(held.is_some())
    }
}

fn holding(row: wire::SystemAssignment) -> Holding {
    Holding { role_id: row.role_id, user_id: row.user_id, place_id: row.entity_id }
}

/// What came of one user at one place, where a batch was refused in part or as a whole.
fn judge(rejected: &Rejected, refusal: &ConnectorError, user: &str, place: &str) -> Outcome {
    let reason = |reasons: &[Reason], id: &str| {
        reasons.iter().find(|reason| reason.id == id).map(|reason| reason.error.clone())
    };
    let named =
        reason(&rejected.rejected_users, user).map(|code| (Kind::InvalidArgument, code)).or_else(
            || reason(&rejected.rejected_entities, place).map(|code| (Kind::InvalidArgument, code)),
        );
    let partial = refusal.code.as_deref().is_some_and(|code| code.starts_with("failed_for_some"));
    match named {
        Some((kind, code)) => {
            let fix = super::error::fix(&code);
            Err(ConnectorError { kind, fix, ..refusal.copy() }.with_code(code))
        }
        None if partial => Ok(Done::Done),
        None => Err(refusal.copy()),
    }
}

/// The calls that cover all system roles among the holdings and nothing else. Users with the very
/// same places share a call.
fn batches(holdings: &[Holding]) -> Vec<Batch<'_>> {
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
        for users in users.chunks(MOST) {
            for places in places.chunks(MOST) {
                let (users, places) = (users.to_vec(), places.to_vec());
                batches.push(Batch { role, users, places });
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(role: &str, user: usize, place: usize) -> Holding {
        let (user_id, place_id) = (format!("U{user}"), format!("T{place}"));
        Holding { role_id: role.to_owned(), user_id, place_id }
    }

    #[test]
    fn batches_cover_what_is_wished_and_nothing_else() {
        let mut wished = BTreeSet::new();
        for user in 0..23 {
            for place in 0..12 {
                wished.insert(held("Rl01", user, place));
            }
        }
        wished.extend([held("Rl02", 1, 1), held("Rl02", 2, 2), held("ws:admin", 1, 1)]);
        let list: Vec<Holding> = wished.iter().cloned().collect();
        let made = batches(&list);
        assert_eq!(made.len(), 3 * 2 + 2);
        let mut covered = BTreeSet::from([held("ws:admin", 1, 1)]);
        for batch in &made {
            assert!(batch.users.len() <= MOST && batch.places.len() <= MOST);
            for holding in batch.holdings() {
                assert!(covered.insert(holding), "covered twice");
            }
        }
        assert_eq!(covered, wished);
    }
}
