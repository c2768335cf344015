//! A user while a request is read: as it is, and then as the request wants it. What the request
//! says is written here, attribute by attribute; the rules are the organization's.

use serde_json::{Map, Value};

use super::extension;
use super::pair::{EMAILS, PHONES, Pair};
use super::path::{Attribute, Line, Target};
use super::single;
use super::value::{WRONG_TYPE, field, fields, flag, moment, text};
use super::version::{Trouble, Version};
use crate::sandbox::org::{Organization, Profile, Wanted};

/// A longer nickname is refused; a longer address given as `userName` is shortened.
const LONGEST_NICKNAME: usize = 21;

/// What a request does with a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    /// `POST`
    Create,
    /// `PUT`
    Replace,
    /// `PATCH`
    Change,
}

/// What happens to the elements of a list that are not named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// They stay.
    Merge,
    /// They go.
    Replace,
}

/// A user while a request is read.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    /// Where managers are looked up.
    pub(super) org: &'a Organization,
    /// Which version the request is written in.
    pub(super) version: Version,
    /// What the request does.
    pub(super) doing: Doing,
    /// How the user is to be.
    pub(super) wanted: Wanted,
}

impl Draft<'_> {
    /// Writes all attributes of a resource. Unknown ones are passed over.
    pub(super) fn write_all(
        &mut self,
        resource: &Map<String, Value>,
        mode: Mode,
    ) -> Result<(), Trouble> {
        let handle = field(resource, "userName").is_some();
        for (name, value) in resource {
            let Some(target) = Target::parse(self.version, name) else {
                continue;
            };
            // The two are one; when both are there, `userName` decides.
            if !(handle && target.attribute == Attribute::Line(Line::NickName)) {
                self.write(&target, value, mode)?;
            }
        }
        Ok(())
    }

    /// Writes what a path points at.
    pub(super) fn write(
        &mut self,
        target: &Target,
        value: &Value,
        mode: Mode,
    ) -> Result<(), Trouble> {
        let record = &mut self.wanted.profile.record;
        match target.attribute {
            Attribute::Line(line) => self.write_line(line, value)?,
            Attribute::Password => {
                if self.doing != Doing::Create {
                    return Err(Trouble::bad("password_change_not_allowed"));
                }
                text(value)?;
            }
            Attribute::ExternalId if self.doing == Doing::Create => {
                record.external_id = text(value)?;
            }
            Attribute::ProfileUrl if self.doing != Doing::Change => {
                record.profile_url = text(value)?;
            }
            Attribute::ReadOnly | Attribute::ExternalId | Attribute::ProfileUrl => {}
            Attribute::Active => {
                let active = flag(value).ok_or_else(|| Trouble::bad(WRONG_TYPE))?;
                self.wanted.active = Some(active);
            }
            Attribute::Name => self.write_name(value)?,
            Attribute::Emails | Attribute::PhoneNumbers => self.write_pair(target, value, mode)?,
            Attribute::Photos => single::write_photo(&mut self.wanted.profile, value)?,
            Attribute::Addresses => {
                single::write_address(&mut self.wanted.profile, target.part.as_deref(), value)?;
            }
            Attribute::Roles => single::write_role(&mut self.wanted.profile, value)?,
            Attribute::Enterprise | Attribute::Profile => {
                extension::write(self, target.attribute, value, mode)?;
            }
            Attribute::Manager => extension::write_manager(self, value)?,
            Attribute::ManagerId => extension::manage(self, value)?,
            Attribute::Guest => extension::write_guest(self, value)?,
            Attribute::GuestType => extension::write_guest_type(self, value)?,
            Attribute::GuestExpiration => extension::write_expiration(self, value)?,
            Attribute::StartDate => record.start_date = moment(value)?,
        }
        Ok(())
    }

    /// Clears what a path points at. Of the addresses the first one stays.
    pub(super) fn clear(&mut self, target: &Target) -> Result<(), Trouble> {
        let profile = &mut self.wanted.profile;
        match target.attribute {
            Attribute::Active => return Err(Trouble::bad(WRONG_TYPE)),
            Attribute::Name => {
                profile.first_name.clear();
                profile.last_name.clear();
                profile.record.honorific.clear();
            }
            Attribute::Emails | Attribute::PhoneNumbers => self.clear_pair(target),
            Attribute::Enterprise => extension::clear_enterprise(profile),
            Attribute::Manager => profile.job.manager = None,
            Attribute::Profile => profile.record.start_date = None,
            // A guest without a type is none.
            Attribute::GuestType => self.wanted.stay = None,
            // A password is not changed by taking it away, either.
            Attribute::Password => return Err(Trouble::bad("password_change_not_allowed")),
            Attribute::ReadOnly
            | Attribute::Line(_)
            | Attribute::ProfileUrl
            | Attribute::ExternalId
            | Attribute::Photos
            | Attribute::Addresses
            | Attribute::Roles
            | Attribute::ManagerId
            | Attribute::Guest
            | Attribute::GuestExpiration
            | Attribute::StartDate => self.write(target, &Value::Null, Mode::Replace)?,
        }
        Ok(())
    }

    fn write_line(&mut self, line: Line, value: &Value) -> Result<(), Trouble> {
        let text = text(value)?;
        if matches!(line, Line::UserName | Line::NickName) && text.is_empty() {
            return Err(Trouble::bad("username_empty"));
        }
        if line == Line::NickName && text.chars().count() > LONGEST_NICKNAME {
            return Err(Trouble::bad("long_nickname"));
        }
        *line.of(&mut self.wanted.profile) = text;
        Ok(())
    }

    fn write_name(&mut self, value: &Value) -> Result<(), Trouble> {
        let parts = fields(value)?;
        let blank = |name: &str| {
            let text = field(parts, name).and_then(Value::as_str);
            text.is_some_and(|text| !text.is_empty() && text.trim().is_empty())
        };
        if blank("givenName") && blank("familyName") {
            return Err(Trouble::bad("invalid_name_required"));
        }
        for (name, line) in [
            ("givenName", Line::GivenName),
            ("familyName", Line::FamilyName),
            ("honorificPrefix", Line::HonorificPrefix),
        ] {
            if let Some(value) = field(parts, name) {
                self.write_line(line, value)?;
            }
        }
        Ok(())
    }

    fn pair(&mut self, attribute: Attribute) -> Pair<'_> {
        let Profile { email, phone, record, .. } = &mut self.wanted.profile;
        if attribute == Attribute::Emails {
            Pair { first: email, second: &mut record.second_email, rules: &EMAILS }
        } else {
            Pair { first: phone, second: &mut record.mobile_phone, rules: &PHONES }
        }
    }

    fn write_pair(&mut self, target: &Target, value: &Value, mode: Mode) -> Result<(), Trouble> {
        let mut pair = self.pair(target.attribute);
        match (&target.pick, mode) {
            (Some(pick), _) => pair.write(pick, value),
            (None, Mode::Merge) => pair.merge(value),
            (None, Mode::Replace) => pair.replace(value),
        }
    }

    fn clear_pair(&mut self, target: &Target) {
        let mut pair = self.pair(target.attribute);
        if let Some(pick) = &target.pick {
            return pair.clear(pick);
        }
        if target.attribute == Attribute::PhoneNumbers {
            pair.first.clear();
        }
        pair.second.clear();
    }
}

impl Line {
    /// Where a profile has it.
    pub(super) fn of(self, profile: &mut Profile) -> &mut String {
        match self {
            Self::UserName | Self::NickName => &mut profile.username,
            Self::DisplayName => &mut profile.display_name,
            Self::Title => &mut profile.job.title,
            Self::Timezone => &mut profile.timezone,
            Self::Locale => &mut profile.locale,
            Self::PreferredLanguage => &mut profile.record.preferred_language,
            Self::UserType => &mut profile.job.user_type,
            Self::GivenName => &mut profile.first_name,
            Self::FamilyName => &mut profile.last_name,
            Self::HonorificPrefix => &mut profile.record.honorific,
            Self::EmployeeNumber => &mut profile.job.employee_number,
            Self::CostCenter => &mut profile.job.cost_center,
            Self::Organization => &mut profile.record.organization,
            Self::Division => &mut profile.job.division,
            Self::Department => &mut profile.job.department,
        }
    }
}
