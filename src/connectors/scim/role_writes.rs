//! Assigns and removes roles: values of `roles` and `entitlements` of users, and memberships of groups that are roles.

use std::collections::BTreeMap;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::ScimConnector;
use super::announcement::MAX_CANONICAL;
use super::attribute::{AttributePath, Resource, elements, member};
use super::attribute_change::AttributeChange;
use super::features::{RoleSource, ScimFeatures, ScimSettings};
use super::group_members::GroupChange;
use super::group_writes::group_target;
use super::patch::element_path;
use super::resource_writes::{ChangePlan, WriteTarget};
use super::role_id::parse_role_id;
use super::unsupported::{NO_GROUPS, NO_ROLES, ROLES_READ_ONLY, unsupported};
use super::user_schema::can_write;
use crate::connectors::{
    AssignmentWrites, CallContext, ConnectorError, ErrorKind, PLACE_FIELD, RoleGrant,
};
use crate::domain::patch::WriteOutcome;

/// What to do about a role in a workspace or channel.
const PLACE: &str =
    "Roles of SCIM apply to the whole organization: omit `workspace_id` and `channel_id`.";
/// What to do about an unknown role.
const UNKNOWN: &str = "There is no such role. GET /roles lists the known ones; the ids are `roles:VALUE`, \
    `entitlements:VALUE` and `groups:GROUP_ID`.";
/// What to do about a role of a source that is not used.
const NOT_CONFIGURED: &str =
    "The account has no roles of this source. Add it to `roles_from` in its `provider_settings`.";

type RoleOutcome = Result<WriteOutcome, ConnectorError>;

/// The change of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RoleChange {
    Assign,
    Remove,
}

/// A role of a user to change.
#[derive(Debug, Clone, Copy)]
struct RoleValue<'a> {
    source: RoleSource,
    /// The value of the attribute, or the id of the group.
    value: &'a str,
    grant: &'a RoleGrant,
}

#[async_trait]
impl AssignmentWrites for ScimConnector {
    fn check_assignable(
        &self,
        cx: &CallContext<'_>,
        holding: &RoleGrant,
    ) -> Result<(), ConnectorError> {
        let (features, settings) = (ScimFeatures::of(cx.account), ScimSettings::of(cx.account));
        let checked = checked_role(cx, (&features, &settings), RoleChange::Assign, holding);
        checked.map(drop).map_err(|error| match error.fix {
            Some(PLACE) => error.with_field(PLACE_FIELD),
            _ => error,
        })
    }

    async fn assign(&self, cx: &CallContext<'_>, holdings: &[RoleGrant]) -> Vec<RoleOutcome> {
        self.change_roles(cx, RoleChange::Assign, holdings).await
    }

    async fn remove(&self, cx: &CallContext<'_>, holdings: &[RoleGrant]) -> Vec<RoleOutcome> {
        self.change_roles(cx, RoleChange::Remove, holdings).await
    }
}

impl ScimConnector {
    /// Returns the outcomes in the order of `holdings`; a duplicate is changed only once. Roles of one user that are
    /// attributes are changed together.
    async fn change_roles(
        &self,
        cx: &CallContext<'_>,
        change: RoleChange,
        holdings: &[RoleGrant],
    ) -> Vec<RoleOutcome> {
        let (features, settings) = (ScimFeatures::of(cx.account), ScimSettings::of(cx.account));
        let mut outcomes: BTreeMap<&RoleGrant, RoleOutcome> = BTreeMap::new();
        let mut by_user: BTreeMap<&str, Vec<RoleValue<'_>>> = BTreeMap::new();
        for grant in holdings {
            match checked_role(cx, (&features, &settings), change, grant) {
                Err(error) => drop(outcomes.insert(grant, Err(error))),
                Ok(role) if role.source == RoleSource::Groups => {
                    if !outcomes.contains_key(grant) {
                        let changed =
                            self.change_group_role(cx, (&features, &settings), change, role);
                        outcomes.insert(grant, changed.await);
                    }
                }
                Ok(role) => by_user.entry(&grant.user_id).or_default().push(role),
            }
        }
        for (user_id, roles) in by_user {
            let changed =
                self.change_user_roles(cx, &features, change, (user_id, roles.as_slice())).await;
            outcomes.extend(roles.iter().map(|role| role.grant).zip(changed));
        }
        in_order(cx, holdings, outcomes)
    }

