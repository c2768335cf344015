//! What a known change explains: the events about its object, and of an update the fields that it changed. A change
//! that is found is attributed only to what explains all of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::event::EventKind;

/// Fields that change with any other field.
const DERIVED_FIELDS: [&str; 1] = ["updated_at"];

/// The events that a known change explains.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Effect {
    /// The types.
    pub kinds: Vec<EventKind>,
    /// The values of fields that the object must have.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
    /// An e-mail address that the user must have.
    #[serde(default)]
    pub email: Option<String>,
    /// The roles of an assignment, one of which it must have; empty for any.
    #[serde(default)]
    pub role_ids: Vec<String>,
    /// What the role's id must begin with.
    #[serde(default)]
    pub role_prefix: Option<String>,
    /// The fields that it changes in an update, with the value that they must have then; `None` for any field.
    #[serde(default)]
    pub changed: Option<BTreeMap<String, NewValue>>,
    /// Whether it is found by reads of other objects than the changed one, some time after the change.
    #[serde(default)]
    pub is_found_later: bool,
}

/// The value of a field after a known change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NewValue {
    /// Any value.
    Any,
    /// This value; texts are compared without regard to case and surrounding spaces.
    Is(Value),
    /// A list that this id entered or left, and no other.
    Moved(String),
}

/// A change that was found: an event to be attributed.
#[derive(Debug, Clone)]
pub struct FoundChange {
    /// The type of the event.
    pub kind: EventKind,
    /// The object after the change; of a removal, before it.
    pub object: Map<String, Value>,
    /// The earlier values of the changed fields of an update.
    pub earlier: Map<String, Value>,
}

impl Effect {
    /// Returns the events of these types about objects with this field.
    #[must_use]
    pub fn on(field: &str, value: &str, kinds: &[EventKind]) -> Self {
        Self::any(kinds).with(field, value)
    }

    /// Returns the events of these types.
    #[must_use]
    pub fn any(kinds: &[EventKind]) -> Self {
        Self { kinds: kinds.to_vec(), ..Self::default() }
    }

    /// Returns the effect on objects that also have this field.
    #[must_use]
    pub fn with(mut self, field: &str, value: &str) -> Self {
        self.fields.insert(field.to_owned(), value.to_owned());
        self
    }

    /// Returns the effect on these fields alone.
    #[must_use]
    pub fn changing(mut self, fields: &[&str]) -> Self {
        let fields = fields.iter().map(|field| ((*field).to_owned(), NewValue::Any));
        self.changed.get_or_insert_default().extend(fields);
        self
    }

    /// Returns the effect that also sets this field.
    #[must_use]
    pub fn setting(mut self, field: &str, value: NewValue) -> Self {
        self.changed.get_or_insert_default().insert(field.to_owned(), value);
        self
    }

    /// Returns the effect as one that is found by reads of other objects.
    #[must_use]
    pub fn found_later(self) -> Self {
        Self { is_found_later: true, ..self }
    }

    /// Whether an event of this type about this object may be included.
    #[must_use]
    pub fn concerns(&self, kind: EventKind, object: &Map<String, Value>) -> bool {
        let text = |name: &str| object.get(name).and_then(Value::as_str);
        let has_role = |has: &dyn Fn(&str) -> bool| text("role_id").is_some_and(has);
        self.kinds.contains(&kind)
            && self.fields.iter().all(|(name, value)| text(name) == Some(value))
            && self.email.as_deref().is_none_or(|email| has_email(object, email))
            && (self.role_ids.is_empty()
                || has_role(&|role| self.role_ids.iter().any(|id| id == role)))
            && self
                .role_prefix
                .as_ref()
                .is_none_or(|prefix| has_role(&|role| role.starts_with(prefix)))
    }

    /// Whether it explains that a field changed from one value to another.
    fn explains(&self, field: &str, (earlier, later): (&Value, &Value)) -> bool {
        let Some(changed) = &self.changed else { return true };
        changed.get(field).is_some_and(|expected| match expected {
            NewValue::Any => true,
            NewValue::Is(value) => same(value, later),
            NewValue::Moved(id) => {
                moved(earlier, later).is_some_and(|moved| moved == [id.as_str()])
            }
        })
    }
}

impl FoundChange {
    /// Returns the change that an event reports; `None` for an event that is not about an object.
    #[must_use]
    pub fn of(kind: EventKind, object: Option<&str>, previous: Option<&str>) -> Option<Self> {
        let parse = |text: &str| serde_json::from_str::<Map<String, Value>>(text).ok();
        let earlier = previous.and_then(parse).unwrap_or_default();
        let Some(object) = object else {
            let is_removal = !earlier.is_empty();
            return is_removal.then(|| Self { kind, object: earlier, earlier: Map::new() });
        };
        Some(Self { kind, object: parse(object)?, earlier })
    }

