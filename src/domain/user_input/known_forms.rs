//! Comparison of user input with a user as read, of values that providers store in a form that is known: what differs in
//! every such form is another value.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{AddressInput, UserInput};
use crate::domain::patch::Comparison;
use crate::domain::user::{Address, User};

impl UserInput {
    /// Whether a user has another value in a requested field, in whatever form the provider stores the requested one.
    #[must_use]
    pub fn differs_in_every_form(&self, user: &User) -> bool {
        self.compare(user) == Comparison::Different
            || self.has_other_manager(user)
            || self.has_other_phones(user)
            || self.has_other_addresses(user)
            || self.has_other_locale(user)
            || self.has_other_custom_fields(user)
    }

    fn has_other_manager(&self, user: &User) -> bool {
        let present = user.manager.as_ref().map(|manager| manager.id.as_str());
        self.manager.value().is_some_and(|manager| present != Some(manager.id.as_str()))
    }

    /// Compares the digits of the numbers, in any order.
    fn has_other_phones(&self, user: &User) -> bool {
        let present: BTreeSet<String> = user.phones.iter().map(|one| digits(&one.number)).collect();
        self.phones.value().is_some_and(|phones| {
            phones.iter().map(|one| digits(&one.number)).collect::<BTreeSet<_>>() != present
        })
    }

    fn has_other_addresses(&self, user: &User) -> bool {
        let present: BTreeSet<_> = user.addresses.iter().map(parts_of).collect();
        self.addresses.value().is_some_and(|addresses| {
            addresses.iter().map(requested_parts).collect::<BTreeSet<_>>() != present
        })
    }

    fn has_other_locale(&self, user: &User) -> bool {
        let present = user.locale.as_deref().map(language_tag);
        self.locale.value().is_some_and(|locale| present != Some(language_tag(locale)))
    }

    fn has_other_custom_fields(&self, user: &User) -> bool {
        self.custom_fields.iter().any(|(name, value)| {
            let present = user.custom_fields.get(name);
            present.is_some_and(|present| text(present) != text(value))
        })
    }
}

fn digits(number: &str) -> String {
    number.chars().filter(char::is_ascii_digit).collect()
}

/// Returns the parts of an address in lower case; an absent part is an empty one.
fn parts_of(address: &Address) -> [String; 5] {
    let Address { street, city, region, postal_code, country } = address;
    [street, city, region, postal_code, country].map(|part| lower_case(part.as_deref()))
}

fn requested_parts(address: &AddressInput) -> [String; 5] {
    let AddressInput { street, city, region, postal_code, country } = address;
    [street, city, region, postal_code, country].map(|part| lower_case(part.as_deref()))
}

fn lower_case(part: Option<&str>) -> String {
    part.unwrap_or_default().trim().to_lowercase()
}

/// Returns a locale (`en_US`) as a language tag in lower case (`en-us`, RFC 5646).
fn language_tag(locale: &str) -> String {
    locale.trim().replace('_', "-").to_ascii_lowercase()
}

/// Returns a value as text: providers store numbers and booleans as texts, or the other way round.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), |text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::user::{Phone, ResourceRef, UserStatus, UserType};

    #[test]
    fn other_values_differ_and_other_forms_do_not() {
        let user = User {
            manager: Some(ResourceRef { id: "U2".to_owned(), name: Some("Bob".to_owned()) }),
            phones: vec![Phone { number: "+44 (1) 2".to_owned(), extension: None, kind: None }],
            addresses: vec![Address {
                street: None,
                city: Some("London".to_owned()),
                region: None,
                postal_code: None,
                country: Some("GB".to_owned()),
            }],
            locale: Some("en-US".to_owned()),
            custom_fields: [("level".to_owned(), json!("5"))].into(),
            ..User::bare("U1".to_owned(), UserStatus::Active, UserType::Member)
        };
        for (body, is_other) in [
            (json!({"manager": {"id": "U2"}}), false),
            (json!({"manager": {"id": "U3"}}), true),
            (json!({"phones": [{"number": "+4412"}]}), false),
            (json!({"phones": [{"number": "+4413"}]}), true),
            (json!({"addresses": [{"city": " london", "country": "gb"}]}), false),
            (json!({"addresses": [{"city": "Leeds", "country": "GB"}]}), true),
            (json!({"locale": "en_US"}), false),
            (json!({"locale": "de-DE"}), true),
            (json!({"custom_fields": {"level": 5}}), false),
            (json!({"custom_fields": {"level": "6"}}), true),
            (json!({"photos": [{"url": "https://pictures.example"}]}), false),
        ] {
            let input: UserInput = serde_json::from_value(body.clone()).unwrap();
            assert_eq!(input.differs_in_every_form(&user), is_other, "{body}");
        }
    }
}
