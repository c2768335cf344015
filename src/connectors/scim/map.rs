//! SCIM's shapes into ours.

use time::OffsetDateTime;

use super::wire;
use crate::domain::group::Group;
use crate::domain::moment::Moment;
use crate::domain::user::{Address, Email, Phone, Photo, Reference, User, UserStatus, UserType};

/// A person.
pub(super) fn user(wire: wire::User) -> User {
    let is_off = wire.active == Some(false);
    let status = if is_off { UserStatus::Inactive } else { UserStatus::Active };
    let name = wire.name.unwrap_or(wire::Name { formatted: None, given: None, family: None });
    let meta = wire.meta.as_ref();
    let user = User {
        external_id: wire.external_id,
        name: filled(name.formatted)
            .or_else(|| whole(name.given.as_deref(), name.family.as_deref()))
            .or_else(|| filled(wire.display_name)),
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
        created_at: meta.and_then(|meta| moment(meta.created.as_deref())),
        updated_at: meta.and_then(|meta| moment(meta.last_modified.as_deref())),
        ..User::bare(wire.id, status, UserType::Member)
    };
    match wire.enterprise {
        Some(enterprise) => with_enterprise(user, enterprise),
        None => user,
    }
}

fn with_enterprise(user: User, enterprise: wire::Enterprise) -> User {
    let manager = enterprise
        .manager
        .and_then(|manager| manager.value.map(|id| Reference { id, name: manager.display_name }));
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

/// A group.
pub(super) fn group(wire: wire::Group) -> Group {
    let members = references(wire.members.unwrap_or_default());
    Group {
        name: wire.display_name.unwrap_or_else(|| wire.id.clone()),
        id: wire.id,
        description: None,
        member_count: Some(members.len() as u64),
        members,
        workspaces: None,
        created_at: wire.meta.and_then(|meta| moment(meta.created.as_deref())),
    }
}

/// A text that says something: some servers send empty ones for what they don't know.
fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

fn whole(first: Option<&str>, last: Option<&str>) -> Option<String> {
    let parts: Vec<&str> =
        [first, last].into_iter().flatten().filter(|part| !part.trim().is_empty()).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// The one that is primary by its own word, else the first.
fn emails(all: Vec<wire::Plural>) -> Vec<Email> {
    let primary = all.iter().position(|one| one.primary == Some(true)).unwrap_or(0);
    let numbered = all.into_iter().enumerate();
    numbered
        .filter_map(|(at, one)| {
            Some(Email { email: one.value?, kind: one.kind, is_primary: at == primary })
        })
        .collect()
}

fn values(all: Option<Vec<wire::Plural>>) -> impl Iterator<Item = (String, Option<String>)> {
    all.unwrap_or_default().into_iter().filter_map(|one| Some((one.value?, one.kind)))
}

fn address(wire: wire::Address) -> Address {
    Address {
        street: wire.street,
        city: wire.locality,
        region: wire.region,
        postal_code: wire.postal_code,
        country: wire.country,
    }
}

fn references(all: Vec<wire::Member>) -> Vec<Reference> {
    let named = |one: wire::Member| Some(Reference { id: one.value?, name: one.display });
    all.into_iter().filter_map(named).collect()
}

fn moment(text: Option<&str>) -> Option<OffsetDateTime> {
    Some(text?.parse::<Moment>().ok()?.utc())
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
