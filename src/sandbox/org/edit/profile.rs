//! Creation and update of accounts by the identity provider.

use std::borrow::Cow;

use super::validate::{self, MAX_USERNAME_LENGTH, UsernameInput};
use super::{Edit, EditError, OrgChange, ProfileChange, ProfileError};
use crate::sandbox::org::time_zones::DEFAULT_TIMEZONE;
use crate::sandbox::org::{
    Location, OrgLevel, Person, PersonIndex, PersonKind, PersonStatus, PersonUpdate, Profile,
    ScimAttributes,
};

/// Largest number appended to a username that is in use.
const MAX_USERNAME_SUFFIX: u32 = 9_999;

impl Edit<'_> {
    /// Creates an account without workspaces.
    ///
    /// # Errors
    ///
    /// The first [`ProfileError`] of its attributes.
    pub fn create_person(&mut self, update: &PersonUpdate) -> Result<PersonIndex, ProfileError> {
        let profile = self.validated_profile(&update.profile, None)?;
        self.validate_guest_access(None, None, update.guest_access)?;
        let person = Person {
            id: self.org.new_id("U"),
            kind: PersonKind::Human,
            username: profile.username.clone(),
            email: profile.email.clone(),
            first_name: String::new(),
            last_name: String::new(),
            display_name: String::new(),
            job: profile.job.clone(),
            phone: String::new(),
            location: Location::unknown(),
            scim: None,
            pending_guest_expiration: update.guest_access.map(|access| access.expires),
            org_level: OrgLevel::Member,
            memberships: Vec::new(),
            groups: Vec::new(),
            has_2fa: false,
            has_sso: true,
            status: PersonStatus::Active,
            created: self.now,
            updated: self.now,
            last_active: 0,
        };
        let index = self.org.add_person(person);
        self.store_profile(index, profile);
        self.record(OrgChange::Created(index));
        if update.active == Some(false) {
            self.deactivate(index)?;
        }
        Ok(index)
    }

    /// Updates an account. Converting a full member to a guest or back reactivates the account.
    ///
    /// # Errors
    ///
    /// The first [`ProfileError`] of the changed attributes; [`ProfileError::HasAdminLevel`];
    /// [`ProfileError::Edit`] for an account that cannot be changed.
    pub fn update_person(
        &mut self,
        index: PersonIndex,
        update: &PersonUpdate,
    ) -> Result<(), ProfileError> {
        let person = self.person(index).ok_or(EditError::NoSuchPerson)?;
        if person.is_bot() {
            return Err(EditError::Bot.into());
        }
        let held = PersonUpdate::of(self, person);
        let profile = self.validated_profile(&update.profile, Some((index, &held.profile)))?;
        self.validate_guest_access(Some(index), held.guest_access, update.guest_access)?;
        if update.active == Some(false) {
            self.check_deactivation(index)?;
        }
        if profile != held.profile {
            let fields = ProfileChange::between(&held.profile, &profile);
            self.store_profile(index, profile);
            self.record(OrgChange::Profile { person: index, fields });
        }
        let turned = held.guest_access != update.guest_access
            && self.set_guest_access(index, update.guest_access);
        match update.active {
            Some(false) => self.deactivate(index)?,
            Some(true) => self.reactivate(index)?,
            None if turned => self.reactivate(index)?,
            None => {}
        }
        Ok(())
    }

    /// Validates and normalizes the attributes. Unchanged ones are not validated.
    fn validated_profile(
        &self,
        requested: &Profile,
        held: Option<(PersonIndex, &Profile)>,
    ) -> Result<Profile, ProfileError> {
        let own = held.map(|(index, _)| index);
        let old = |of: fn(&Profile) -> &String| held.map(|(_, profile)| of(profile).as_str());
        let mut profile = requested.clone();
        if old(|profile| &profile.username) != Some(&requested.username) {
            profile.username = self.validated_username(&requested.username, own)?;
        }
        if old(|profile| &profile.email) != Some(&requested.email) {
            profile.email = self.validated_email(&requested.email, own)?;
        }
        let second = &requested.scim.second_email;
        if second.trim().is_empty() || second.eq_ignore_ascii_case(&profile.email) {
            profile.scim.second_email = String::new();
        } else if old(|profile| &profile.scim.second_email) != Some(second) {
            profile.scim.second_email = self.validated_email(second, own)?;
        }
        if old(|profile| &profile.display_name) != Some(&requested.display_name) {
            profile.display_name = validate::parse_display_name(&requested.display_name)?;
        }
        if profile.timezone.is_empty() {
            DEFAULT_TIMEZONE.clone_into(&mut profile.timezone);
        }
        let lines: [fn(&Profile) -> &String; 4] = [
            |profile| &profile.first_name,
            |profile| &profile.last_name,
            |profile| &profile.scim.honorific,
            |profile| &profile.job.title,
        ];
        for line in lines {
            if old(line) != Some(line(requested)) {
                validate::validate_line(line(requested))?;
            }
        }
        Ok(profile)
    }

    fn validated_username(
        &self,
        text: &str,
        own: Option<PersonIndex>,
    ) -> Result<String, ProfileError> {
        match validate::parse_username(text)? {
            UsernameInput::Exact(name) if self.is_username_available(&name, own) => Ok(name),
            UsernameInput::Exact(_) => Err(ProfileError::UsernameTaken),
            UsernameInput::Prefix(stem) => {
                self.available_username(&stem, own).ok_or(ProfileError::UsernameExhausted)
            }
        }
    }

    fn validated_email(
        &self,
        text: &str,
        own: Option<PersonIndex>,
    ) -> Result<String, ProfileError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(ProfileError::EmailEmpty);
        }
        validate::validate_email(text)?;
        let holder = self.find_by_email(text).map(|(index, _)| index);
        if holder.is_some() && holder != own {
            return Err(ProfileError::EmailTaken);
        }
        Ok(text.to_owned())
    }

    /// Whether no other account and no channel has this username.
    fn is_username_available(&self, handle: &str, own: Option<PersonIndex>) -> bool {
        let holder = self.find_by_username(handle).map(|(index, _)| index);
        let mut channels = self.workspaces.iter().flat_map(|one| &one.channels);
        (holder.is_none() || holder == own) && !channels.any(|channel| channel.name == handle)
    }

    /// Returns an unused username that begins with `stem`, shortened to leave room for a number.
    pub(super) fn available_username(
        &self,
        stem: &str,
        own: Option<PersonIndex>,
    ) -> Option<String> {
        let numbered = (1..=MAX_USERNAME_SUFFIX).map(|number| {
            let suffix = if number == 1 { String::new() } else { number.to_string() };
            let room = MAX_USERNAME_LENGTH.saturating_sub(suffix.len());
            format!("{}{suffix}", stem.chars().take(room).collect::<String>())
        });
        let mut free = numbered.filter(|name| self.is_username_available(name, own));
        free.next()
    }

    /// Stores the attributes and updates the indexes of usernames and addresses.
    fn store_profile(&mut self, index: PersonIndex, profile: Profile) {
        let now = self.now;
        self.org.rename(index, &profile.username);
        self.org.change_email(index, &profile.email);
        let Some(person) = self.org.person_mut(index) else {
            return;
        };
        person.first_name = profile.first_name;
        person.last_name = profile.last_name;
        person.display_name = profile.display_name;
        person.job = profile.job;
        person.phone = profile.phone;
        if person.location.timezone != profile.timezone {
            person.location.set_timezone(&profile.timezone);
        }
        set_if_changed(&mut person.location.locale, profile.locale);
        set_if_changed(&mut person.location.city, profile.city);
        set_if_changed(&mut person.location.country, profile.country);
        person.scim = Some(Box::<ScimAttributes>::new(profile.scim));
        person.updated = now;
    }
}

/// Sets a text unless it is equal, so that a borrowed one stays borrowed.
fn set_if_changed(word: &mut Cow<'static, str>, new: String) {
    if *word != new {
        *word = Cow::Owned(new);
    }
}
