//! Filters of lists as SCIM filters (RFC 7644 §3.4.2.2). Each matches all rows that the unified filter matches, and
//! perhaps others: the caller applies the unified filter to the rows.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::features::{ResourceFeatures, RoleSource, ScimFeatures};
use super::role_id::parse_role_id;
use crate::domain::filter::{GroupFilter, UserFilter};
use crate::domain::user::UserStatus;

/// Texts of a user that a search looks in.
const SEARCHED: [&str; 7] = [
    "userName",
    "displayName",
    "name.formatted",
    "name.givenName",
    "name.familyName",
    "title",
    "emails.value",
];

/// Returns the filter of users; `None` when the server can't apply any part of it.
pub(super) fn user_filter(filter: &UserFilter, features: &ScimFeatures) -> Option<String> {
    let user = features.filter.then_some(&features.user)?;
    let mut parts = Parts { resource: user, parts: Vec::new() };
    parts.equals("emails.value", filter.email.as_deref());
    parts.equals("userName", filter.username.as_deref());
    // Users without `active` count as active. A comparison with false does not match the text "False".
    if filter.status == Some(UserStatus::Inactive) && user.has("active") {
        parts.add("active ne true".to_owned());
    }
    if let Some((source, value)) = filter.role_id.as_deref().and_then(parse_role_id) {
        parts.role(source, value);
    }
    if let Some(after) = filter.updated_after {
        parts.modified_after(after);
    }
    if let Some(text) = filter.search.as_deref() {
        parts.search(text.trim());
    }
    parts.joined()
}

/// Returns the filter of users with a role; `None` when the server can't apply it.
pub(super) fn role_filter(
    (source, value): (RoleSource, &str),
    features: &ScimFeatures,
) -> Option<String> {
    let user = features.filter.then_some(&features.user)?;
    let mut parts = Parts { resource: user, parts: Vec::new() };
    parts.role(source, value);
    parts.joined()
}

/// Returns the filter of groups.
pub(super) fn group_filter(filter: &GroupFilter, features: &ScimFeatures) -> Option<String> {
    let group = features.group.as_ref().filter(|_| features.filter)?;
    let mut parts = Parts { resource: group, parts: Vec::new() };
    parts.equals("displayName", filter.name.as_deref());
    if let Some(id) = filter.user_id.as_deref()
        && group.has("members.value")
    {
        parts.add(comparison("members.value", "eq", id));
    }
    parts.joined()
}

/// Returns the filter of groups by their name, and by the start of their name.
pub(super) fn named_group_filter(
    name: Option<&str>,
    prefix: Option<&str>,
    features: &ScimFeatures,
) -> Option<String> {
    let group = features.group.as_ref().filter(|_| features.filter)?;
    let mut parts = Parts { resource: group, parts: Vec::new() };
    parts.equals("displayName", name);
    if let Some(prefix) = prefix
        && group.has("displayName")
    {
        parts.add(comparison("displayName", "sw", prefix));
    }
    parts.joined()
}

/// The conditions of a filter.
struct Parts<'f> {
    resource: &'f ResourceFeatures,
    parts: Vec<String>,
}

impl Parts<'_> {
    fn add(&mut self, part: String) {
        self.parts.push(part);
    }

    /// Adds a comparison without regard to case. Some servers compare exactly: there the value in lower case may match.
    fn equals(&mut self, path: &str, value: Option<&str>) {
        let Some(value) = value.map(str::trim).filter(|_| self.resource.has(path)) else { return };
        let (exact, lower) = (comparison(path, "eq", value), value.to_lowercase());
        if lower == value {
            self.add(exact);
        } else {
            self.add(format!("({exact} or {})", comparison(path, "eq", &lower)));
        }
    }

    /// Adds a role. Some servers have texts in place of objects, names in place of values, or numbers.
    fn role(&mut self, source: RoleSource, value: &str) {
        let (attribute, part) = match source {
            RoleSource::Roles => ("roles", "roles.value"),
            RoleSource::Entitlements => ("entitlements", "entitlements.value"),
            RoleSource::Groups => return,
        };
        if !self.resource.has(part) {
            return;
        }
        let display = format!("{attribute}.display");
        let mut places = vec![comparison(part, "eq", value), comparison(attribute, "eq", value)];
        if self.resource.has(&display) {
            places.push(comparison(&display, "eq", value));
        }
        if let Some(number) = number(value) {
            places.push(format!("{part} eq {number}"));
        }
        self.add(format!("({})", places.join(" or ")));
    }

    /// Adds a time, without its fraction: servers store times in different precision.
    fn modified_after(&mut self, at: OffsetDateTime) {
        let whole = at.replace_nanosecond(0).unwrap_or(at);
        if let Ok(text) = whole.format(&Rfc3339) {
            self.add(comparison("meta.lastModified", "gt", &text));
        }
    }

    /// Adds a search for a part of a text. A part with a space may be in a name that is composed here.
    fn search(&mut self, text: &str) {
        let searched: Vec<String> = SEARCHED
            .iter()
            .filter(|path| self.resource.has(path))
            .map(|path| comparison(path, "co", text))
            .collect();
        if !text.is_empty() && !text.contains(char::is_whitespace) && !searched.is_empty() {
            self.add(format!("({})", searched.join(" or ")));
        }
    }

    fn joined(self) -> Option<String> {
        let joined = self.parts.join(" and ");
        (!joined.is_empty()).then_some(joined)
    }
}

