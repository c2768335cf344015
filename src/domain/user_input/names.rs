//! Given and family name of user input, and contradictions between `name` and its parts.

use super::UserInput;
use crate::domain::patch::{PatchField, ValidationError};

/// Given and family name.
type NameParts = (PatchField<String>, PatchField<String>);

impl UserInput {
    /// Returns given and family name: as given, otherwise the parts of the full name; `null` for the full name clears
    /// both.
    #[must_use]
    pub fn name_parts(&self) -> NameParts {
        let given = (self.first_name.clone(), self.last_name.clone());
        match (&self.name, &given) {
            (PatchField::Absent, _) => given,
            (PatchField::Clear, _) => (PatchField::Clear, PatchField::Clear),
            (PatchField::Set(whole), (first, last)) => {
                split(whole, first.value(), last.value()).unwrap_or(given)
            }
        }
    }

    /// Returns the errors of contradicting name fields.
    pub(super) fn contradicting_names(&self) -> Vec<ValidationError> {
        let parts = [("/first_name", &self.first_name), ("/last_name", &self.last_name)];
        let agrees = match &self.name {
            PatchField::Absent => return Vec::new(),
            PatchField::Clear => parts.iter().all(|(_, part)| part.value().is_none()),
            PatchField::Set(whole) => {
                split(whole, self.first_name.value(), self.last_name.value()).is_some()
                    && (self.first_name.is_absent() || self.first_name.value().is_some())
                    && (!self.last_name.is_clear() || words(whole).len() == 1)
            }
        };
        if agrees {
            return Vec::new();
        }
        let given = parts.into_iter().filter(|(_, part)| !part.is_absent());
        given.flat_map(|(pointer, _)| ValidationError::conflict("/name", pointer)).collect()
    }
}

/// Splits a full name into the given parts; `None` when it contradicts them.
fn split(whole: &str, first: Option<&String>, last: Option<&String>) -> Option<NameParts> {
    let words = words(whole);
    let (first, last) = (first.map(|part| self::words(part)), last.map(|part| self::words(part)));
    // Without given parts, the family name is the last word.
    let begins = match (&first, &last) {
        (Some(first), _) => first.len(),
        (None, Some(last)) => words.len().checked_sub(last.len())?,
        (None, None) => words.len().saturating_sub(1).max(1).min(words.len()),
    };
    let (given, family) = words.split_at_checked(begins)?;
    let is_given = |part: &Option<Vec<&str>>, is: &[&str]| {
        part.as_ref().is_none_or(|part| part.as_slice() == is)
    };
    if !(is_given(&first, given) && is_given(&last, family)) {
        return None;
    }
    let field = |words: &[&str]| {
        if words.is_empty() { PatchField::Clear } else { PatchField::Set(words.join(" ")) }
    };
    Some((field(given), field(family)))
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn input(json: Value) -> UserInput {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn splits_a_whole_name_where_the_given_parts_say() {
        let set = |text: &str| PatchField::Set(text.to_owned());
        for (body, expected) in [
            (json!({"name": "Ada King Lovelace"}), (set("Ada King"), set("Lovelace"))),
            (json!({"name": "Ada"}), (set("Ada"), PatchField::Clear)),
            (json!({"name": "Ada K L", "first_name": "Ada"}), (set("Ada"), set("K L"))),
            (json!({"name": "Ada K L", "last_name": "K L"}), (set("Ada"), set("K L"))),
            (json!({"name": null}), (PatchField::Clear, PatchField::Clear)),
            (json!({"last_name": "Z"}), (PatchField::Absent, set("Z"))),
            (json!({}), (PatchField::Absent, PatchField::Absent)),
        ] {
            assert_eq!(input(body.clone()).contradicting_names(), [], "{body}");
            assert_eq!(input(body.clone()).name_parts(), expected, "{body}");
        }
    }

    #[test]
    fn names_both_fields_of_a_contradiction() {
        for (body, count) in [
            (json!({"name": "x y", "last_name": "Z"}), 2),
            (json!({"name": "x y", "first_name": "y"}), 2),
            (json!({"name": "x y", "first_name": "x", "last_name": "z"}), 4),
            (json!({"name": "x y", "last_name": null}), 2),
            (json!({"name": null, "first_name": "x"}), 2),
            (json!({"name": "x", "first_name": "x y"}), 2),
        ] {
            assert_eq!(input(body.clone()).contradicting_names().len(), count, "{body}");
        }
    }
}
