//! The attributes beyond the core: a company's own, Slack's profile, and a guest's stay.

use serde_json::Value;

use super::draft::{Draft, Mode};
use super::path::{Attribute, Target};
use super::value::{WRONG_TYPE, field, fields, moment, text};
use super::version::{Schema, Trouble};
use crate::sandbox::org::{Job, Level, Profile, Stay};

/// The only kind of guest that SCIM makes.
const MULTI: &str = "multi";

/// Writes an extension part by part; parts that are not named stay.
pub(super) fn write(
    draft: &mut Draft<'_>,
    extension: Attribute,
    value: &Value,
    mode: Mode,
) -> Result<(), Trouble> {
    let schema = if extension == Attribute::Profile { Schema::Profile } else { Schema::Enterprise };
    if value.is_null() {
        return draft.clear(&Target { attribute: extension, pick: None, part: None });
    }
    for (name, value) in fields(value)? {
        let path = format!("{}:{name}", draft.version.urn(schema));
        if let Some(target) = Target::parse(draft.version, &path) {
            draft.write(&target, value, mode)?;
        }
    }
    Ok(())
}

/// Writes `manager`, which has to name somebody by `managerId`.
pub(super) fn write_manager(draft: &mut Draft<'_>, value: &Value) -> Result<(), Trouble> {
    if value.is_null() {
        return manage(draft, value);
    }
    let id = value.as_object().and_then(|fields| field(fields, "managerId"));
    manage(draft, id.ok_or_else(|| Trouble::bad("improper_enterprise_schema_format"))?)
}

/// Writes who the manager is: an id, a primary address or a handle.
pub(super) fn manage(draft: &mut Draft<'_>, value: &Value) -> Result<(), Trouble> {
    let name = text(value)?;
    let org = draft.org;
    draft.wanted.profile.job.manager = if name.is_empty() {
        None
    } else {
        let found = org.find(&name).or_else(|| org.find_by_email(&name));
        let found = found.or_else(|| org.find_by_username(&name));
        Some(found.ok_or_else(|| Trouble::bad("unknown_user"))?.0)
    };
    Ok(())
}

/// Takes away what the company wrote about the person.
pub(super) fn clear_enterprise(profile: &mut Profile) {
    let Job { title, user_type, .. } = std::mem::take(&mut profile.job);
    profile.job = Job { title, user_type, ..Job::default() };
    profile.record.organization.clear();
}

/// Makes the user a guest, or changes its stay; without any value, makes it a full member.
pub(super) fn write_guest(draft: &mut Draft<'_>, value: &Value) -> Result<(), Trouble> {
    if value.is_null() {
        draft.wanted.stay = None;
        return Ok(());
    }
    let parts = fields(value)?;
    write_guest_type(draft, field(parts, "type").unwrap_or(&Value::Null))?;
    match field(parts, "expiration") {
        None => Ok(()),
        Some(at) => write_expiration(draft, at),
    }
}

/// Writes the kind of guest.
pub(super) fn write_guest_type(draft: &mut Draft<'_>, value: &Value) -> Result<(), Trouble> {
    if text(value)? != MULTI {
        return Err(Trouble::bad(WRONG_TYPE));
    }
    let expires = draft.wanted.stay.map_or(0, |stay| stay.expires);
    draft.wanted.stay = Some(Stay { level: Level::MultiChannelGuest, expires });
    Ok(())
}

/// Writes when a guest's stay ends. Nobody else has one.
pub(super) fn write_expiration(draft: &mut Draft<'_>, value: &Value) -> Result<(), Trouble> {
    let at = moment(value)?.unwrap_or(0);
    match &mut draft.wanted.stay {
        Some(stay) => {
            stay.expires = at;
            Ok(())
        }
        None if at == 0 => Ok(()),
        None => Err(Trouble::bad(WRONG_TYPE)),
    }
}
