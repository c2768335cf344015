//! The users and groups of the server.

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Time of the first change: 2026-01-01T00:00:00Z. Each change is a second later.
const FIRST_CHANGE: i64 = 1_767_225_600;

/// A kind of resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Users.
    Users,
    /// Groups.
    Groups,
}

/// The users and groups, in the order of their creation.
#[derive(Debug, Default)]
pub(super) struct Directory {
    users: Vec<Value>,
    groups: Vec<Value>,
    changes: i64,
    /// The time of change 0; [`FIRST_CHANGE`] unless it was set.
    start: Option<i64>,
}

/// Returns a resource's id.
pub(super) fn id_of(resource: &Value) -> &str {
    resource.get("id").and_then(Value::as_str).unwrap_or_default()
}

/// Returns the entry of an object whose name matches without regard to case.
pub(super) fn entry<'a>(
    object: &'a Map<String, Value>,
    name: &str,
) -> Option<(&'a str, &'a Value)> {
    let found = object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(key, value)| (key.as_str(), value))
}

impl Directory {
    /// Returns all resources of a kind.
    pub(super) fn all(&self, kind: Kind) -> &[Value] {
        match kind {
            Kind::Users => &self.users,
            Kind::Groups => &self.groups,
        }
    }

    fn all_mut(&mut self, kind: Kind) -> &mut Vec<Value> {
        match kind {
            Kind::Users => &mut self.users,
            Kind::Groups => &mut self.groups,
        }
    }

    /// Returns the resource with this id.
    pub(super) fn get(&self, kind: Kind, id: &str) -> Option<&Value> {
        self.all(kind).iter().find(|resource| id_of(resource) == id)
    }

    /// Adds a resource with a new id, unless it has one; returns the id.
    pub(super) fn insert(&mut self, kind: Kind, mut resource: Value) -> String {
        self.changes += 1;
        let (at, number) = (self.now(), self.changes);
        let mut id = id_of(&resource).to_owned();
        if let Some(object) = resource.as_object_mut() {
            if id.is_empty() && !object.contains_key("id") {
                id = format!("{}-{number}", if kind == Kind::Users { "u" } else { "g" });
                object.insert("id".to_owned(), id.clone().into());
            }
            let name = if kind == Kind::Users { "User" } else { "Group" };
            let meta = json!({"resourceType": name, "created": at, "lastModified": at,
                "version": format!("W/\"{number}\"")});
            object.entry("meta").or_insert(meta);
        }
        self.all_mut(kind).push(resource);
        id
    }

    /// Replaces a resource; its id and time of creation stay.
    pub(super) fn replace(&mut self, kind: Kind, id: &str, mut new: Value) {
        self.changes += 1;
        let (at, version) = (self.now(), format!("W/\"{}\"", self.changes));
        let Some(old) = self.all_mut(kind).iter_mut().find(|resource| id_of(resource) == id) else {
            return;
        };
        let mut meta = old.get("meta").cloned().unwrap_or_else(|| json!({}));
        if let (Some(object), Some(meta)) = (new.as_object_mut(), meta.as_object_mut()) {
            meta.insert("lastModified".to_owned(), at.into());
            meta.insert("version".to_owned(), version.into());
            object.insert("id".to_owned(), id.into());
            object.insert("meta".to_owned(), Value::Object(std::mem::take(meta)));
        }
        *old = new;
    }

    /// Removes a resource, and a user from all groups; returns whether it was there.
    pub(super) fn remove(&mut self, kind: Kind, id: &str) -> bool {
        let all = self.all_mut(kind);
        let before = all.len();
        all.retain(|resource| id_of(resource) != id);
        let is_removed = all.len() < before;
        for group in &mut self.groups {
            if let Some(members) = group.get_mut("members").and_then(Value::as_array_mut) {
                members.retain(|member| member.get("value").and_then(Value::as_str) != Some(id));
            }
        }
        is_removed
    }

    /// Returns a resource as the server sends it: a user with its groups.
    pub(super) fn view(&self, kind: Kind, resource: &Value) -> Value {
        let mut view = resource.clone();
        let (Kind::Users, Some(object)) = (kind, view.as_object_mut()) else { return view };
        let id = id_of(resource);
        let is_member = |group: &&Value| {
            let members = group.get("members").and_then(Value::as_array);
            members.into_iter().flatten().any(|member| member.get("value") == Some(&id.into()))
        };
        let groups: Vec<Value> = self
            .groups
            .iter()
            .filter(is_member)
            .map(|group| json!({"value": group.get("id"), "display": group.get("displayName")}))
            .collect();
        if !groups.is_empty() {
            object.insert("groups".to_owned(), groups.into());
        }
        view
    }

    /// Sets the time of the next change; each later one follows after a second.
    pub(super) fn set_time(&mut self, next: OffsetDateTime) {
        self.start = Some(next.unix_timestamp() - self.changes - 1);
    }

    fn now(&self) -> String {
        let start = self.start.unwrap_or(FIRST_CHANGE);
        OffsetDateTime::from_unix_timestamp(start + self.changes)
            .ok()
            .and_then(|at| at.format(&Rfc3339).ok())
            .unwrap_or_default()
    }
}
