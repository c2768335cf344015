//! Validation errors of a person's attributes.

use super::EditError;

/// Reasons why the attributes of a person are rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProfileError {
    /// The username is empty.
    UsernameEmpty,
    /// The username has neither letters nor digits.
    UsernameMalformed,
    /// The username has more than 21 characters.
    UsernameTooLong,
    /// Slack reserves the username.
    UsernameReserved,
    /// A person or a channel has this username.
    UsernameTaken,
    /// No unused username can be derived from the address.
    UsernameExhausted,
    /// The e-mail address is empty.
    EmailEmpty,
    /// The e-mail address is malformed.
    EmailMalformed,
    /// Another person has this e-mail address.
    EmailTaken,
    /// The display name has more than 80 characters.
    NameTooLong,
    /// The display name has characters with a special meaning in Slack.
    NameMalformed,
    /// The display name starts like a mention.
    StartsWithAt,
    /// The display name is a reserved word for all members.
    ReservedWord,
    /// A line of text contains an emoji.
    ContainsEmoji,
    /// The expiration is in the past.
    ExpirationInPast,
    /// An admin or owner cannot become a guest.
    HasAdminLevel,
    /// Any other rule.
    Edit(EditError),
}

impl From<EditError> for ProfileError {
    fn from(rule: EditError) -> Self {
        Self::Edit(rule)
    }
}
