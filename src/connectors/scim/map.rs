//! Maps SCIM resources to unified objects.

use std::collections::BTreeMap;

use serde_json::Value;
use time::OffsetDateTime;

use super::wire;
use crate::domain::group::Group;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{Address, Email, Phone, Photo, ResourceRef, User, UserStatus, UserType};
use crate::domain::workspace::Workspace;

/// The type of members that are groups themselves (RFC 7643 §4.2).
const GROUP_MEMBER: &str = "Group";

/// Maps a SCIM user, without the roles and workspaces that the account's settings decide about.
pub(super) fn user(wire: wire::UserResource) -> User {
    let is_off = wire.active == Some(false);
    let status = if is_off { UserStatus::Inactive } else { UserStatus::Active };
    let (first, last) = (non_blank(wire.name.given), non_blank(wire.name.family));
    let preferred_language = non_blank(wire.preferred_language);
    let custom_fields = [
        ("nickName", non_blank(wire.nick_name)),
        ("preferredLanguage", preferred_language.clone()),
        ("profileUrl", non_blank(wire.profile_url)),
        ("userType", non_blank(wire.user_type)),
    ];
    let user = User {
        external_id: non_blank(wire.external_id),
        name: non_blank(wire.name.formatted)
            .or_else(|| full_name(first.as_deref(), last.as_deref()))
            .or_else(|| non_blank(wire.display_name)),
        first_name: first,
        last_name: last,
        username: non_blank(wire.handle),
        title: non_blank(wire.title),
        emails: emails(wire.emails),
        phones: values(wire.phone_numbers)
            .map(|(number, kind)| Phone { number, extension: None, kind })
            .collect(),
        photos: values(wire.photos).map(|(url, kind)| Photo { url, kind }).collect(),
        addresses: wire.addresses.into_iter().filter_map(address).collect(),
        groups: wire.groups.map(references),
        timezone: non_blank(wire.timezone),
        locale: non_blank(wire.locale).or(preferred_language),
        created_at: timestamp(wire.meta.created.as_deref()),
        updated_at: timestamp(wire.meta.last_modified.as_deref()),
        custom_fields: present(custom_fields),
        ..User::bare(wire.id, status, UserType::Member)
    };
    with_enterprise(user, wire.enterprise)
}

fn with_enterprise(user: User, enterprise: wire::EnterpriseExtension) -> User {
    let wire::ManagerValue { value, manager_id, display_name } = enterprise.manager;
    let manager = non_blank(value).or_else(|| non_blank(manager_id));
    User {
        employee_number: non_blank(enterprise.employee_number),
        cost_center: non_blank(enterprise.cost_center),
        organization: non_blank(enterprise.organization),
        division: non_blank(enterprise.division),
        department: non_blank(enterprise.department),
        manager: manager.map(|id| ResourceRef { id, name: non_blank(display_name) }),
        ..user
    }
}

/// Maps a SCIM group.
pub(super) fn group(wire: wire::GroupResource) -> Group {
    let members = references(wire.members);
    Group {
        name: group_name(&wire.id, wire.display_name),
        id: wire.id,
        description: None,
        member_count: u64::try_from(members.len()).ok(),
        members,
        workspaces: None,
        created_at: timestamp(wire.meta.created.as_deref()),
    }
}

/// Whether a workspace is mapped with the number of its members, which lists can do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MemberCount {
    /// With it.
    Included,
    /// Without it.
    Omitted,
}

/// Maps a SCIM group that is a workspace.
pub(super) fn workspace(wire: wire::GroupResource, count: MemberCount) -> Workspace {
    let member_count = match count {
        MemberCount::Included => u64::try_from(people(&wire.members).count()).ok(),
        MemberCount::Omitted => None,
    };
    Workspace {
        name: group_name(&wire.id, wire.display_name),
        id: wire.id,
        description: None,
        domain: None,
        url: None,
        discoverability: None,
        icon_url: None,
        primary_owner: None,
        owner_ids: None,
        admin_ids: None,
        member_count,
        default_channels: None,
        created_at: timestamp(wire.meta.created.as_deref()),
    }
}

/// Returns the name of a group: its id where it has none.
pub(super) fn group_name(id: &str, display_name: Option<String>) -> String {
    non_blank(display_name).unwrap_or_else(|| id.to_owned())
}

/// Returns the ids of the members of a group that are not groups themselves.
pub(super) fn people(members: &[wire::GroupMember]) -> impl Iterator<Item = &str> {
    let is_person = |member: &&wire::GroupMember| {
        !member.kind.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case(GROUP_MEMBER))
    };
    let ids = members.iter().filter(is_person).filter_map(|member| member.value.as_deref());
    ids.filter(|id| !id.trim().is_empty())
}

