//! Writes the attributes of a request to the draft of a user.

use serde_json::{Map, Value};

use super::extension;
use super::path::{AttributeTarget, TextAttribute, UserAttribute};
use super::single_value;
use super::user_draft::{ListMode, UserDraft, WriteKind};
use super::value::{WRONG_TYPE, field, fields, parse_bool, parse_text, parse_timestamp};
use super::value_pair::{EMAILS, PHONES, ValuePair};
use super::version::ScimError;
use crate::sandbox::org::Profile;

/// Maximum length of a nickname; a longer one is rejected, a longer `userName` is shortened.
const MAX_NICKNAME_LENGTH: usize = 21;

impl UserDraft<'_> {
    /// Writes all attributes of a resource. Unknown ones are ignored.
    pub(super) fn write_all(
        &mut self,
        resource: &Map<String, Value>,
        mode: ListMode,
    ) -> Result<(), ScimError> {
        let handle = field(resource, "userName").is_some();
        for (name, value) in resource {
            let Some(target) = AttributeTarget::parse(self.version, name) else {
                continue;
            };
            // Both are one attribute; if both are sent, `userName` wins.
            if !(handle && target.attribute == UserAttribute::Text(TextAttribute::NickName)) {
                self.write(&target, value, mode)?;
            }
        }
        Ok(())
    }

    /// Writes the attribute of a path.
    pub(super) fn write(
        &mut self,
        target: &AttributeTarget,
        value: &Value,
        mode: ListMode,
    ) -> Result<(), ScimError> {
        let record = &mut self.update.profile.scim;
        match target.attribute {
            UserAttribute::Text(line) => self.write_text(line, value)?,
            UserAttribute::Password => {
                if self.write_kind != WriteKind::Create {
                    return Err(ScimError::bad_request("password_change_not_allowed"));
                }
                parse_text(value)?;
            }
            UserAttribute::ExternalId if self.write_kind == WriteKind::Create => {
                record.external_id = parse_text(value)?;
            }
            UserAttribute::ProfileUrl if self.write_kind != WriteKind::Patch => {
                record.profile_url = parse_text(value)?;
            }
            UserAttribute::ReadOnly | UserAttribute::ExternalId | UserAttribute::ProfileUrl => {}
            UserAttribute::Active => {
                let active = parse_bool(value).ok_or_else(|| ScimError::bad_request(WRONG_TYPE))?;
                self.update.active = Some(active);
            }
            UserAttribute::Name => self.write_name(value)?,
            UserAttribute::Emails | UserAttribute::PhoneNumbers => {
                self.write_pair(target, value, mode)?;
            }
            UserAttribute::Photos => single_value::write_photo(&mut self.update.profile, value)?,
            UserAttribute::Addresses => {
                single_value::write_address(
                    &mut self.update.profile,
                    target.part.as_deref(),
                    value,
                )?;
            }
            UserAttribute::Roles => single_value::write_role(&mut self.update.profile, value)?,
            UserAttribute::Enterprise | UserAttribute::Profile => {
                extension::write(self, target.attribute, value, mode)?;
            }
            UserAttribute::Manager => extension::write_manager(self, value)?,
            UserAttribute::ManagerId => extension::write_manager_id(self, value)?,
            UserAttribute::Guest => extension::write_guest(self, value)?,
            UserAttribute::GuestType => extension::write_guest_type(self, value)?,
            UserAttribute::GuestExpiration => extension::write_expiration(self, value)?,
            UserAttribute::StartDate => record.start_date = parse_timestamp(value)?,
        }
        Ok(())
    }

    /// Removes the attribute of a path. The first e-mail address stays.
    pub(super) fn clear(&mut self, target: &AttributeTarget) -> Result<(), ScimError> {
        let profile = &mut self.update.profile;
        match target.attribute {
            UserAttribute::Active => return Err(ScimError::bad_request(WRONG_TYPE)),
            UserAttribute::Name => {
                profile.first_name.clear();
                profile.last_name.clear();
                profile.scim.honorific.clear();
            }
            UserAttribute::Emails | UserAttribute::PhoneNumbers => self.clear_pair(target),
            UserAttribute::Enterprise => extension::clear_enterprise(profile),
            UserAttribute::Manager => profile.job.manager = None,
            UserAttribute::Profile => profile.scim.start_date = None,
            // Without a type, the user is not a guest.
            UserAttribute::GuestType => self.update.guest_access = None,
            // A password cannot be removed either.
            UserAttribute::Password => {
                return Err(ScimError::bad_request("password_change_not_allowed"));
            }
            UserAttribute::ReadOnly
            | UserAttribute::Text(_)
            | UserAttribute::ProfileUrl
            | UserAttribute::ExternalId
            | UserAttribute::Photos
            | UserAttribute::Addresses
            | UserAttribute::Roles
            | UserAttribute::ManagerId
            | UserAttribute::Guest
            | UserAttribute::GuestExpiration
            | UserAttribute::StartDate => self.write(target, &Value::Null, ListMode::Replace)?,
        }
        Ok(())
    }

    fn write_text(&mut self, line: TextAttribute, value: &Value) -> Result<(), ScimError> {
        let text = parse_text(value)?;
        if matches!(line, TextAttribute::UserName | TextAttribute::NickName) && text.is_empty() {
            return Err(ScimError::bad_request("username_empty"));
        }
        if line == TextAttribute::NickName && text.chars().count() > MAX_NICKNAME_LENGTH {
            return Err(ScimError::bad_request("long_nickname"));
        }
        *line.field_of(&mut self.update.profile) = text;
        Ok(())
    }

    fn write_name(&mut self, value: &Value) -> Result<(), ScimError> {
        let parts = fields(value)?;
        let blank = |name: &str| {
            let text = field(parts, name).and_then(Value::as_str);
            text.is_some_and(|text| !text.is_empty() && text.trim().is_empty())
        };
        if blank("givenName") && blank("familyName") {
            return Err(ScimError::bad_request("invalid_name_required"));
        }
        for (name, line) in [
            ("givenName", TextAttribute::GivenName),
            ("familyName", TextAttribute::FamilyName),
            ("honorificPrefix", TextAttribute::HonorificPrefix),
        ] {
            if let Some(value) = field(parts, name) {
                self.write_text(line, value)?;
            }
        }
        Ok(())
    }

    fn pair(&mut self, attribute: UserAttribute) -> ValuePair<'_> {
        let Profile { email, phone, scim: record, .. } = &mut self.update.profile;
        if attribute == UserAttribute::Emails {
            ValuePair { first: email, second: &mut record.second_email, rules: &EMAILS }
        } else {
            ValuePair { first: phone, second: &mut record.mobile_phone, rules: &PHONES }
        }
    }

    fn write_pair(
        &mut self,
        target: &AttributeTarget,
        value: &Value,
        mode: ListMode,
    ) -> Result<(), ScimError> {
        let mut pair = self.pair(target.attribute);
        match (&target.value_filter, mode) {
            (Some(pick), _) => pair.write(pick, value),
            (None, ListMode::Merge) => pair.merge(value),
            (None, ListMode::Replace) => pair.replace(value),
        }
    }

    fn clear_pair(&mut self, target: &AttributeTarget) {
        let mut pair = self.pair(target.attribute);
        if let Some(pick) = &target.value_filter {
            return pair.clear(pick);
        }
        if target.attribute == UserAttribute::PhoneNumbers {
            pair.first.clear();
        }
        pair.second.clear();
    }
}

impl TextAttribute {
    /// Returns the profile field of this attribute.
    pub(super) fn field_of(self, profile: &mut Profile) -> &mut String {
        match self {
            Self::UserName | Self::NickName => &mut profile.username,
            Self::DisplayName => &mut profile.display_name,
            Self::Title => &mut profile.job.title,
            Self::Timezone => &mut profile.timezone,
            Self::Locale => &mut profile.locale,
            Self::PreferredLanguage => &mut profile.scim.preferred_language,
            Self::UserType => &mut profile.job.user_type,
            Self::GivenName => &mut profile.first_name,
            Self::FamilyName => &mut profile.last_name,
            Self::HonorificPrefix => &mut profile.scim.honorific,
            Self::EmployeeNumber => &mut profile.job.employee_number,
            Self::CostCenter => &mut profile.job.cost_center,
            Self::Organization => &mut profile.scim.organization,
            Self::Division => &mut profile.job.division,
            Self::Department => &mut profile.job.department,
        }
    }
}
