//! Maps SCIM resources to unified objects.

use time::OffsetDateTime;

use super::wire;
use crate::domain::group::Group;
use crate::domain::timestamp::Timestamp;
use crate::domain::user::{Address, Email, Phone, Photo, ResourceRef, User, UserStatus, UserType};

/// Maps a SCIM user.
pub(super) fn user(wire: wire::UserResource) -> User {
    let is_off = wire.active == Some(false);
    let status = if is_off { UserStatus::Inactive } else { UserStatus::Active };
    let name = wire.name.unwrap_or(wire::NameValue { formatted: None, given: None, family: None });
    let meta = wire.meta.as_ref();
    let user = User {
        external_id: wire.external_id,
        name: non_blank(name.formatted)
            .or_else(|| full_name(name.given.as_deref(), name.family.as_deref()))
            .or_else(|| non_blank(wire.display_name)),
        first_name: name.given,
        last_name: name.family,
        username: wire.handle,
        title: wire.title,
        emails: emails(wire.emails.unwrap_or_default()),
        phones: values(wire.phone_numbers)
            .map(|(number, kind)| Phone { number, extension: None, kind })
            .collect(),
        photos: values(wire.photos).map(|(url, kind)| Photo { url, kind }).collect(),
        addresses: wire.addresses.unwrap_or_default().into_iter().map(address).collect(),
        groups: wire.groups.map(references),
        timezone: wire.timezone,
        locale: wire.locale,
        created_at: meta.and_then(|meta| timestamp(meta.created.as_deref())),
        updated_at: meta.and_then(|meta| timestamp(meta.last_modified.as_deref())),
        ..User::bare(wire.id, status, UserType::Member)
    };
    match wire.enterprise {
        Some(enterprise) => with_enterprise(user, enterprise),
        None => user,
    }
}

fn with_enterprise(user: User, enterprise: wire::EnterpriseExtension) -> User {
    let manager = enterprise
        .manager
        .and_then(|manager| manager.value.map(|id| ResourceRef { id, name: manager.display_name }));
    User {
        employee_number: enterprise.employee_number,
        cost_center: enterprise.cost_center,
        organization: enterprise.organization,
        division: enterprise.division,
        department: enterprise.department,
        manager,
        ..user
    }
}

/// Maps a SCIM group.
pub(super) fn group(wire: wire::GroupResource) -> Group {
    let members = references(wire.members.unwrap_or_default());
    Group {
        name: wire.display_name.unwrap_or_else(|| wire.id.clone()),
        id: wire.id,
        description: None,
        member_count: Some(members.len() as u64),
        members,
        workspaces: None,
        created_at: wire.meta.and_then(|meta| timestamp(meta.created.as_deref())),
    }
}

/// Drops blank text: some servers send it for absent values.
fn non_blank(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

fn full_name(first: Option<&str>, last: Option<&str>) -> Option<String> {
    let parts: Vec<&str> =
        [first, last].into_iter().flatten().filter(|part| !part.trim().is_empty()).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// Maps e-mail addresses. The one marked primary is primary, otherwise the first.
fn emails(all: Vec<wire::MultiValue>) -> Vec<Email> {
    let primary = all.iter().position(|one| one.primary == Some(true)).unwrap_or(0);
    let numbered = all.into_iter().enumerate();
    numbered
        .filter_map(|(at, one)| {
            Some(Email { email: one.value?, kind: one.kind, is_primary: at == primary })
        })
        .collect()
}

fn values(all: Option<Vec<wire::MultiValue>>) -> impl Iterator<Item = (String, Option<String>)> {
    all.unwrap_or_default().into_iter().filter_map(|one| Some((one.value?, one.kind)))
}

fn address(wire: wire::AddressValue) -> Address {
    Address {
        street: wire.street,
        city: wire.locality,
        region: wire.region,
        postal_code: wire.postal_code,
        country: wire.country,
    }
}

fn references(all: Vec<wire::GroupMember>) -> Vec<ResourceRef> {
    let named = |one: wire::GroupMember| Some(ResourceRef { id: one.value?, name: one.display });
    all.into_iter().filter_map(named).collect()
}

fn timestamp(text: Option<&str>) -> Option<OffsetDateTime> {
    Some(text?.parse::<Timestamp>().ok()?.utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_row_with_times_out_of_range() {
        for odd in ["9999-12-31T23:59:59-01:00", "0000-01-01T00:00:00+01:00", "", "soon"] {
            let row = serde_json::json!({"id": "1", "meta": {"created": odd, "lastModified": odd}});
            let user = user(serde_json::from_value(row).unwrap());
            assert_eq!((user.created_at, user.updated_at), (None, None), "{odd:?}");
            serde_json::to_string(&user).unwrap();
        }
    }
}
