//! Accounts that the identity provider makes, and what it writes about them.

use std::borrow::Cow;

use super::texts::{self, Handle, LONGEST_HANDLE};
use super::{Change, Edit, Flaw, Rule};
use crate::sandbox::org::zones::DEFAULT_ZONE;
use crate::sandbox::org::{
    Kind, OrgLevel, Person, PersonIndex, Place, Profile, Record, Standing, Wanted,
};

/// So many numbers are put behind a handle that is taken.
const MOST_NAMESAKES: u32 = 9_999;

impl Edit<'_> {
    /// Makes an account, in no workspace.
    ///
    /// # Errors
    ///
    /// What is wrong with its attributes.
    pub fn create_person(&mut self, wanted: &Wanted) -> Result<PersonIndex, Flaw> {
        let profile = self.checked(&wanted.profile, None)?;
        self.check_stay(None, None, wanted.stay)?;
        let person = Person {
            id: self.org.new_id("U"),
            kind: Kind::Human,
            username: profile.username.clone(),
            email: profile.email.clone(),
            first_name: String::new(),
            last_name: String::new(),
            display_name: String::new(),
            job: profile.job.clone(),
            phone: String::new(),
            place: Place::unknown(),
            record: None,
            unplaced: wanted.stay.map(|stay| stay.expires),
            org_level: OrgLevel::Member,
            memberships: Vec::new(),
            groups: Vec::new(),
            has_2fa: false,
            has_sso: true,
            standing: Standing::Active,
            created: self.now,
            updated: self.now,
            last_active: 0,
        };
        let index = self.org.add_person(person);
        self.write(index, profile);
        self.record(Change::Created(index));
        if wanted.active == Some(false) {
            self.deactivate(index)?;
        }
        Ok(index)
    }

    /// Makes an account what it is wanted to be. A full member who becomes a guest and a guest who
    /// becomes a full member are switched on by that.
    ///
    /// # Errors
    ///
    /// What is wrong with the attributes that would change; [`Flaw::Ranks`]; [`Flaw::Rule`] for an
    /// account that is left alone.
    pub fn update_person(&mut self, index: PersonIndex, wanted: &Wanted) -> Result<(), Flaw> {
        let person = self.person(index).ok_or(Rule::NoSuchPerson)?;
        if person.is_bot() {
            return Err(Rule::Bot.into());
        }
        let held = Wanted::of(self, person);
        let profile = self.checked(&wanted.profile, Some((index, &held.profile)))?;
        self.check_stay(Some(index), held.stay, wanted.stay)?;
        if wanted.active == Some(false) {
            self.check_deactivation(index)?;
        }
        if profile != held.profile {
            self.write(index, profile);
            self.record(Change::Profile(index));
        }
        let turned = held.stay != wanted.stay && self.set_stay(index, wanted.stay);
        match wanted.active {
            Some(false) => self.deactivate(index)?,
            Some(true) => self.reactivate(index)?,
            None if turned => self.reactivate(index)?,
            None => {}
        }
        Ok(())
    }

    /// The attributes as Slack takes them. Those that stay as they are may be as they like.
    fn checked(
        &self,
        wanted: &Profile,
        held: Option<(PersonIndex, &Profile)>,
    ) -> Result<Profile, Flaw> {
        let own = held.map(|(index, _)| index);
        let old = |of: fn(&Profile) -> &String| held.map(|(_, profile)| of(profile).as_str());
        let mut profile = wanted.clone();
        if old(|profile| &profile.username) != Some(&wanted.username) {
            profile.username = self.checked_handle(&wanted.username, own)?;
        }
        if old(|profile| &profile.email) != Some(&wanted.email) {
            profile.email = self.checked_email(&wanted.email, own)?;
        }
        let second = &wanted.record.second_email;
        if second.trim().is_empty() || second.eq_ignore_ascii_case(&profile.email) {
            profile.record.second_email = String::new();
        } else if old(|profile| &profile.record.second_email) != Some(second) {
            profile.record.second_email = self.checked_email(second, own)?;
        }
        if old(|profile| &profile.display_name) != Some(&wanted.display_name) {
            profile.display_name = texts::display_name(&wanted.display_name)?;
        }
        if profile.timezone.is_empty() {
            DEFAULT_ZONE.clone_into(&mut profile.timezone);
        }
        let lines: [fn(&Profile) -> &String; 4] = [
            |profile| &profile.first_name,
            |profile| &profile.last_name,
            |profile| &profile.record.honorific,
            |profile| &profile.job.title,
        ];
        for line in lines {
            if old(line) != Some(line(wanted)) {
                texts::check_line(line(wanted))?;
            }
        }
        Ok(profile)
    }

    fn checked_handle(&self, text: &str, own: Option<PersonIndex>) -> Result<String, Flaw> {
        match texts::handle(text)? {
            Handle::Exactly(name) if self.is_free(&name, own) => Ok(name),
            Handle::Exactly(_) => Err(Flaw::UsernameTaken),
            Handle::Like(stem) => self.free_handle(&stem, own).ok_or(Flaw::UsernameExhausted),
        }
    }

    fn checked_email(&self, text: &str, own: Option<PersonIndex>) -> Result<String, Flaw> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Flaw::EmailEmpty);
        }
        texts::check_email(text)?;
        let holder = self.find_by_email(text).map(|(index, _)| index);
        if holder.is_some() && holder != own {
            return Err(Flaw::EmailTaken);
        }
        Ok(text.to_owned())
    }

    /// Whether a handle is nobody else's, and no channel's name.
    fn is_free(&self, handle: &str, own: Option<PersonIndex>) -> bool {
        let holder = self.find_by_username(handle).map(|(index, _)| index);
        let mut channels = self.workspaces.iter().flat_map(|one| &one.channels);
        (holder.is_none() || holder == own) && !channels.any(|channel| channel.name == handle)
    }

    /// A free handle that begins with `stem`, as far as there is room for a number behind it.
    pub(super) fn free_handle(&self, stem: &str, own: Option<PersonIndex>) -> Option<String> {
        let numbered = (1..=MOST_NAMESAKES).map(|number| {
            let suffix = if number == 1 { String::new() } else { number.to_string() };
            let room = LONGEST_HANDLE.saturating_sub(suffix.len());
            format!("{}{suffix}", stem.chars().take(room).collect::<String>())
        });
        let mut free = numbered.filter(|name| self.is_free(name, own));
        free.next()
    }

    /// Writes the attributes down, and the handle and the address into their indexes.
    fn write(&mut self, index: PersonIndex, profile: Profile) {
        let now = self.now;
        self.org.rename(index, &profile.username);
        self.org.readdress(index, &profile.email);
        let Some(person) = self.org.person_mut(index) else {
            return;
        };
        person.first_name = profile.first_name;
        person.last_name = profile.last_name;
        person.display_name = profile.display_name;
        person.job = profile.job;
        person.phone = profile.phone;
        if person.place.timezone != profile.timezone {
            person.place.move_to(&profile.timezone);
        }
        place_word(&mut person.place.locale, profile.locale);
        place_word(&mut person.place.city, profile.city);
        place_word(&mut person.place.country, profile.country);
        person.record = Some(Box::<Record>::new(profile.record));
        person.updated = now;
    }
}

/// Writes a word of a place, and leaves a borrowed one alone that is the same.
fn place_word(word: &mut Cow<'static, str>, new: String) {
    if *word != new {
        *word = Cow::Owned(new);
    }
}
