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

    /// Whether what is there is as the field says.
    pub fn is_met_by(&self, is: Option<&T>) -> bool
    where
        T: PartialEq,
    {
        match self {
            Self::Keep => true,
            Self::Clear => is.is_none(),
            Self::Set(wish) => is == Some(wish),
        }
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
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Clear, Self::Set))
    }
}
