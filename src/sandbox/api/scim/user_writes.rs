//! Creation, replacement, update and deactivation of users.

use serde_json::{Map, Value};

use super::patch;
use super::user;
use super::user_draft::{ListMode, UserDraft, WriteKind};
use super::value::field;
use super::version::{ScimError, ScimVersion};
use crate::sandbox::org::{
    Edit, EditError, GridOrganization, OrgLevel, PersonIndex, PersonUpdate, Profile, ProfileError,
    ScimAttributes,
};

/// Creates a user and returns it.
pub(super) fn create(
    edit: &mut Edit<'_>,
    version: ScimVersion,
    base: &str,
    body: &Map<String, Value>,
) -> Result<Value, ScimError> {
    require_user_name(body)?;
    let doing = WriteKind::Create;
    let mut draft =
        UserDraft { org: &*edit, version, write_kind: doing, update: PersonUpdate::default() };
    draft.write_all(body, ListMode::Replace)?;
    let mut wanted = draft.update;
    let profile = &mut wanted.profile;
    if profile.first_name.is_empty() && profile.last_name.is_empty() {
        let named = [&profile.display_name, &profile.username];
        let name = named.into_iter().find(|name| !name.is_empty()).cloned();
        profile.first_name = name.unwrap_or_default();
    }
    let index =
        edit.create_person(&wanted).map_err(|error| scim_error(edit, None, doing, error))?;
    show(edit, version, base, index)
}

/// Replaces a user: omitted attributes become empty, except its name and `active`.
pub(super) fn replace(
    edit: &mut Edit<'_>,
    version: ScimVersion,
    base: &str,
    id: &str,
    body: &Map<String, Value>,
) -> Result<Value, ScimError> {
    require_user_name(body)?;
    update(edit, version, base, id, WriteKind::Replace, |draft| {
        let held = std::mem::take(&mut draft.update.profile);
        draft.update.profile = Profile {
            first_name: held.first_name,
            last_name: held.last_name,
            scim: ScimAttributes {
                external_id: held.scim.external_id,
                ..ScimAttributes::default()
            },
            ..Profile::default()
        };
        draft.write_all(body, ListMode::Replace)
    })
}

/// Updates parts of a user.
pub(super) fn change(
    edit: &mut Edit<'_>,
    version: ScimVersion,
    base: &str,
    id: &str,
    body: &Map<String, Value>,
) -> Result<Value, ScimError> {
    update(edit, version, base, id, WriteKind::Patch, |draft| patch::apply(draft, body))
}

/// Deactivates a user.
pub(super) fn deactivate(edit: &mut Edit<'_>, id: &str) -> Result<(), ScimError> {
    let index = find(edit, id)?;
    let result = edit.deactivate(index).map_err(ProfileError::Edit);
    result.map_err(|error| scim_error(edit, Some(index), WriteKind::Patch, error))
}

fn update(
    edit: &mut Edit<'_>,
    version: ScimVersion,
    base: &str,
    id: &str,
    doing: WriteKind,
    read: impl FnOnce(&mut UserDraft<'_>) -> Result<(), ScimError>,
) -> Result<Value, ScimError> {
    let index = find(edit, id)?;
    let person = edit.person(index).ok_or_else(no_such_user)?;
    let wanted = PersonUpdate::of(edit, person);
    let mut draft = UserDraft { org: &*edit, version, write_kind: doing, update: wanted };
    read(&mut draft)?;
    let wanted = draft.update;
    let result = edit.update_person(index, &wanted);
    result.map_err(|error| scim_error(edit, Some(index), doing, error))?;
    show(edit, version, base, index)
}

fn show(
    org: &GridOrganization,
    version: ScimVersion,
    base: &str,
    index: PersonIndex,
) -> Result<Value, ScimError> {
    let person = org.person(index).ok_or_else(no_such_user)?;
    Ok(user::resource(org, version, base, person))
}

fn find(org: &GridOrganization, id: &str) -> Result<PersonIndex, ScimError> {
    org.find(id).map(|(index, _)| index).ok_or_else(no_such_user)
}

fn no_such_user() -> ScimError {
    ScimError::not_found("no_such_user")
}

/// Requires a username in a full resource.
fn require_user_name(body: &Map<String, Value>) -> Result<(), ScimError> {
    let mut names = ["userName", "nickName"].into_iter();
    if names.any(|name| field(body, name).is_some()) {
        Ok(())
    } else {
        Err(ScimError::bad_request("username_required"))
    }
}

/// Returns Slack's error code for a [`ProfileError`].
fn scim_error(
    org: &GridOrganization,
    index: Option<PersonIndex>,
    doing: WriteKind,
    error: ProfileError,
) -> ScimError {
    ScimError::bad_request(match error {
        ProfileError::UsernameTaken => return ScimError::conflict("username_taken"),
        ProfileError::EmailTaken => return ScimError::conflict("email_taken"),
        ProfileError::UsernameEmpty => "username_empty",
        ProfileError::UsernameMalformed => "username_invalid",
        ProfileError::UsernameTooLong => "username_too_long",
        ProfileError::UsernameReserved => "username_not_allowed",
        ProfileError::UsernameExhausted => "truncation_error",
        ProfileError::EmailEmpty if doing == WriteKind::Patch => "missing_primary_email",
        ProfileError::EmailEmpty => "email_empty",
        ProfileError::EmailMalformed => "bad_email_address",
        ProfileError::NameTooLong => "invalid_name_maxlength",
        ProfileError::NameMalformed => "invalid_name_specials",
        ProfileError::StartsWithAt => "invalid_starts_with_at",
        ProfileError::ReservedWord => "invalid_reserved_word",
        ProfileError::ContainsEmoji => "invalid_emoji_not_allowed",
        ProfileError::ExpirationInPast => "invalid_attribute_format",
        ProfileError::HasAdminLevel => "cannot_make_user_guest",
        ProfileError::Edit(EditError::Bot) => "cannot_disable_bot_user_with_scim",
        ProfileError::Edit(EditError::OrgOwner) => "cannot_modify_owner",
        ProfileError::Edit(EditError::PrimaryOwner) => {
            let person = index.and_then(|index| org.person(index));
            match person.map(|person| person.org_level) {
                Some(OrgLevel::PrimaryOwner) | None => "cannot_disable_primary_owner",
                // It is a workspace's primary owner.
                Some(OrgLevel::Member | OrgLevel::Admin | OrgLevel::Owner) => {
                    "primary_owner_check_failure"
                }
            }
        }
        ProfileError::Edit(_) => "permission_denied",
    })
}
