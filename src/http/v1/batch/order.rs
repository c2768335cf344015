//! Whose turn it is: operations on different things run at once, those on the same thing in order.
//!
//! An operation changes one thing, its subject, and mentions others: the workspace of a role, the
//! members of a group. It waits for each earlier one that changes what it mentions or mentions what it
//! changes. Reading waits for changes only; a list reads everything.

use std::collections::{BTreeMap, HashSet, VecDeque};

use axum::http::Method;
use serde_json::Value;

/// What an operation is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Touch {
    /// Whether it changes something.
    is_change: bool,
    /// What it is about; `None` for a thing that is made without a name, and for a list.
    subject: Option<String>,
    /// Every text of its path and body, the subject too.
    mentions: HashSet<String>,
}

impl Touch {
    /// What the operation with this method, path and body is about.
    pub(super) fn of(method: &Method, path: &str, body: Option<&Value>) -> Self {
        let mut segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        // `/users/U1`, `/workspaces/T1/members/U1`: every second one is an id.
        let ids: Vec<&str> = segments.drain(..).skip(1).step_by(2).collect();
        let mut mentions = HashSet::new();
        for id in &ids {
            // The id of a role assignment is made of what it is about.
            mentions.extend(id.split('.').chain([*id]).map(str::to_owned));
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

/// Every text in a JSON value.
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

/// What the operations before one are about.
#[derive(Default)]
struct Before<'a> {
    subjects: HashSet<&'a str>,
    mentions: HashSet<&'a str>,
    is_any: bool,
    is_list: bool,
}

impl<'a> Before<'a> {
    fn add(&mut self, touch: &'a Touch) {
        self.is_any = true;
        self.is_list |= touch.is_list();
        self.subjects.extend(touch.subject.as_deref());
        self.mentions.extend(touch.mentions.iter().map(String::as_str));
    }

    fn holds_up(&self, touch: &Touch) -> bool {
        let subject = touch.subject.as_deref();
        (self.is_list && touch.is_change)
            || (self.is_any && touch.is_list())
            || subject.is_some_and(|subject| self.mentions.contains(subject))
            || touch.mentions.iter().any(|one| self.subjects.contains(one.as_str()))
    }
}

/// Takes the first waiting operation that nothing before it holds up.
pub(super) fn take_next<T>(
    waiting: &mut VecDeque<(Touch, T)>,
    running: &BTreeMap<usize, Touch>,
) -> Option<(Touch, T)> {
    let (mut changes, mut reads) = (Before::default(), Before::default());
    let earlier = running.len();
    let all = running.values().chain(waiting.iter().map(|(touch, _)| touch));
    let free = all.enumerate().find(|(place, touch)| {
        let is_held_up = changes.holds_up(touch) || (touch.is_change && reads.holds_up(touch));
        if *place >= earlier && !is_held_up {
            return true;
        }
        if touch.is_change {
            changes.add(touch);
        } else {
            reads.add(touch);
        }
        false
    });
    let place = free.map(|(place, _)| place)?;
    waiting.remove(place - earlier)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn touch(method: &Method, path: &str, body: &Value) -> Touch {
        Touch::of(method, path, Some(body))
    }

    /// The places of what may run at once, when all of these wait.
    fn first_wave(all: &[Touch]) -> Vec<usize> {
        let numbered = all.iter().cloned().enumerate().map(|(place, touch)| (touch, place));
        let mut waiting: VecDeque<(Touch, usize)> = numbered.collect();
        let mut running = BTreeMap::new();
        while let Some((touch, place)) = take_next(&mut waiting, &running) {
            running.insert(place, touch);
        }
        running.into_keys().collect()
    }

    #[test]
    fn different_things_at_once_and_one_thing_in_order() {
        let role = |user: &str| {
            let wish = json!({"user_id": user, "role_id": "ws:admin", "workspace_id": "T1"});
            touch(&Method::POST, "/role-assignments", &wish)
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
            let wish = json!({"id": user, "roles": [{"id": "Rl01"}]});
            touch(&Method::POST, "/users/assign_role", &wish)
        };
        assert_eq!(first_wave(&[many("U1"), many("U2"), many("U1")]), [0, 1]);
    }

    #[test]
    fn reads_wait_for_changes_and_not_for_each_other() {
        let read = |path: &str| Touch::of(&Method::GET, path, None);
        let reads = ["/users", "/users/U1", "/users/U1", "/workspaces", "/users"].map(read);
        assert_eq!(first_wave(&reads), [0, 1, 2, 3, 4]);
        let change = Touch::of(&Method::DELETE, "/users/U1", None);
        let [list, one, ..] = reads;
        let other = read("/users/U2");
        assert_eq!(first_wave(&[change.clone(), list.clone(), one.clone(), other]), [0, 3]);
        assert_eq!(first_wave(&[one, change.clone()]), [0]);
        assert_eq!(first_wave(&[list, change]), [0]);
    }
}
