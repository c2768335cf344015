//! What an identity provider keeps about a person beyond what everybody has.
//!
//! Few people have it: generated ones get theirs made up from the rest until somebody writes it.

use std::borrow::Cow;

use super::{Organization, Person};

/// The attributes that only SCIM reads and writes. An empty text is an absent one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// The identity provider's own id of the person.
    pub external_id: String,
    /// The second address. It need not be unique.
    pub second_email: String,
    /// The second telephone number.
    pub mobile_phone: String,
    /// For example "Dr.".
    pub honorific: String,
    /// The company, as the identity provider names it.
    pub organization: String,
    /// A job in words, for example "Tech Lead". It gives no rights.
    pub role: String,
    /// For example `en_US`.
    pub preferred_language: String,
    /// Street and number.
    pub street: String,
    /// State or province.
    pub region: String,
    /// ZIP code.
    pub postal_code: String,
    /// The person's page; Slack's own when empty.
    pub profile_url: String,
    /// The fingerprint of an uploaded picture. The picture itself is not kept.
    pub photo: String,
    /// Unix seconds of the first day at work.
    pub start_date: Option<i64>,
}

impl Record {
    /// What a person is given in whose place nobody has written anything yet.
    fn made_up(org: &Organization, person: &Person) -> Self {
        let employed = !person.job.department.is_empty();
        Self {
            external_id: person.job.employee_number.clone(),
            organization: if employed { org.name.clone() } else { String::new() },
            role: person.job.title.clone(),
            preferred_language: person.place.locale.replace('-', "_"),
            start_date: Some(person.created - person.created.rem_euclid(86_400)),
            ..Self::default()
        }
    }
}

impl Organization {
    /// What the identity provider keeps about a person.
    #[must_use]
    pub fn record_of<'a>(&self, person: &'a Person) -> Cow<'a, Record> {
        match &person.record {
            Some(record) => Cow::Borrowed(record),
            None => Cow::Owned(Record::made_up(self, person)),
        }
    }
}
