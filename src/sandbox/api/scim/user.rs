//! Users as SCIM resources.

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::filter;
use super::pagination::{ListWindow, list_response};
use super::version::{ScimError, ScimSchema, ScimVersion};
use crate::sandbox::org::{
    GridOrganization, GroupOwner, Person, PersonIndex, ScimAttributes, WorkspaceLevel,
};

/// Returns a page of users, optionally filtered.
pub(super) fn list(
    org: &GridOrganization,
    version: ScimVersion,
    base: &str,
    window: ListWindow,
    filter: Option<&str>,
) -> Result<Value, ScimError> {
    let filter = match (version, filter) {
        (_, None) => None,
        (ScimVersion::One, Some(text)) => {
            Some(filter::parse(text).map_err(ScimError::bad_request)?)
        }
        (ScimVersion::Two, Some(_)) => return Err(ScimError::bad_request("invalid_query")),
    };
    let (total, found): (usize, Vec<PersonIndex>) = match filter {
        None => (org.directory().len(), window.slice(org.directory().iter().copied())),
        Some(filter) => {
            let matches = |index: &PersonIndex| {
                org.person(*index).is_some_and(|person| filter.matches(person))
            };
            let search = || org.directory().iter().copied().filter(matches).collect();
            let all: Vec<PersonIndex> = filter.lookup(org).unwrap_or_else(search);
            (all.len(), window.slice(all.into_iter()))
        }
    };
    let people = found.into_iter().filter_map(|index| org.person(index));
    let resources: Vec<Value> = people.map(|person| resource(org, version, base, person)).collect();
    Ok(list_response(version, window, total, &resources))
}

/// Returns the user with this id.
pub(super) fn get(
    org: &GridOrganization,
    version: ScimVersion,
    base: &str,
    id: &str,
) -> Result<Value, ScimError> {
    let person = org.find(id).map(|(_, person)| person).filter(|person| !person.is_bot());
    let person = person.ok_or_else(|| ScimError::not_found("no_such_user"))?;
    Ok(resource(org, version, base, person))
}

/// Returns a user as a resource.
pub(super) fn resource(
    org: &GridOrganization,
    version: ScimVersion,
    base: &str,
    person: &Person,
) -> Value {
    let mut schemas = vec![version.urn(ScimSchema::User), version.urn(ScimSchema::Enterprise)];
    let mut user = core(org, version, base, person);
    user.insert(version.urn(ScimSchema::Enterprise).to_owned(), enterprise(org, person));
    if let Some(level) = person.guest_level() {
        schemas.push(version.urn(ScimSchema::Guest));
        user.insert(version.urn(ScimSchema::Guest).to_owned(), guest(org, person, level));
    }
    schemas.push(version.urn(ScimSchema::Profile));
    let start = json!({"startDate": org.scim_attributes(person).start_date.map(start_date)});
    user.insert(version.urn(ScimSchema::Profile).to_owned(), start);
    user.insert("schemas".to_owned(), json!(schemas));
    Value::Object(user)
}

fn core(
    org: &GridOrganization,
    version: ScimVersion,
    base: &str,
    person: &Person,
) -> Map<String, Value> {
    let groups: Vec<Value> = person
        .groups
        .iter()
        .filter_map(|index| org.groups.get(*index))
        .filter(|group| group.owner == GroupOwner::IdentityProvider)
        .map(|group| json!({"value": group.id, "display": group.name}))
        .collect();
    let record = org.scim_attributes(person);
    let profile_url = match record.profile_url.as_str() {
        "" => format!("{}team/{}", org.url(), person.username),
        url => url.to_owned(),
    };
    let resource = json!({
        "id": person.id,
        "externalId": record.external_id,
        "meta": {
            "created": rfc3339(person.created),
            "location": format!("{base}/scim/{}/Users/{}", version.segment(), person.id),
        },
        "userName": person.username,
        "nickName": person.username,
        "name": {
            "givenName": person.first_name,
            "familyName": person.last_name,
            "honorificPrefix": or_null(&record.honorific),
        },
        "displayName": person.display_name,
        "profileUrl": profile_url,
        "title": person.job.title,
        "timezone": person.location.timezone,
        "active": person.is_active(),
        "emails": emails(person, &record),
        "photos": [{"value": photo(person, &record), "type": "photo"}],
        "addresses": [{
            "streetAddress": or_null(&record.street),
            "locality": or_null(&person.location.city),
            "region": or_null(&record.region),
            "postalCode": or_null(&record.postal_code),
            "country": or_null(&person.location.country),
            "primary": true,
        }],
        // In responses `mobile` is the second number.
        "phoneNumbers": [
            {"value": or_null(&record.mobile_phone), "type": "mobile"},
            {"value": or_null(&person.phone), "primary": true},
        ],
        "userType": or_null(&person.job.user_type),
        "roles": [{"value": or_null(&record.role), "primary": true}],
        "preferredLanguage": or_null(&record.preferred_language),
        "locale": or_null(&person.location.locale),
        "groups": groups,
    });
    match resource {
        Value::Object(fields) => fields,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}

fn emails(person: &Person, record: &ScimAttributes) -> Vec<Value> {
    let mut emails = vec![json!({"value": person.email, "type": "work", "primary": true})];
    if !record.second_email.is_empty() {
        emails.push(json!({"value": record.second_email, "type": "other", "primary": false}));
    }
    emails
}

/// Returns the URL of Slack's copy of the photo.
fn photo(person: &Person, record: &ScimAttributes) -> String {
    let own = if record.photo.is_empty() { "" } else { "_" };
    format!("https://avatars.slack-edge.example/{}{own}{}_192.png", person.id, record.photo)
}

fn enterprise(org: &GridOrganization, person: &Person) -> Value {
    let job = &person.job;
    let manager = job.manager.and_then(|index| org.person(index)).map(|manager| &manager.id);
    let record = org.scim_attributes(person);
    json!({
        "employeeNumber": or_null(&job.employee_number),
        "costCenter": or_null(&job.cost_center),
        "organization": or_null(&record.organization),
        "division": or_null(&job.division),
        "department": or_null(&job.department),
        "manager": {"managerId": manager},
    })
}

fn guest(org: &GridOrganization, person: &Person, level: WorkspaceLevel) -> Value {
    let mut guest = Map::new();
    let single = level == WorkspaceLevel::SingleChannelGuest;
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

/// Returns `None`, hence `null`, for an empty string, as Slack does.
fn or_null(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

/// Formats a time according to RFC 3339.
pub(super) fn rfc3339(unix: i64) -> String {
    let moment = OffsetDateTime::from_unix_timestamp(unix).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    moment.format(&Rfc3339).unwrap_or_default()
}

/// Formats a date as in the profile extension.
fn start_date(unix: i64) -> String {
    rfc3339(unix).replace('Z', "+0000")
}
