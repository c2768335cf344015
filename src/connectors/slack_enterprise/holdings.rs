//! Roles given and taken away. Levels are one call each; system roles go in batches of ten users at
//! ten places, which is what Slack takes at once.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use serde::Deserialize;

use super::SlackEnterprise;
use super::levels::check_level;
use super::roles::is_provider_id;
use crate::connectors::{AssignmentWrites, CallContext, ConnectorError, Holding, Kind, Reads};
use crate::domain::assignment::RoleAssignment;
use crate::domain::input::Done;

const ADD: &str = "admin.roles.addAssignments";
const REMOVE: &str = "admin.roles.removeAssignments";
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

type Outcome = Result<Done, ConnectorError>;

#[async_trait]
impl AssignmentWrites for SlackEnterprise {
    fn check(&self, cx: &CallContext<'_>, holding: &Holding) -> Result<(), ConnectorError> {
        if is_provider_id(&holding.role_id) { Ok(()) } else { check_level(cx, holding) }
    }

    async fn assign(&self, cx: &CallContext<'_>, holdings: &[Holding]) -> Vec<Outcome> {
        let mut done = self.change_system_roles(cx, ADD, holdings).await;
        let mut outcomes = Vec::with_capacity(holdings.len());
        for holding in holdings {
            outcomes.push(match done.remove(holding) {
                Some(outcome) => outcome,
                None => self.give_level(cx, holding).await,
            });
        }
        outcomes
    }

    async fn revoke(&self, cx: &CallContext<'_>, holdings: &[Holding]) -> Vec<Outcome> {
        let mut done = self.change_system_roles(cx, REMOVE, holdings).await;
        let mut outcomes = Vec::with_capacity(holdings.len());
        for holding in holdings {
            outcomes.push(match done.remove(holding) {
                Some(outcome) => outcome,
                None => self.take_level(cx, holding).await,
            });
        }
        outcomes
    }
}

impl SlackEnterprise {
    /// Changes the system roles among the holdings, and says what came of each.
    async fn change_system_roles(
        &self,
        cx: &CallContext<'_>,
        method: &'static str,
        holdings: &[Holding],
    ) -> BTreeMap<Holding, Outcome> {
        let mut outcomes = BTreeMap::new();
        for batch in batches(holdings) {
            self.change_batch(cx, method, &batch, &mut outcomes).await;
        }
        outcomes
    }

    async fn change_batch(
        &self,
        cx: &CallContext<'_>,
        method: &'static str,
        batch: &Batch<'_>,
        outcomes: &mut BTreeMap<Holding, Outcome>,
    ) {
        let users = serde_json::json!(batch.users).to_string();
        let places = serde_json::json!(batch.places).to_string();
        let arguments = [("role_id", batch.role), ("user_ids", &*users), ("entity_ids", &*places)];
        let said = self.web_said(cx, method, &arguments).await;
        for user_id in &batch.users {
            for place_id in &batch.places {
                let outcome = match &said {
                    Ok((_, None)) => Ok(Done::Done),
                    Ok((answer, Some(refusal))) => {
                        let rejected: Rejected = answer.read(cx).unwrap_or_default();
                        judge(&rejected, refusal, user_id, place_id)
                    }
                    Err(error) => Err(error.copy()),
                };
                let holding = Holding {
                    role_id: batch.role.to_owned(),
                    user_id: (*user_id).to_owned(),
                    place_id: (*place_id).to_owned(),
                };
                outcomes.insert(holding, outcome);
            }
        }
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
            for user in &batch.users {
                for place in &batch.places {
                    let holding = Holding {
                        role_id: batch.role.to_owned(),
                        user_id: (*user).to_owned(),
                        place_id: (*place).to_owned(),
                    };
                    assert!(covered.insert(holding), "covered twice");
                }
            }
        }
        assert_eq!(covered, wished);
    }
}
