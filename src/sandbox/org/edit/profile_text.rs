//! Profile fields written through the Web API.

use super::{Edit, EditError, OrgChange, ProfileChange};
use crate::sandbox::org::{OrgLevel, PersonIndex};

/// Maximum length in characters.
const MAX_TEXT_LENGTH: usize = 255;
/// Maximum length of a status text in characters.
const MAX_STATUS_LENGTH: usize = 100;

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
    /// Text of the status.
    StatusText,
    /// Emoji of the status.
    StatusEmoji,
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
            "status_text" => Some(Self::StatusText),
            "status_emoji" => Some(Self::StatusEmoji),
            _ => None,
        }
    }

    fn max_length(self) -> usize {
        match self {
            Self::StatusText | Self::StatusEmoji => MAX_STATUS_LENGTH,
            Self::FirstName | Self::LastName | Self::DisplayName | Self::Title | Self::Phone => {
                MAX_TEXT_LENGTH
            }
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
        if text.chars().count() > field.max_length() {
            return Err(EditError::TooMany);
        }
        let change = self.store_text(index, field, text);
        let now = self.now;
        if let Some(person) = self.org.person_mut(index) {
            person.updated = now;
        }
        self.record(change);
        Ok(())
    }

    /// Stores a text and returns the change.
    fn store_text(&mut self, index: PersonIndex, field: ProfileText, text: &str) -> OrgChange {
        let place = match field {
            ProfileText::FirstName => self.org.person_mut(index).map(|one| &mut one.first_name),
            ProfileText::LastName => self.org.person_mut(index).map(|one| &mut one.last_name),
            ProfileText::DisplayName => self.org.person_mut(index).map(|one| &mut one.display_name),
            ProfileText::Title => self.org.person_mut(index).map(|one| &mut one.job.title),
            ProfileText::Phone => self.org.person_mut(index).map(|one| &mut one.phone),
            ProfileText::StatusText => Some(&mut self.org.statuses.entry(index).or_default().text),
            ProfileText::StatusEmoji => {
                Some(&mut self.org.statuses.entry(index).or_default().emoji)
            }
        };
        if let Some(place) = place {
            text.clone_into(place);
        }
        let shown = match field {
            ProfileText::StatusText | ProfileText::StatusEmoji => return OrgChange::Status(index),
            ProfileText::FirstName
            | ProfileText::LastName
            | ProfileText::DisplayName
            | ProfileText::Title => true,
            ProfileText::Phone => false,
        };
        let fields = ProfileChange { shown, email: false };
        OrgChange::Profile { person: index, fields }
    }
}