    /// Changes roles of one user that are values of attributes. Returns one outcome for each.
    async fn change_user_roles(
        &self,
        cx: &CallContext<'_>,
        features: &ScimFeatures,
        change: RoleChange,
        (user_id, roles): (&str, &[RoleValue<'_>]),
    ) -> Vec<RoleOutcome> {
        let plan = |user: &Resource| ChangePlan {
            changes: attribute_changes(user, change, roles),
            operations: Vec::new(),
        };
        let target = WriteTarget::user(features, user_id);
        let changed = self.change_resource(cx, target, target.first_form(), &plan).await;
        let outcome = |role: &RoleValue<'_>| match &changed {
            Ok(changed) => {
                let was_so = is_held(&changed.before, role) == (change == RoleChange::Assign);
                Ok(if was_so { WriteOutcome::Unchanged } else { changed.outcome })
            }
            Err(error) => Err(error.without_source()),
        };
        roles.iter().map(outcome).collect()
    }

    /// Adds a user to a group that is a role, or removes the user from it.
    async fn change_group_role(
        &self,
        cx: &CallContext<'_>,
        (features, settings): (&ScimFeatures, &ScimSettings),
        change: RoleChange,
        role: RoleValue<'_>,
    ) -> RoleOutcome {
        let target = group_target(cx, features, role.value)?;
        let name = match settings.role_group_prefix {
            Some(_) => self.group_name(cx, target).await?,
            None => String::new(),
        };
        if !settings.is_role_group(role.value, &name) {
            return Err(not_assignable(cx, UNKNOWN));
        }
        let user = std::slice::from_ref(&role.grant.user_id);
        let change = match change {
            RoleChange::Assign => GroupChange { add: user, ..GroupChange::default() },
            RoleChange::Remove => GroupChange { remove: user, ..GroupChange::default() },
        };
        self.change_group(cx, target, change).await
    }
}

/// Returns the outcomes in the order of `holdings`. Of a duplicate, only the first has been changed.
fn in_order(
    cx: &CallContext<'_>,
    holdings: &[RoleGrant],
    mut outcomes: BTreeMap<&RoleGrant, RoleOutcome>,
) -> Vec<RoleOutcome> {
    let mut ordered: Vec<RoleOutcome> = Vec::with_capacity(holdings.len());
    for (number, grant) in holdings.iter().enumerate() {
        let first = holdings.iter().take(number).position(|one| one == grant);
        ordered.push(match first.and_then(|first| ordered.get(first)) {
            Some(Ok(_)) => Ok(WriteOutcome::Unchanged),
            Some(Err(error)) => Err(error.without_source()),
            None => {
                let missing = || Err(cx.error("role-assignments", ErrorKind::Internal));
                outcomes.remove(grant).unwrap_or_else(missing)
            }
        });
    }
    ordered
}

/// Returns where a role is, when it can be assigned and removed.
fn checked_role<'a>(
    cx: &CallContext<'_>,
    (features, settings): (&ScimFeatures, &ScimSettings),
    change: RoleChange,
    grant: &'a RoleGrant,
) -> Result<RoleValue<'a>, ConnectorError> {
    let refuse = |why| Err(not_assignable(cx, why));
    if settings.roles_from.is_empty() {
        return Err(unsupported(cx, NO_ROLES));
    }
    let Some((source, value)) = parse_role_id(&grant.role_id) else { return refuse(UNKNOWN) };
    if *grant.place_id != *cx.account.organization.id {
        return refuse(PLACE);
    }
    if !settings.roles_from.contains(&source) {
        return refuse(NOT_CONFIGURED);
    }
    let Some(path) = attribute_of(source) else {
        let has_groups = features.group.is_some();
        let role = RoleValue { source, value, grant };
        return if has_groups { Ok(role) } else { Err(unsupported(cx, NO_GROUPS)) };
    };
    if !can_write(features, &path) {
        return refuse(ROLES_READ_ONLY);
    }
    let known = features.user.attribute(&path.part("value").text());
    let known = known.map(|attribute| attribute.canonical.as_slice()).unwrap_or_default();
    // A user may hold any value. Of a long list, the end is not known.
    let is_complete = !known.is_empty() && known.len() < MAX_CANONICAL;
    if change == RoleChange::Assign && is_complete && !known.iter().any(|one| one == value) {
        return refuse(UNKNOWN);
    }
    Ok(RoleValue { source, value, grant })
}

/// Returns the attribute of users with the roles of a source; `None` for groups.
fn attribute_of(source: RoleSource) -> Option<AttributePath> {
    match source {
        RoleSource::Roles => Some(AttributePath::core("roles")),
        RoleSource::Entitlements => Some(AttributePath::core("entitlements")),
        RoleSource::Groups => None,
    }
}

