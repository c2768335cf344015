//! The order of a batch: operations on different resources run concurrently, those on the same one in order.
//!
//! An operation changes one resource, its subject, and mentions others: the workspace of a role, the members of a
//! group. It waits for each earlier one that changes what it mentions or mentions what it changes. Reads wait for
//! changes only; a list reads every resource.

use std::collections::{BTreeSet, HashMap, HashSet};

use axum::http::Method;
use serde_json::Value;

use crate::domain::assignment::split_assignment_id;

/// The resources that an operation touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ResourceAccess {
    /// Whether it changes a resource.
    is_change: bool,
    /// Id of the changed or read resource; `None` for a resource created without a name, and for a list.
    subject: Option<String>,
    /// Every string of its path and body, the subject included.
    mentions: HashSet<String>,
}

impl ResourceAccess {
    /// Returns what an operation with this method, path and body touches.
    pub(super) fn of(method: &Method, path: &str, body: Option<&Value>) -> Self {
        let mut segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        // `/users/U1`, `/workspaces/T1/members/U1`: every second segment is an id.
        let ids: Vec<&str> = segments.drain(..).skip(1).step_by(2).collect();
        let mut mentions = HashSet::new();
        for id in &ids {
            // The id of a role assignment is composed of role, user and workspace.
            mentions.extend(id.split('.').chain([*id]).map(str::to_owned));
            mentions.extend(split_assignment_id(id).into_iter().flatten());
        }
        if let Some(body) = body {
            collect(body, &mut mentions);
        }
        let field = |pointer: &str| body?.pointer(pointer)?.as_str();
        let named = ["/user_id", "/id"].into_iter().find_map(field);
        let address = || ["/email", "/emails/0/email"].into_iter().find_map(field);
        let subject = named.or_else(|| ids.last().copied()).or_else(address);
        Self { is_change: !method.is_safe(), subject: subject.map(str::to_owned), mentions }
    }

    fn is_list(&self) -> bool {
        !self.is_change && self.subject.is_none()
    }
}

