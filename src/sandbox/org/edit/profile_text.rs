//! Profile fields written through the Web API.

use super::{Edit, EditError, OrgChange};
use crate::sandbox::org::{OrgLevel, PersonIndex};

/// Maximum length in characters.
const MAX_TEXT_LENGTH: usize = 255;

/// A field of the profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfileText {
    /// Given name.
    FirstName,
    /// Family name.
    LastName,
    /// Name shown in conversations.
    DisplayName,
    /// Job title.
    Title,
    /// Telephone number.
    Phone,
}

impl ProfileText {
    /// Returns the field with Slack's name for it.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
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
    /// Sets a field of the actor's own profile, or of an account with a lower level.
    ///
    /// # Errors
    ///
    /// [`EditError::ActorNotAdmin`]; [`EditError::HasOrgLevel`] for another account of the same or
    /// a higher level; [`EditError::TooMany`] for a text that is too long.
    pub fn set_profile_text(
        &mut self,
        index: PersonIndex,
        field: ProfileText,
        text: &str,
    ) -> Result<(), EditError> {
        let held = self.person(index).ok_or(EditError::NoSuchPerson)?.org_level;
        let actor = self.actor().filter(|actor| *actor != index);
        if let Some(actor) = actor.and_then(|actor| self.person(actor)) {
            if actor.org_level < OrgLevel::Admin {
                return Err(EditError::ActorNotAdmin);
            }
            if held >= OrgLevel::Admin && held >= actor.org_level {
                return Err(EditError::HasOrgLevel);
            }
        }
        if text.chars().count() > MAX_TEXT_LENGTH {
            return Err(EditError::TooMany);
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
        self.record(OrgChange::Profile(index));
        Ok(())
    }
}