/// Drops blank text: some servers send it for absent values.
pub(super) fn non_blank(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

fn full_name(first: Option<&str>, last: Option<&str>) -> Option<String> {
    let parts: Vec<&str> = [first, last].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// Returns the fields that have a value.
fn present<const N: usize>(fields: [(&str, Option<String>); N]) -> BTreeMap<String, Value> {
    let fields = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
    fields.map(|(name, value)| (name.to_owned(), value.into())).collect()
}

/// Maps e-mail addresses. The one marked primary is primary, otherwise the first.
fn emails(all: Vec<wire::MultiValue>) -> Vec<Email> {
    let primary = |one: &wire::MultiValue| one.primary == Some(true);
    let all: Vec<_> = all.into_iter().filter(|one| has_value(one.value.as_ref())).collect();
    let first = all.iter().position(primary).unwrap_or(0);
    let numbered = all.into_iter().enumerate();
    numbered
        .filter_map(|(at, one)| {
            Some(Email { email: one.value?, kind: non_blank(one.kind), is_primary: at == first })
        })
        .collect()
}

fn has_value(text: Option<&String>) -> bool {
    text.is_some_and(|text| !text.trim().is_empty())
}

fn values(all: Vec<wire::MultiValue>) -> impl Iterator<Item = (String, Option<String>)> {
    all.into_iter().filter_map(|one| Some((non_blank(one.value)?, non_blank(one.kind))))
}

fn address(wire: wire::AddressValue) -> Option<Address> {
    let empty =
        Address { street: None, city: None, region: None, postal_code: None, country: None };
    let mapped = Address {
        street: non_blank(wire.street),
        city: non_blank(wire.locality),
        region: non_blank(wire.region),
        postal_code: non_blank(wire.postal_code),
        country: non_blank(wire.country),
    };
    (mapped != empty).then_some(mapped)
}

fn references(all: Vec<wire::GroupMember>) -> Vec<ResourceRef> {
    let named = |one: wire::GroupMember| {
        Some(ResourceRef { id: non_blank(one.value)?, name: non_blank(one.display) })
    };
    let mut seen = std::collections::HashSet::new();
    let all = all.into_iter().filter_map(named);
    all.filter(|one| seen.insert(one.id.clone())).collect()
}

/// Reads a time (RFC 7643 §2.3.5). Its offset may be absent, which means UTC, or without a colon.
pub(super) fn timestamp(text: Option<&str>) -> Option<OffsetDateTime> {
    let text = text?.trim();
    let offset = text.len().checked_sub(5).and_then(|at| text.split_at_checked(at));
    let with_colon = offset.and_then(|(time, offset)| {
        let (hours, minutes) = offset.split_at_checked(3)?;
        hours.starts_with(['+', '-']).then(|| format!("{time}{hours}:{minutes}"))
    });
    let forms = [Some(text.to_owned()), with_colon, Some(format!("{text}Z"))];
    let mut times = forms.into_iter().flatten().filter_map(|form| form.parse::<Timestamp>().ok());
    Some(times.next()?.utc())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mapped(row: Value) -> User {
        user(serde_json::from_value(row).unwrap())
    }

    #[test]
    fn reads_a_row_with_times_out_of_range() {
        for odd in ["9999-12-31T23:59:59-01:00", "0000-01-01T00:00:00+01:00", "", "soon", "é"] {
            let row = json!({"id": "1", "meta": {"created": odd, "lastModified": odd}});
            let user = mapped(row);
            assert_eq!((user.created_at, user.updated_at), (None, None), "{odd:?}");
            serde_json::to_string(&user).unwrap();
        }
    }

    #[test]
    fn reads_times_without_an_offset_or_a_colon() {
        let expected = timestamp(Some("2026-01-31T10:00:00.5Z"));
        assert!(expected.is_some());
        for text in [
            "2026-01-31T10:00:00.5",
            "2026-01-31T12:00:00.5+0200",
            "2026-01-31T12:00:00.5+02:00",
            " 2026-01-31T10:00:00.500Z ",
        ] {
            assert_eq!(timestamp(Some(text)), expected, "{text}");
        }
    }

    #[test]
    fn maps_all_fields() {
        let user = mapped(json!({
            "id": "1", "externalId": "e", "userName": "ada", "displayName": "Ada L.",
            "nickName": "A", "profileUrl": "https://p", "title": "CTO", "userType": "Employee",
            "preferredLanguage": "en", "timezone": "Europe/London", "active": "False",
            "name": {"givenName": "Ada", "familyName": "Lovelace", "formatted": " "},
            "emails": [{"value": ""}, {"value": "a@b.c", "type": "home"},
                {"value": "d@e.f", "primary": "true"}],
            "phoneNumbers": {"value": 123, "type": "work"}, "photos": "https://photo",
            "addresses": [{"country": "GB"}, {"type": "work"}],
            "groups": ["g1", {"value": "g2", "display": "Two"}, {"value": "g1"}],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {
                "employeeNumber": 7, "manager": {"managerId": "2", "displayName": "B"}},
        }));
        assert_eq!(user.status, UserStatus::Inactive);
        assert_eq!(user.name.as_deref(), Some("Ada Lovelace"));
        assert_eq!(user.locale.as_deref(), Some("en"));
        let emails: Vec<_> =
            user.emails.iter().map(|email| (&*email.email, email.is_primary)).collect();
        assert_eq!(emails, [("a@b.c", false), ("d@e.f", true)]);
        assert_eq!((user.phones.len(), user.photos.len(), user.addresses.len()), (1, 1, 1));
        let groups: Vec<_> = user.groups.unwrap().into_iter().map(|group| group.id).collect();
        assert_eq!(groups, ["g1", "g2"]);
        assert_eq!(user.employee_number.as_deref(), Some("7"));
        assert_eq!(user.manager.unwrap().id, "2");
        let expected = json!({"nickName": "A", "preferredLanguage": "en",
            "profileUrl": "https://p", "userType": "Employee"});
        assert_eq!(serde_json::to_value(user.custom_fields).unwrap(), expected);
    }

    #[test]
    fn a_group_that_is_a_member_is_not_a_person() {
        let group = json!({"id": "g", "members": [{"value": "1"}, {"value": "2", "type": "group"},
            {"value": "3", "type": "User"}, {"display": "x"}, {"value": " "}]});
        let group: wire::GroupResource = serde_json::from_value(group).unwrap();
        assert_eq!(people(&group.members).collect::<Vec<_>>(), ["1", "3"]);
        let workspace = workspace(group, MemberCount::Included);
        assert_eq!((&*workspace.name, workspace.member_count), ("g", Some(2)));
    }
}
