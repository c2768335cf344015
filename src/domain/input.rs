//! What callers wish for, and what came of it.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// What came of a write that the provider answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    /// It was done.
    Done,
    /// It was so already.
    Already,
}

/// How an object that was read compares with what was requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// Everything requested is so.
    Equal,
    /// Something requested is not so.
    Different,
    /// The provider does not show all of what was requested.
    Unknown,
}

impl Comparison {
    /// Equal or different.
    #[must_use]
    pub fn of(is_equal: bool) -> Self {
        if is_equal { Self::Equal } else { Self::Different }
    }

    /// Equal, or unknown where a difference can come from the form in which the provider stores it.
    #[must_use]
    pub fn or_unknown(is_equal: bool) -> Self {
        if is_equal { Self::Equal } else { Self::Unknown }
    }

    /// The comparison of several parts: one difference decides, else one unknown part.
    #[must_use]
    pub fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        parts.into_iter().fold(Self::Equal, |whole, part| match (whole, part) {
            (Self::Different, _) | (_, Self::Different) => Self::Different,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Equal, Self::Equal) => Self::Equal,
        })
    }
}

/// What a change says about a field: absent keeps it, `null` clears it, a value sets it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Field<T> {
    /// Nothing is said.
    #[default]
    Keep,
    /// It is to be empty.
    Clear,
    /// It is to be this.
    Set(T),
}

impl<T> Field<T> {
    /// The value, where there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Keep | Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }

    /// Compares what the field says with a value that was read.
    pub fn compare(&self, is: Option<&T>) -> Comparison
    where
        T: PartialEq,
    {
        Comparison::of(match self {
            Self::Keep => true,
            Self::Clear => is.is_none(),
            Self::Set(requested) => is == Some(requested),
        })
    }

    /// Whether it is to be empty.
    pub fn is_clear(&self) -> bool {
        matches!(self, Self::Clear)
    }

    /// Whether nothing is said.
    pub fn is_keep(&self) -> bool {
        match self {
            Self::Keep => true,
            Self::Clear | Self::Set(_) => false,
        }
    }
}

/// A part of a wish that can't be granted, known before anything is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Where it stands in the body: a JSON pointer.
    pub pointer: String,
    /// What is wrong, and what to do instead.
    pub message: String,
}

impl Flaw {
    /// A flaw at a place.
    pub fn at(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: message.into() }
    }

    /// Two fields that contradict each other: one entry for each, which names the other.
    #[must_use]
    pub fn pair(one: &str, other: &str) -> [Self; 2] {
        let message = |of: &str| format!("contradicts {of}: send only one of the two");
        [Self::at(one, message(other)), Self::at(other, message(one))]
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Clear, Self::Set))
    }
}
