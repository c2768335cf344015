//! Comparison of user input with a user as read: field by field, `Unknown` where the provider stores a value in
//! another form.

use super::{AddressInput, UserInput, UserStatusInput};
use crate::domain::patch::{Comparison, PatchField};
use crate::domain::user::{Address, User, UserStatus};

impl UserInput {
    /// Compares every requested field of the account with a user read in full.
    #[must_use]
    pub fn compare(&self, user: &User) -> Comparison {
        let (first, last) = self.name_parts();
        let texts = [
            (&first, &user.first_name),
            (&last, &user.last_name),
            (&self.external_id, &user.external_id),
            (&self.title, &user.title),
            (&self.department, &user.department),
            (&self.division, &user.division),
            (&self.organization, &user.organization),
            (&self.cost_center, &user.cost_center),
            (&self.employee_number, &user.employee_number),
            (&self.timezone, &user.timezone),
        ];
        let texts = texts.into_iter().map(|(requested, is)| requested.compare(is.as_ref()));
        let status = self.status.value().is_none_or(|status| match status {
            UserStatusInput::Active => user.status == UserStatus::Active,
            UserStatusInput::Inactive => user.status == UserStatus::Inactive,
        });
        let parts = [
            Comparison::of_equality(status),
            Comparison::of_equality(self.kind().is_none_or(|kind| kind == user.user_type)),
            self.compare_end(user),
            self.compare_username(user),
            self.compare_emails(user),
            self.compare_manager(user),
            self.compare_phones(user),
            self.compare_addresses(user),
            self.compare_custom_fields(user),
            compare_list(&self.locale, user.locale.is_none(), |locale| {
                user.locale.as_ref() == Some(locale)
            }),
            // Pictures are copied to the provider's own URLs.
            Comparison::or_unknown(self.photos.is_absent()),
            Comparison::or_unknown(self.remote_data.is_empty()),
        ];
        Comparison::all(texts.chain(parts))
    }

    /// Compares in seconds, as providers store times.
    fn compare_end(&self, user: &User) -> Comparison {
        let is = user.expires_at.map(time::OffsetDateTime::unix_timestamp);
        match &self.expires_at {
            PatchField::Absent => Comparison::Equal,
            PatchField::Clear => Comparison::of_equality(is.is_none()),
            PatchField::Set(at) => Comparison::of_equality(is == Some(at.utc().unix_timestamp())),
        }
    }

    /// Compares without case; providers replace characters that they do not allow.
    fn compare_username(&self, user: &User) -> Comparison {
        let is = user.username.as_deref().unwrap_or_default();
        let requested = self.username.value();
        Comparison::or_unknown(requested.is_none_or(|name| name.eq_ignore_ascii_case(is)))
    }

    /// Compares the primary address exactly; a provider may store fewer of the others.
    fn compare_emails(&self, user: &User) -> Comparison {
        let primary = user.emails.iter().find(|email| email.is_primary);
        let primary = primary.or(user.emails.first()).map_or("", |email| email.email.as_str());
        if self.primary_email().is_some_and(|email| !email.eq_ignore_ascii_case(primary)) {
            return Comparison::Different;
        }
        let has = |email: &str| user.emails.iter().any(|one| one.email.eq_ignore_ascii_case(email));
        let mut requested = self.emails.value().into_iter().flatten();
        Comparison::or_unknown(requested.all(|email| has(&email.email)))
    }

    /// Compares the manager, whose id may be another than the provider's.
    fn compare_manager(&self, user: &User) -> Comparison {
        compare_list(&self.manager, user.manager.is_none(), |manager| {
            user.manager.as_ref().is_some_and(|is| is.id == manager.id)
        })
    }

    fn compare_phones(&self, user: &User) -> Comparison {
        compare_list(&self.phones, user.phones.is_empty(), |phones| {
            let has = |number: &str| user.phones.iter().any(|phone| phone.number == number);
            phones.len() == user.phones.len() && phones.iter().all(|phone| has(&phone.number))
        })
    }

    fn compare_addresses(&self, user: &User) -> Comparison {
        compare_list(&self.addresses, user.addresses.is_empty(), |addresses| {
            addresses.len() == user.addresses.len()
                && addresses.iter().zip(&user.addresses).all(|(one, is)| is_same_address(one, is))
        })
    }

    fn compare_custom_fields(&self, user: &User) -> Comparison {
        Comparison::all(self.custom_fields.iter().map(|(name, value)| {
            match (value.is_null(), user.custom_fields.get(name)) {
                (true, is) => Comparison::of_equality(is.is_none()),
                (false, None) => Comparison::Different,
                (false, Some(is)) => Comparison::or_unknown(is == value),
            }
        }))
    }
}

/// Compares a field whose values may be stored in another form.
fn compare_list<T>(
    field: &PatchField<T>,
    is_empty: bool,
    is_equal: impl FnOnce(&T) -> bool,
) -> Comparison {
    match field {
        PatchField::Absent => Comparison::Equal,
        PatchField::Clear => Comparison::of_equality(is_empty),
        PatchField::Set(value) if is_equal(value) => Comparison::Equal,
        PatchField::Set(_) if is_empty => Comparison::Different,
        PatchField::Set(_) => Comparison::Unknown,
    }
}

fn is_same_address(requested: &AddressInput, is: &Address) -> bool {
    let AddressInput { street, city, region, postal_code, country } = requested;
    (street, city, region, postal_code, country)
        == (&is.street, &is.city, &is.region, &is.postal_code, &is.country)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::user::{Email, Phone, UserType};

    #[test]
    fn compares_every_requested_field() {
        let user = User {
            title: Some("Analyst".to_owned()),
            username: Some("ada".to_owned()),
            emails: vec![Email { email: "ada@b.c".to_owned(), kind: None, is_primary: true }],
            phones: vec![Phone { number: "1".to_owned(), extension: None, kind: None }],
            ..User::bare("U1".to_owned(), UserStatus::Active, UserType::Member)
        };
        for (body, expected) in [
            (json!({}), Comparison::Equal),
            (
                json!({"title": "Analyst", "email": "ADA@b.c", "status": "active"}),
                Comparison::Equal,
            ),
            (json!({"title": "Other", "phones": [{"number": "2"}]}), Comparison::Different),
            (json!({"title": null}), Comparison::Different),
            (json!({"phones": [{"number": "1"}]}), Comparison::Equal),
            (json!({"phones": [{"number": "2"}]}), Comparison::Unknown),
            (json!({"phones": null}), Comparison::Different),
            (json!({"manager": {"id": "U2"}}), Comparison::Different),
            (json!({"addresses": [{"city": "London"}]}), Comparison::Different),
            (json!({"photos": [{"url": "https://pictures.example"}]}), Comparison::Unknown),
            (json!({"remote_data": {"nickName": "a"}}), Comparison::Unknown),
            (json!({"custom_fields": {"start_date": "2026-12-01"}}), Comparison::Different),
            (json!({"user_type": "guest_multi_channel"}), Comparison::Different),
            (json!({"email": "other@b.c"}), Comparison::Different),
            (json!({"username": "o'hara"}), Comparison::Unknown),
        ] {
            let input: UserInput = serde_json::from_value(body.clone()).unwrap();
            assert_eq!(input.compare(&user), expected, "{body}");
        }
    }
}