    /// Returns the fields of an update that none of these effects explains; `None` when they explain nothing of the
    /// change.
    #[must_use]
    pub fn unexplained<'e>(
        &self,
        effects: impl Iterator<Item = &'e Effect>,
    ) -> Option<BTreeSet<&str>> {
        let effects: Vec<&Effect> =
            effects.filter(|effect| effect.concerns(self.kind, &self.object)).collect();
        if effects.is_empty() {
            return None;
        }
        let is_derived = |name: &&str| DERIVED_FIELDS.contains(name);
        let names: BTreeSet<&str> =
            self.earlier.keys().map(String::as_str).filter(|name| !is_derived(name)).collect();
        let explains = |name: &&str| {
            let (earlier, later) = (self.earlier.get(*name), self.object.get(*name));
            let values = (earlier.unwrap_or(&Value::Null), later.unwrap_or(&Value::Null));
            effects.iter().any(|effect| effect.explains(name, values))
        };
        let left: BTreeSet<&str> = names.iter().copied().filter(|name| !explains(name)).collect();
        (names.is_empty() || left.len() < names.len()).then_some(left)
    }
}

/// Whether two values are the same, without regard to case and surrounding spaces of texts.
fn same(expected: &Value, is: &Value) -> bool {
    let text = |value: &Value| match value {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text.trim().to_lowercase()),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    };
    match (text(expected), text(is)) {
        (Some(expected), Some(is)) => expected == is,
        _ => expected == is,
    }
}

/// Returns the ids that only one of two lists has.
fn moved<'v>(earlier: &'v Value, later: &'v Value) -> Option<Vec<&'v str>> {
    let ids = |list: &'v Value| -> Option<BTreeSet<&'v str>> {
        list.as_array()?.iter().map(Value::as_str).collect()
    };
    let (earlier, later) = (ids(earlier)?, ids(later)?);
    Some(earlier.symmetric_difference(&later).copied().collect())
}

fn has_email(object: &Map<String, Value>, email: &str) -> bool {
    let emails = object.get("emails").and_then(Value::as_array);
    let addresses = emails.into_iter().flatten().filter_map(|one| one.get("email")?.as_str());
    addresses.into_iter().any(|one| one.eq_ignore_ascii_case(email))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(kind: EventKind, object: &Value, previous: &Value) -> FoundChange {
        let (object, previous) = (object.to_string(), previous.to_string());
        FoundChange::of(kind, Some(&object), Some(&previous)).unwrap()
    }

    #[test]
    fn includes_the_events_that_have_its_fields_and_one_of_its_roles() {
        let effect = Effect {
            role_ids: vec!["org:owner".to_owned()],
            ..Effect::on("user_id", "U1", &[EventKind::RoleGranted])
        };
        let concerns = |kind, object: Value| effect.concerns(kind, object.as_object().unwrap());
        let granted = json!({"user_id": "U1", "role_id": "org:owner"});
        assert!(concerns(EventKind::RoleGranted, granted.clone()));
        assert!(!concerns(EventKind::RoleRevoked, granted));
        let other = json!({"user_id": "U1", "role_id": "org:admin"});
        assert!(!concerns(EventKind::RoleGranted, other));
        let other = json!({"user_id": "U3", "role_id": "org:owner"});
        assert!(!concerns(EventKind::RoleGranted, other));
        assert!(!concerns(EventKind::RoleGranted, json!({})));
    }

    #[test]
    fn all_changed_fields_must_be_explained() {
        let object = json!({"id": "U1", "title": "B", "department": "D", "updated_at": "later"});
        let change = |previous: Value| found(EventKind::UserUpdated, &object, &previous);
        let title = Effect::on("id", "U1", &[EventKind::UserUpdated])
            .setting("title", NewValue::Is("b ".into()));
        let left = |previous: Value, effects: &[&Effect]| -> Option<Vec<String>> {
            let change = change(previous);
            let left = change.unexplained(effects.iter().copied())?;
            Some(left.into_iter().map(str::to_owned).collect())
        };
        assert_eq!(left(json!({"title": "A", "updated_at": "now"}), &[&title]), Some(vec![]));
        assert_eq!(left(json!({"department": null}), &[&title]), None);
        let both = json!({"title": "A", "department": null});
        assert_eq!(left(both.clone(), &[&title]), Some(vec!["department".to_owned()]));
        let department =
            Effect::on("id", "U1", &[EventKind::UserUpdated]).changing(&["department"]);
        assert_eq!(left(both, &[&title, &department]), Some(vec![]));
        let other = Effect::on("id", "U1", &[EventKind::UserUpdated])
            .setting("title", NewValue::Is("C".into()));
        assert_eq!(left(json!({"title": "A"}), &[&other]), None);
        let nothing = Effect::on("id", "U1", &[EventKind::UserUpdated]).changing(&[]);
        assert_eq!(left(json!({"updated_at": "now"}), &[&nothing]), Some(vec![]));
        assert_eq!(left(json!({"title": "A"}), &[&nothing]), None);
    }

    #[test]
    fn a_list_is_explained_by_the_only_id_that_moved() {
        let admins = Effect::any(&[EventKind::WorkspaceUpdated])
            .setting("admin_ids", NewValue::Moved("U1".to_owned()));
        for (later, expected) in
            [(json!(["U1", "U2"]), true), (json!(["U1"]), false), (json!(null), false)]
        {
            let change = found(
                EventKind::WorkspaceUpdated,
                &json!({"id": "T1", "admin_ids": later}),
                &json!({"admin_ids": ["U2"]}),
            );
            let left = change.unexplained(std::iter::once(&admins));
            assert_eq!(left.is_some_and(|left| left.is_empty()), expected, "{later}");
        }
    }
}