/// Returns the changes of a user's attributes.
fn attribute_changes(
    user: &Resource,
    change: RoleChange,
    roles: &[RoleValue<'_>],
) -> Vec<AttributeChange> {
    let sources = [RoleSource::Roles, RoleSource::Entitlements].into_iter();
    let of = |source| {
        let values = roles.iter().filter(|role| role.source == source).map(|role| role.value);
        attribute_change(user, attribute_of(source)?, change, values.collect())
    };
    sources.filter_map(of).collect()
}

/// Returns the change of one attribute; `None` when it has the requested values.
fn attribute_change(
    user: &Resource,
    path: AttributePath,
    change: RoleChange,
    mut values: Vec<&str>,
) -> Option<AttributeChange> {
    values.sort_unstable();
    values.dedup();
    let present = elements(path.get(user));
    let has = |value: &str| present.iter().any(|element| has_value(element, value));
    values.retain(|value| has(value) != (change == RoleChange::Assign));
    if values.is_empty() {
        return None;
    }
    let name = path.text();
    let retained = present.iter().filter(|element| {
        change == RoleChange::Assign || !values.iter().any(|value| has_value(element, value))
    });
    let mut new: Vec<Value> = retained.map(|element| (*element).clone()).collect();
    let element_operations = match change {
        RoleChange::Assign => {
            let added: Vec<Value> = values.iter().map(|value| json!({ "value": value })).collect();
            new.extend(added.iter().cloned());
            vec![json!({"op": "add", "path": name, "value": added})]
        }
        RoleChange::Remove => {
            let found = |value: &&str| present.iter().any(|element| has_text_value(element, value));
            let paths =
                values.iter().map(|value| element_path(&name, "value", &Value::from(*value)));
            let paths = paths.map(|path| json!({"op": "remove", "path": path}));
            // A path does not match a number, or an element that has a name alone.
            if values.iter().all(found) { paths.collect() } else { Vec::new() }
        }
    };
    let value = (!new.is_empty()).then_some(Value::Array(new));
    Some(AttributeChange { path, value, element_operations })
}

/// Whether a user has a role.
fn is_held(user: &Resource, role: &RoleValue<'_>) -> bool {
    let Some(path) = attribute_of(role.source) else { return false };
    elements(path.get(user)).iter().any(|element| has_value(element, role.value))
}

/// Whether an element is the role of a value, as roles are read: by its value, or by its name where it has none.
fn has_value(element: &Value, value: &str) -> bool {
    let own = match element {
        Value::Object(parts) => {
            let part = |name| member(parts, name).and_then(scalar_text);
            part("value").or_else(|| part("display"))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            scalar_text(element)
        }
    };
    own.as_deref() == Some(value)
}

/// Whether an element has this text as its part `value`.
fn has_text_value(element: &Value, value: &str) -> bool {
    let parts = element.as_object();
    parts.and_then(|parts| member(parts, "value")).and_then(Value::as_str) == Some(value)
}

/// Returns a single value as text; `None` when it is blank.
fn scalar_text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => return None,
    };
    (!text.trim().is_empty()).then_some(text)
}

/// Returns the error of a change that is not sent.
fn not_assignable(cx: &CallContext<'_>, fix: &'static str) -> ConnectorError {
    cx.error("role-assignments", ErrorKind::NotAssignable).with_fix(fix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(change: RoleChange, values: &[&str]) -> Option<(Option<Value>, Vec<Value>)> {
        let user = json!({"roles": [{"value": "a", "type": "x"}, "b", {"value": null}]});
        let user: Resource = serde_json::from_value(user).unwrap();
        let path = AttributePath::core("roles");
        let changed = attribute_change(&user, path, change, values.to_vec())?;
        Some((changed.value, changed.element_operations))
    }

    #[test]
    fn changes_only_roles_that_differ_and_leaves_the_others() {
        assert_eq!(changed(RoleChange::Assign, &["b", "a"]), None);
        assert_eq!(changed(RoleChange::Remove, &["c"]), None);
        let (value, operations) = changed(RoleChange::Assign, &["c", "a", "c"]).unwrap();
        assert_eq!(value, Some(json!([{"value": "a", "type": "x"}, "b", {"value": "c"}])));
        assert_eq!(operations, [json!({"op": "add", "path": "roles", "value": [{"value": "c"}]})]);
        let (value, operations) = changed(RoleChange::Remove, &["a", "c"]).unwrap();
        assert_eq!(value, Some(json!(["b"])));
        assert_eq!(operations, [json!({"op": "remove", "path": "roles[value eq \"a\"]"})]);
        assert_eq!(changed(RoleChange::Remove, &["a", "b"]), Some((None, Vec::new())));
    }

    #[test]
    fn finds_roles_as_they_are_read() {
        let user =
            json!({"roles": [{"value": 7}, {"display": "C"}, {"value": "", "display": "D"}]});
        let user: Resource = serde_json::from_value(user).unwrap();
        for (value, rest) in [
            ("7", json!([{"display": "C"}, {"value": "", "display": "D"}])),
            ("C", json!([{"value": 7}, {"value": "", "display": "D"}])),
            ("D", json!([{"value": 7}, {"display": "C"}])),
        ] {
            let path = AttributePath::core("roles");
            assert_eq!(
                attribute_change(&user, path.clone(), RoleChange::Assign, vec![value]),
                None
            );
            let removed = attribute_change(&user, path, RoleChange::Remove, vec![value]).unwrap();
            assert_eq!((removed.value, removed.element_operations), (Some(rest), Vec::new()));
        }
    }
}
