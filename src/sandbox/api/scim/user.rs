//! Users as SCIM shows them.

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::filter;
use super::version::{Schema, Trouble, Version};
use super::window::{Window, list_answer};
use crate::sandbox::org::{Keeper, Level, Organization, Person, PersonIndex};

/// A page of users, all or those that a filter lets through.
pub(super) fn list(
    org: &Organization,
    version: Version,
    base: &str,
    window: Window,
    filter: Option<&str>,
) -> Result<Value, Trouble> {
    let filter = match (version, filter) {
        (_, None) => None,
        (Version::One, Some(text)) => Some(filter::parse(text).map_err(Trouble::bad)?),
        (Version::Two, Some(_)) => return Err(Trouble::bad("invalid_query")),
    };
    let (total, found): (usize, Vec<PersonIndex>) = match filter {
        None => (org.directory().len(), window.cut(org.directory().iter().copied())),
        Some(filter) => {
            let matches = |index: &PersonIndex| {
                org.person(*index).is_some_and(|person| filter.matches(person))
            };
            let all: Vec<PersonIndex> = match filter.sole_email() {
                Some(email) => {
                    org.find_by_email(email).map(|(index, _)| index).into_iter().collect()
                }
                None => org.directory().iter().copied().filter(matches).collect(),
            };
            (all.len(), window.cut(all.into_iter()))
        }
    };
    let people = found.into_iter().filter_map(|index| org.person(index));
    let resources: Vec<Value> = people.map(|person| resource(org, version, base, person)).collect();
    Ok(list_answer(version, window, total, &resources))
}

/// One user.
pub(super) fn get(
    org: &Organization,
    version: Version,
    base: &str,
    id: &str,
) -> Result<Value, Trouble> {
    let person = org.find(id).map(|(_, person)| person).filter(|person| !person.is_bot());
    let person = person.ok_or_else(|| Trouble::missing("no_such_user"))?;
    Ok(resource(org, version, base, person))
}

fn resource(org: &Organization, version: Version, base: &str, person: &Person) -> Value {
    let mut schemas = vec![version.urn(Schema::User), version.urn(Schema::Enterprise)];
    let mut user = core(org, version, base, person);
    user.insert(version.urn(Schema::Enterprise).to_owned(), enterprise(org, person));
    if let Some(level) = person.guest() {
        schemas.push(version.urn(Schema::Guest));
        user.insert(version.urn(Schema::Guest).to_owned(), guest(org, person, level));
    }
    schemas.push(version.urn(Schema::Profile));
    let start = rfc3339(person.created);
    user.insert(version.urn(Schema::Profile).to_owned(), json!({"startDate": start}));
    user.insert("schemas".to_owned(), json!(schemas));
    Value::Object(user)
}

fn core(org: &Organization, version: Version, base: &str, person: &Person) -> Map<String, Value> {
    let groups: Vec<Value> = person
        .groups
        .iter()
        .filter_map(|index| org.groups.get(*index))
        .filter(|group| group.keeper == Keeper::IdentityProvider)
        .map(|group| json!({"value": group.id, "display": group.name}))
        .collect();
    let photo = format!("https://avatars.slack-edge.example/{}_192.png", person.id);
    let resource = json!({
        "id": person.id,
        "externalId": person.job.employee_number,
        "meta": {
            "created": rfc3339(person.created),
            "location": format!("{base}/scim/{}/Users/{}", version.segment(), person.id),
        },
        "userName": person.username,
        "nickName": person.username,
        "name": {
            "givenName": person.first_name,
            "familyName": person.last_name,
            "honorificPrefix": null,
        },
        "displayName": person.display_name,
        "profileUrl": format!("{}team/{}", org.url(), person.username),
        "title": person.job.title,
        "timezone": person.place.timezone,
        "active": person.is_active(),
        "emails": [{"value": person.email, "type": "work", "primary": true}],
        "photos": [{"value": photo, "type": "photo"}],
        "addresses": [{
            "streetAddress": null,
            "locality": or_null(&person.place.city),
            "region": null,
            "postalCode": null,
            "country": or_null(&person.place.country),
            "primary": true,
        }],
        "phoneNumbers": [{"value": or_null(&person.phone), "type": "work", "primary": true}],
        "userType": or_null(&person.job.user_type),
        "roles": [{"value": or_null(&person.job.title), "primary": true}],
        "preferredLanguage": person.place.locale.replace('-', "_"),
        "locale": person.place.locale.replace('-', "_"),
        "groups": groups,
    });
    match resource {
        Value::Object(fields) => fields,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}

fn enterprise(org: &Organization, person: &Person) -> Value {
    let job = &person.job;
    let manager = job.manager.and_then(|index| org.person(index)).map(|manager| &manager.id);
    let organization = if job.department.is_empty() { "" } else { org.name.as_str() };
    json!({
        "employeeNumber": or_null(&job.employee_number),
        "costCenter": or_null(&job.cost_center),
        "organization": or_null(organization),
        "division": or_null(&job.division),
        "department": or_null(&job.department),
        "manager": {"managerId": manager},
    })
}

fn guest(org: &Organization, person: &Person, level: Level) -> Value {
    let mut guest = Map::new();
    let single = level == Level::SingleChannelGuest;
    guest.insert("type".to_owned(), json!(if single { "single" } else { "multi" }));
    if person.expires() > 0 {
        guest.insert("expiration".to_owned(), json!(rfc3339(person.expires())));
    }
    let places = person.memberships.iter().filter_map(|one| org.workspaces.get(one.workspace));
    let channels: Vec<Value> = places
        .filter_map(|workspace| workspace.default_channels().next())
        .map(|channel| json!({"value": channel.id, "display": channel.name}))
        .collect();
    guest.insert("channels".to_owned(), json!(channels));
    Value::Object(guest)
}

/// Slack says `null` for what a user does not have.
fn or_null(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// A moment in words.
pub(super) fn rfc3339(unix: i64) -> String {
    let moment = OffsetDateTime::from_unix_timestamp(unix).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    moment.format(&Rfc3339).unwrap_or_default()
}
