//! Extension attributes: enterprise, Slack profile and guest.

use serde_json::Value;

use super::path::{AttributeTarget, UserAttribute};
use super::user_draft::{ListMode, UserDraft};
use super::value::{WRONG_TYPE, field, fields, parse_text, parse_timestamp};
use super::version::{ScimError, ScimSchema};
use crate::sandbox::org::{GuestAccess, JobInfo, Profile, WorkspaceLevel};

/// The only guest type that SCIM can create.
const MULTI_CHANNEL: &str = "multi";

/// Writes the attributes of an extension; omitted ones stay.
pub(super) fn write(
    draft: &mut UserDraft<'_>,
    extension: UserAttribute,
    value: &Value,
    mode: ListMode,
) -> Result<(), ScimError> {
    let schema = if extension == UserAttribute::Profile {
        ScimSchema::Profile
    } else {
        ScimSchema::Enterprise
    };
    if value.is_null() {
        return draft.clear(&AttributeTarget {
            attribute: extension,
            value_filter: None,
            part: None,
        });
    }
    for (name, value) in fields(value)? {
        let path = format!("{}:{name}", draft.version.urn(schema));
        if let Some(target) = AttributeTarget::parse(draft.version, &path) {
            draft.write(&target, value, mode)?;
        }
    }
    Ok(())
}

/// Writes `manager`, which must contain `managerId`.
pub(super) fn write_manager(draft: &mut UserDraft<'_>, value: &Value) -> Result<(), ScimError> {
    if value.is_null() {
        return write_manager_id(draft, value);
    }
    let id = value.as_object().and_then(|fields| field(fields, "managerId"));
    write_manager_id(
        draft,
        id.ok_or_else(|| ScimError::bad_request("improper_enterprise_schema_format"))?,
    )
}

/// Writes the manager: an id, a primary e-mail address or a username.
pub(super) fn write_manager_id(draft: &mut UserDraft<'_>, value: &Value) -> Result<(), ScimError> {
    let name = parse_text(value)?;
    let org = draft.org;
    draft.update.profile.job.manager = if name.is_empty() {
        None
    } else {
        let found = org.find(&name).or_else(|| org.find_by_email(&name));
        let found = found.or_else(|| org.find_by_username(&name));
        Some(found.ok_or_else(|| ScimError::bad_request("unknown_user"))?.0)
    };
    Ok(())
}

/// Removes the enterprise attributes.
pub(super) fn clear_enterprise(profile: &mut Profile) {
    let JobInfo { title, user_type, .. } = std::mem::take(&mut profile.job);
    profile.job = JobInfo { title, user_type, ..JobInfo::default() };
    profile.scim.organization.clear();
}

/// Makes the user a guest or changes its expiration; an empty value makes it a full member.
pub(super) fn write_guest(draft: &mut UserDraft<'_>, value: &Value) -> Result<(), ScimError> {
    if value.is_null() {
        draft.update.guest_access = None;
        return Ok(());
    }
    let parts = fields(value)?;
    write_guest_type(draft, field(parts, "type").unwrap_or(&Value::Null))?;
    match field(parts, "expiration") {
        None => Ok(()),
        Some(at) => write_expiration(draft, at),
    }
}

/// Writes the guest type.
pub(super) fn write_guest_type(draft: &mut UserDraft<'_>, value: &Value) -> Result<(), ScimError> {
    if parse_text(value)? != MULTI_CHANNEL {
        return Err(ScimError::bad_request(WRONG_TYPE));
    }
    let expires = draft.update.guest_access.map_or(0, |stay| stay.expires);
    draft.update.guest_access =
        Some(GuestAccess { level: WorkspaceLevel::MultiChannelGuest, expires });
    Ok(())
}

/// Writes the expiration of a guest; only guests have one.
pub(super) fn write_expiration(draft: &mut UserDraft<'_>, value: &Value) -> Result<(), ScimError> {
    let at = parse_timestamp(value)?.unwrap_or(0);
    match &mut draft.update.guest_access {
        Some(stay) => {
            stay.expires = at;
            Ok(())
        }
        None if at == 0 => Ok(()),
        None => Err(ScimError::bad_request(WRONG_TYPE)),
    }
}
