//! What people and their administrators write into a profile through the Web API.

use super::{Change, Edit, Rule};
use crate::sandbox::org::{OrgLevel, PersonIndex};

/// The longest text, in characters.
const LONGEST: usize = 255;

/// A field of the profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfileText {
    /// Given name.
    FirstName,
    /// Family name.
    LastName,
    /// The name shown in conversations.
    DisplayName,
    /// Job title.
    Title,
    /// Telephone number.
    Phone,
}

impl ProfileText {
    /// The field with Slack's name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        match name {
            "first_name" => Some(Self::FirstName),
            "last_name" => Some(Self::LastName),
            "display_name" => Some(Self::DisplayName),
            "title" => Some(Self::Title),
            "phone" => Some(Self::Phone),
            _ => None,
        }
    }
}

impl Edit<'_> {
    /// Sets a field of a profile: one's own, or that of somebody who ranks lower.
    ///
    /// # Errors
    ///
    /// [`Rule::ActorIsNoAdmin`]; [`Rule::RanksInOrganization`] for another who ranks as high;
    /// [`Rule::TooMany`] for a text that is too long.
    pub fn set_profile_text(
        &mut self,
        index: PersonIndex,
        field: ProfileText,
        text: &str,
    ) -> Result<(), Rule> {
        let held = self.person(index).ok_or(Rule::NoSuchPerson)?.org_level;
        let actor = self.actor().filter(|actor| *actor != index);
        if let Some(actor) = actor.and_then(|actor| self.person(actor)) {
            if actor.org_level < OrgLevel::Admin {
                return Err(Rule::ActorIsNoAdmin);
            }
            if held >= OrgLevel::Admin && held >= actor.org_level {
                return Err(Rule::RanksInOrganization);
            }
        }
        if text.chars().count() > LONGEST {
            return Err(Rule::TooMany);
        }
        let now = self.now;
        if let Some(person) = self.org.person_mut(index) {
            let place = match field {
                ProfileText::FirstName => &mut person.first_name,
                ProfileText::LastName => &mut person.last_name,
                ProfileText::DisplayName => &mut person.display_name,
                ProfileText::Title => &mut person.job.title,
                ProfileText::Phone => &mut person.phone,
            };
            text.clone_into(place);
            person.updated = now;
        }
        self.record(Change::Profile(index));
        Ok(())
    }
}