/// Collects every string in a JSON value.
fn collect(value: &Value, into: &mut HashSet<String>) {
    match value {
        Value::String(text) => {
            into.insert(text.clone());
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, into)),
        Value::Object(fields) => fields.values().for_each(|field| collect(field, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The dependencies between operations. Each waits for the last ones before it that it conflicts with; indirect
/// dependencies are not stored, so that many operations on one resource are a chain.
#[derive(Debug, Default)]
pub(super) struct OperationOrder {
    /// Number of operations that each operation waits for.
    blockers: Vec<usize>,
    /// Operations that wait for each operation.
    dependents: Vec<Vec<usize>>,
    /// Operations that wait for no other and have not started.
    ready: BTreeSet<usize>,
}

/// The operations that touch one resource, since its last change.
#[derive(Default)]
struct AccessHistory {
    last_change: Option<usize>,
    reads: Vec<usize>,
    mentioned_by_changes: Vec<usize>,
    mentioned_by_reads: Vec<usize>,
}

impl OperationOrder {
    /// Returns the order of operations that touch these resources.
    pub(super) fn of(touches: &[ResourceAccess]) -> Self {
        let mut order = Self::default();
        let mut uses: HashMap<&str, AccessHistory> = HashMap::new();
        let (mut changes, mut lists) = (Vec::new(), Vec::new());
        for (place, touch) in touches.iter().enumerate() {
            let mut before = BTreeSet::new();
            for name in &touch.mentions {
                let Some(uses) = uses.get(name.as_str()) else { continue };
                before.extend(uses.last_change);
                if touch.is_change {
                    before.extend(&uses.reads);
                }
                if touch.subject.as_ref() == Some(name) {
                    before.extend(&uses.mentioned_by_changes);
                    if touch.is_change {
                        before.extend(&uses.mentioned_by_reads);
                    }
                }
            }
            if touch.is_list() {
                before.extend(&changes);
                lists.push(place);
            }
            if touch.is_change {
                before.extend(&lists);
                changes.push(place);
            }
            for name in &touch.mentions {
                uses.entry(name).or_default().add(place, touch, name);
            }
            order.add(place, &before);
        }
        order
    }

    fn add(&mut self, place: usize, before: &BTreeSet<usize>) {
        if before.is_empty() {
            self.ready.insert(place);
        }
        for one in before {
            if let Some(dependents) = self.dependents.get_mut(*one) {
                dependents.push(place);
            }
        }
        self.blockers.push(before.len());
        self.dependents.push(Vec::new());
    }

    /// Removes and returns the first operation that waits for no other.
    pub(super) fn take(&mut self) -> Option<usize> {
        self.ready.pop_first()
    }

    /// Releases the operations that waited for this one only.
    pub(super) fn finish(&mut self, place: usize) {
        for dependent in self.dependents.get_mut(place).map(std::mem::take).unwrap_or_default() {
            if let Some(blockers) = self.blockers.get_mut(dependent) {
                *blockers = blockers.saturating_sub(1);
                if *blockers == 0 {
                    self.ready.insert(dependent);
                }
            }
        }
    }
}

impl AccessHistory {
    fn add(&mut self, place: usize, touch: &ResourceAccess, name: &str) {
        let is_subject = touch.subject.as_deref() == Some(name);
        match (touch.is_change, is_subject) {
            // An operation that waits for it also waits for all before it.
            (true, true) => *self = Self { last_change: Some(place), ..Self::default() },
            (true, false) => self.mentioned_by_changes.push(place),
            (false, true) => {
                self.reads.push(place);
                self.mentioned_by_reads.push(place);
            }
            (false, false) => self.mentioned_by_reads.push(place),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn touch(method: &Method, path: &str, body: &Value) -> ResourceAccess {
        ResourceAccess::of(method, path, Some(body))
    }

    /// Returns the indices of the operations that can start immediately.
    fn first_wave(all: &[ResourceAccess]) -> Vec<usize> {
        let mut order = OperationOrder::of(all);
        std::iter::from_fn(|| order.take()).collect()
    }

    /// The rule as documented, for two operations of which `one` is the earlier.
    fn conflict(one: &ResourceAccess, other: &ResourceAccess) -> bool {
        let names = |one: &ResourceAccess, other: &ResourceAccess| {
            one.subject.as_ref().is_some_and(|subject| other.mentions.contains(subject))
        };
        let is_about_same = names(one, other) || names(other, one);
        let is_list = one.is_list() || other.is_list();
        (one.is_change || other.is_change) && (is_about_same || is_list)
    }

    proptest::proptest! {
        #[test]
        fn starts_an_operation_when_no_earlier_one_conflicts(
            operations in proptest::collection::vec(
                (proptest::bool::ANY, proptest::option::of(0..4_u8), proptest::collection::vec(0..4_u8, 0..3)),
                0..40,
            ),
            picks in proptest::collection::vec(0..40_usize, 40),
        ) {
            let touches: Vec<ResourceAccess> = operations
                .into_iter()
                .map(|(is_change, subject, mentions)| {
                    let subject = subject.map(|name| name.to_string());
                    let mentions = mentions.into_iter().map(|name| name.to_string());
                    ResourceAccess { is_change, mentions: mentions.chain(subject.clone()).collect(), subject }
                })
                .collect();
            let mut order = OperationOrder::of(&touches);
            let (mut running, mut done) = (Vec::new(), HashSet::new());
            for pick in picks {
                running.extend(std::iter::from_fn(|| order.take()));
                for (place, touch) in touches.iter().enumerate() {
                    let is_blocked = touches.iter().enumerate().take(place).any(|(before, one)| {
                        !done.contains(&before) && conflict(one, touch)
                    });
                    let has_started = running.contains(&place) || done.contains(&place);
                    proptest::prop_assert_eq!(has_started, !is_blocked, "{}", place);
                }
                if running.is_empty() {
                    break;
                }
                let ended = running.swap_remove(pick % running.len());
                order.finish(ended);
                done.insert(ended);
            }
        }
    }

    #[test]
    fn chains_many_operations_on_one_resource() {
        let one =
            touch(&Method::PATCH, "/users/U1", &json!({"title": "x", "manager": {"id": "U2"}}));
        let order = OperationOrder::of(&vec![one; 1_000]);
        let edges: usize = order.blockers.iter().sum();
        assert_eq!(edges, 999);
    }

    #[test]
    fn runs_different_resources_concurrently_and_one_in_order() {
        let role = |user: &str| {
            let body = json!({"user_id": user, "role_id": "ws:admin", "workspace_id": "T1"});
            touch(&Method::POST, "/role-assignments", &body)
        };
        let null = Value::Null;
        let none = [
            role("U1"),
            role("U2"),
            touch(&Method::DELETE, "/role-assignments/ws:admin.U1.T1", &null),
            touch(&Method::PATCH, "/workspaces/T1", &json!({"name": "x"})),
            touch(&Method::PATCH, "/workspaces/T2", &json!({"name": "x"})),
            touch(&Method::DELETE, "/workspaces/T2/members/U3", &null),
            touch(&Method::PATCH, "/users/U4", &json!({"manager": {"id": "U3"}})),
        ];
        // T2 is being changed, so U3 waits, and U4 waits for U3.
        assert_eq!(first_wave(&none), [0, 1, 4]);
        let made = |email: &str| touch(&Method::POST, "/users", &json!({"email": email}));
        assert_eq!(first_wave(&[made("a@x"), made("b@x"), made("a@x")]), [0, 1]);
        let many = |user: &str| {
            let body = json!({"id": user, "roles": [{"id": "Rl01"}]});
            touch(&Method::POST, "/users/assign_role", &body)
        };
        assert_eq!(first_wave(&[many("U1"), many("U2"), many("U1")]), [0, 1]);
    }

    #[test]
    fn reads_wait_for_changes_only() {
        let read = |path: &str| ResourceAccess::of(&Method::GET, path, None);
        let reads = ["/users", "/users/U1", "/users/U1", "/workspaces", "/users"].map(read);
        assert_eq!(first_wave(&reads), [0, 1, 2, 3, 4]);
        let change = ResourceAccess::of(&Method::DELETE, "/users/U1", None);
        let [list, one, ..] = reads;
        let other = read("/users/U2");
        assert_eq!(first_wave(&[change.clone(), list.clone(), one.clone(), other]), [0, 3]);
        assert_eq!(first_wave(&[one, change.clone()]), [0]);
        assert_eq!(first_wave(&[list, change]), [0]);
    }
}
