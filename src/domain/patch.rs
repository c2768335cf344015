//! PATCH semantics of input fields, validation errors, and the outcome of writes.

use serde::{Deserialize, Deserializer, Serialize};
use serde_path_to_error::Segment;
use utoipa::ToSchema;

/// The outcome of a confirmed write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WriteOutcome {
    /// The provider confirmed the change.
    Applied,
    /// The requested state was there before.
    Unchanged,
}

/// The result of comparing an object as read with the requested state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// The object has the requested state.
    Equal,
    /// The object differs from the requested state.
    Different,
    /// The provider does not return all of the requested fields.
    Unknown,
}

impl Comparison {
    /// Returns `Equal` or `Different`.
    #[must_use]
    pub fn of_equality(is_equal: bool) -> Self {
        if is_equal { Self::Equal } else { Self::Different }
    }

    /// Returns `Equal`, or `Unknown` where the provider may store the value in another form.
    #[must_use]
    pub fn or_unknown(is_equal: bool) -> Self {
        if is_equal { Self::Equal } else { Self::Unknown }
    }

    /// Combines comparisons: `Different` wins over `Unknown`, `Unknown` over `Equal`.
    #[must_use]
    pub fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        parts.into_iter().fold(Self::Equal, |whole, part| match (whole, part) {
            (Self::Different, _) | (_, Self::Different) => Self::Different,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Equal, Self::Equal) => Self::Equal,
        })
    }
}

/// A field of a PATCH request: absent leaves the value unchanged, `null` clears it, a value sets it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PatchField<T> {
    /// The field is absent: leave the value unchanged.
    #[default]
    Absent,
    /// The field is `null`: clear the value.
    Clear,
    /// The new value.
    Set(T),
}

impl<T> PatchField<T> {
    /// Returns the value, if the field sets one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Absent | Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }

    /// Compares the field with a value as read.
    pub fn compare(&self, is: Option<&T>) -> Comparison
    where
        T: PartialEq,
    {
        Comparison::of_equality(match self {
            Self::Absent => true,
            Self::Clear => is.is_none(),
            Self::Set(requested) => is == Some(requested),
        })
    }

    /// Whether the field clears the value.
    pub fn is_clear(&self) -> bool {
        matches!(self, Self::Clear)
    }

    /// Whether the field is absent.
    pub fn is_absent(&self) -> bool {
        match self {
            Self::Absent => true,
            Self::Clear | Self::Set(_) => false,
        }
    }
}

/// A validation error of a request body, found before anything is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidationError {
    /// The location in the body: a JSON pointer (RFC 6901).
    pub pointer: String,
    /// The failed rule, and the fix.
    pub message: String,
}

impl ValidationError {
    /// Returns an error at a JSON pointer.
    pub fn at(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: message.into() }
    }

    /// Returns the errors of two contradicting fields, each naming the other.
    #[must_use]
    pub fn conflict(one: &str, other: &str) -> [Self; 2] {
        let message = |of: &str| format!("contradicts {of}: send only one of the two");
        [Self::at(one, message(other)), Self::at(other, message(one))]
    }
}

/// Returns the path as a JSON pointer (RFC 6901).
#[must_use]
pub fn json_pointer(path: &serde_path_to_error::Path) -> String {
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                format!("/{}", key.replace('~', "~0").replace('/', "~1"))
            }
            Segment::Unknown => "/?".to_owned(),
        })
        .collect()
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for PatchField<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Clear, Self::Set))
    }
}
