//! What can be wrong with the attributes of a person.

use super::Rule;

/// Why the attributes of a person are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// No handle.
    UsernameEmpty,
    /// A handle without letters and digits.
    UsernameMalformed,
    /// A handle of more than 21 characters.
    UsernameTooLong,
    /// A handle that Slack keeps for itself.
    UsernameReserved,
    /// A person or a channel has that handle.
    UsernameTaken,
    /// No free handle can be made from the address.
    UsernameExhausted,
    /// No address.
    EmailEmpty,
    /// Not an address.
    EmailMalformed,
    /// A person has that address.
    EmailTaken,
    /// A display name of more than 80 characters.
    NameTooLong,
    /// A display name with characters that mean something to Slack.
    NameMalformed,
    /// A display name that starts like a mention.
    StartsWithAt,
    /// A display name that means everybody.
    ReservedWord,
    /// A picture in a line of text.
    Emoji,
    /// The end of a guest's stay has passed already.
    StayOver,
    /// Whoever ranks in the organization or in a workspace is not made a guest.
    Ranks,
    /// Another rule refuses it.
    Rule(Rule),
}

impl From<Rule> for Flaw {
    fn from(rule: Rule) -> Self {
        Self::Rule(rule)
    }
}
