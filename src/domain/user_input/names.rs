//! The parts of a person's name, and whether the ways to give them agree.

use super::UserInput;
use crate::domain::input::{Field, Flaw};

/// Given and family name.
type Names = (Field<String>, Field<String>);

impl UserInput {
    /// Given and family name: as given, else the parts of the whole name; `null` for the whole name
    /// clears both.
    #[must_use]
    pub fn names(&self) -> Names {
        let given = (self.first_name.clone(), self.last_name.clone());
        match (&self.name, &given) {
            (Field::Keep, _) => given,
            (Field::Clear, _) => (Field::Clear, Field::Clear),
            (Field::Set(whole), (first, last)) => {
                split(whole, first.value(), last.value()).unwrap_or(given)
            }
        }
    }

    /// The fields for names that contradict each other.
    pub(super) fn contradicting_names(&self) -> Vec<Flaw> {
        let parts = [("/first_name", &self.first_name), ("/last_name", &self.last_name)];
        let agrees = match &self.name {
            Field::Keep => return Vec::new(),
            Field::Clear => parts.iter().all(|(_, part)| part.value().is_none()),
            Field::Set(whole) => {
                split(whole, self.first_name.value(), self.last_name.value()).is_some()
                    && (self.first_name.is_keep() || self.first_name.value().is_some())
                    && (!self.last_name.is_clear() || words(whole).len() == 1)
            }
        };
        if agrees {
            return Vec::new();
        }
        let given = parts.into_iter().filter(|(_, part)| !part.is_keep());
        given.flat_map(|(pointer, _)| Flaw::pair("/name", pointer)).collect()
    }
}

/// A whole name in its parts, which are those that are given; `None` where it has others.
fn split(whole: &str, first: Option<&String>, last: Option<&String>) -> Option<Names> {
    let words = words(whole);
    let (first, last) = (first.map(|part| self::words(part)), last.map(|part| self::words(part)));
    // Where nothing is given, the family name is the last word.
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
        if words.is_empty() { Field::Clear } else { Field::Set(words.join(" ")) }
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
        let set = |text: &str| Field::Set(text.to_owned());
        for (body, expected) in [
            (json!({"name": "Ada King Lovelace"}), (set("Ada King"), set("Lovelace"))),
            (json!({"name": "Ada"}), (set("Ada"), Field::Clear)),
            (json!({"name": "Ada K L", "first_name": "Ada"}), (set("Ada"), set("K L"))),
            (json!({"name": "Ada K L", "last_name": "K L"}), (set("Ada"), set("K L"))),
            (json!({"name": null}), (Field::Clear, Field::Clear)),
            (json!({"last_name": "Z"}), (Field::Keep, set("Z"))),
            (json!({}), (Field::Keep, Field::Keep)),
        ] {
            assert_eq!(input(body.clone()).contradicting_names(), [], "{body}");
            assert_eq!(input(body.clone()).names(), expected, "{body}");
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
