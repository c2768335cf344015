//! Users that are made, replaced, changed and switched off.

use serde_json::{Map, Value};

use super::draft::{Doing, Draft, Mode};
use super::patch;
use super::user;
use super::value::field;
use super::version::{Trouble, Version};
use crate::sandbox::org::{
    Edit, Flaw, OrgLevel, Organization, PersonIndex, Profile, Record, Rule, Wanted,
};

/// Makes a user and shows it.
pub(super) fn create(
    edit: &mut Edit<'_>,
    version: Version,
    base: &str,
    body: &Map<String, Value>,
) -> Result<Value, Trouble> {
    require_handle(body)?;
    let doing = Doing::Create;
    let mut draft = Draft { org: &*edit, version, doing, wanted: Wanted::default() };
    draft.write_all(body, Mode::Replace)?;
    let mut wanted = draft.wanted;
    let profile = &mut wanted.profile;
    if profile.first_name.is_empty() && profile.last_name.is_empty() {
        let named = [&profile.display_name, &profile.username];
        let name = named.into_iter().find(|name| !name.is_empty()).cloned();
        profile.first_name = name.unwrap_or_default();
    }
    let index = edit.create_person(&wanted).map_err(|flaw| trouble(edit, None, doing, flaw))?;
    show(edit, version, base, index)
}

/// Writes a user anew: what is absent becomes blank, but for its name and its state.
pub(super) fn replace(
    edit: &mut Edit<'_>,
    version: Version,
    base: &str,
    id: &str,
    body: &Map<String, Value>,
) -> Result<Value, Trouble> {
    require_handle(body)?;
    update(edit, version, base, id, Doing::Replace, |draft| {
        let held = std::mem::take(&mut draft.wanted.profile);
        draft.wanted.profile = Profile {
            first_name: held.first_name,
            last_name: held.last_name,
            record: Record { external_id: held.record.external_id, ..Record::default() },
            ..Profile::default()
        };
        draft.write_all(body, Mode::Replace)
    })
}

/// Changes a part of a user.
pub(super) fn change(
    edit: &mut Edit<'_>,
    version: Version,
    base: &str,
    id: &str,
    body: &Map<String, Value>,
) -> Result<Value, Trouble> {
    update(edit, version, base, id, Doing::Change, |draft| patch::apply(draft, body))
}

/// Switches a user off.
pub(super) fn switch_off(edit: &mut Edit<'_>, id: &str) -> Result<(), Trouble> {
    let index = find(edit, id)?;
    let refused = edit.deactivate(index).map_err(Flaw::Rule);
    refused.map_err(|flaw| trouble(edit, Some(index), Doing::Change, flaw))
}

fn update(
    edit: &mut Edit<'_>,
    version: Version,
    base: &str,
    id: &str,
    doing: Doing,
    read: impl FnOnce(&mut Draft<'_>) -> Result<(), Trouble>,
) -> Result<Value, Trouble> {
    let index = find(edit, id)?;
    let person = edit.person(index).ok_or_else(no_such_user)?;
    let wanted = Wanted::of(edit, person);
    let mut draft = Draft { org: &*edit, version, doing, wanted };
    read(&mut draft)?;
    let wanted = draft.wanted;
    let refused = edit.update_person(index, &wanted);
    refused.map_err(|flaw| trouble(edit, Some(index), doing, flaw))?;
    show(edit, version, base, index)
}

fn show(
    org: &Organization,
    version: Version,
    base: &str,
    index: PersonIndex,
) -> Result<Value, Trouble> {
    let person = org.person(index).ok_or_else(no_such_user)?;
    Ok(user::resource(org, version, base, person))
}

fn find(org: &Organization, id: &str) -> Result<PersonIndex, Trouble> {
    org.find(id).map(|(index, _)| index).ok_or_else(no_such_user)
}

fn no_such_user() -> Trouble {
    Trouble::missing("no_such_user")
}

/// A whole user has a handle.
fn require_handle(body: &Map<String, Value>) -> Result<(), Trouble> {
    let mut names = ["userName", "nickName"].into_iter();
    if names.any(|name| field(body, name).is_some()) {
        Ok(())
    } else {
        Err(Trouble::bad("username_required"))
    }
}

/// Slack's code for what the organization refuses.
fn trouble(org: &Organization, index: Option<PersonIndex>, doing: Doing, flaw: Flaw) -> Trouble {
    Trouble::bad(match flaw {
        Flaw::UsernameTaken => return Trouble::conflict("username_taken"),
        Flaw::EmailTaken => return Trouble::conflict("email_taken"),
        Flaw::UsernameEmpty => "username_empty",
        Flaw::UsernameMalformed => "username_invalid",
        Flaw::UsernameTooLong => "username_too_long",
        Flaw::UsernameReserved => "username_not_allowed",
        Flaw::UsernameExhausted => "truncation_error",
        Flaw::EmailEmpty if doing == Doing::Change => "missing_primary_email",
        Flaw::EmailEmpty => "email_empty",
        Flaw::EmailMalformed => "bad_email_address",
        Flaw::NameTooLong => "invalid_name_maxlength",
        Flaw::NameMalformed => "invalid_name_specials",
        Flaw::StartsWithAt => "invalid_starts_with_at",
        Flaw::ReservedWord => "invalid_reserved_word",
        Flaw::Emoji => "invalid_emoji_not_allowed",
        Flaw::StayOver => "invalid_attribute_format",
        Flaw::Ranks => "cannot_make_user_guest",
        Flaw::Rule(Rule::Bot) => "cannot_disable_bot_user_with_scim",
        Flaw::Rule(Rule::OrgOwner) => "cannot_modify_owner",
        Flaw::Rule(Rule::PrimaryOwner) => {
            let person = index.and_then(|index| org.person(index));
            match person.map(|person| person.org_level) {
                Some(OrgLevel::PrimaryOwner) | None => "cannot_disable_primary_owner",
                // It is a workspace's.
                Some(OrgLevel::Member | OrgLevel::Admin | OrgLevel::Owner) => {
                    "primary_owner_check_failure"
                }
            }
        }
        Flaw::Rule(_) => "permission_denied",
    })
}