/// Returns the number that a text is, if a number is written in this way.
fn number(text: &str) -> Option<i64> {
    text.parse().ok().filter(|number: &i64| number.to_string() == text)
}

/// Returns a comparison. The value is a JSON string.
fn comparison(path: &str, operator: &str, value: &str) -> String {
    format!("{path} {operator} {}", serde_json::Value::from(value))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use time::macros::datetime;

    use super::*;
    use crate::connectors::scim::features::AttributeFeatures;

    fn features() -> ScimFeatures {
        ScimFeatures { filter: true, ..ScimFeatures::default() }
    }

    #[test]
    fn passes_on_what_the_server_can_compare() {
        let filter = UserFilter {
            email: Some(" ada@example.com ".to_owned()),
            username: Some("Ada".to_owned()),
            status: Some(UserStatus::Inactive),
            role_id: Some("roles:a b".to_owned()),
            updated_after: Some(datetime!(2026-01-31 10:00:00.75 UTC)),
            ..UserFilter::default()
        };
        let expected = "emails.value eq \"ada@example.com\" and \
            (userName eq \"Ada\" or userName eq \"ada\") and active ne true and \
            (roles.value eq \"a b\" or roles eq \"a b\" or roles.display eq \"a b\") and meta.lastModified gt \"2026-01-31T10:00:00Z\"";
        assert_eq!(user_filter(&filter, &features()).as_deref(), Some(expected));
        assert_eq!(user_filter(&filter, &ScimFeatures::default()), None, "not announced");
        assert_eq!(user_filter(&UserFilter::default(), &features()), None);
        let active = UserFilter { status: Some(UserStatus::Active), ..UserFilter::default() };
        assert_eq!(user_filter(&active, &features()), None, "`active` may be absent");
    }

    #[test]
    fn a_role_of_digits_may_be_a_number() {
        let filter = |value: &str| role_filter((RoleSource::Roles, value), &features()).unwrap();
        let expected =
            r#"(roles.value eq "7" or roles eq "7" or roles.display eq "7" or roles.value eq 7)"#;
        assert_eq!(filter("7"), expected);
        assert!(!filter("007").contains(" eq 7"));
    }

    #[test]
    fn values_are_escaped_as_json() {
        let name = |text: &str| {
            let filter = UserFilter { username: Some(text.to_owned()), ..UserFilter::default() };
            user_filter(&filter, &features()).unwrap()
        };
        assert_eq!(name("a\" or title pr"), r#"userName eq "a\" or title pr""#);
        assert_eq!(name("a\\"), r#"userName eq "a\\""#);
        assert_eq!(name("a\nb"), r#"userName eq "a\nb""#);
    }

    #[test]
    fn a_search_looks_in_the_attributes_of_the_schema() {
        let search = |text: &str, features: &ScimFeatures| {
            let filter = UserFilter { search: Some(text.to_owned()), ..UserFilter::default() };
            user_filter(&filter, features)
        };
        let all = search(" lov ", &features()).unwrap();
        assert_eq!(all.matches(" co \"lov\"").count(), SEARCHED.len());
        assert_eq!(search("ada lov", &features()), None, "the name may be composed here");
        let mut few = features();
        let known = AttributeFeatures {
            is_required: false,
            is_writable: true,
            canonical: Vec::new(),
            is_returned: true,
        };
        few.user.attributes = BTreeMap::from([("username".to_owned(), known)]);
        assert_eq!(search("lov", &few).as_deref(), Some("(userName co \"lov\")"));
        let email = UserFilter { email: Some("a@b.c".to_owned()), ..UserFilter::default() };
        assert_eq!(user_filter(&email, &few), None, "users have no addresses there");
    }

    #[test]
    fn groups_are_found_by_name_and_member() {
        let filter = GroupFilter { name: Some("x".to_owned()), user_id: Some("1".to_owned()) };
        let expected = r#"displayName eq "x" and members.value eq "1""#;
        assert_eq!(group_filter(&filter, &features()).as_deref(), Some(expected));
        let named = named_group_filter(None, Some("ws-"), &features());
        assert_eq!(named.as_deref(), Some(r#"displayName sw "ws-""#));
        let none = ScimFeatures { group: None, ..features() };
        assert_eq!(group_filter(&filter, &none), None);
    }
}
