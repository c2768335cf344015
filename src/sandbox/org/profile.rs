//! Everything about a person that an identity provider may write, as one value: taken from the
//! person, changed at will, and given back to an edit that holds it against the rules.

use super::{Job, Level, Organization, Person, Record};

/// The whole of a person's attributes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// The handle, or what one is to be made from.
    pub username: String,
    /// The primary address.
    pub email: String,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// The name shown in conversations.
    pub display_name: String,
    /// Job and place in the company.
    pub job: Job,
    /// The first telephone number.
    pub phone: String,
    /// IANA name, or whatever the identity provider takes for one.
    pub timezone: String,
    /// For example `en_US`.
    pub locale: String,
    /// City.
    pub city: String,
    /// Country.
    pub country: String,
    /// The rest.
    pub record: Record,
}

/// A guest's stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stay {
    /// The kind of guest.
    pub level: Level,
    /// Unix seconds when it ends, 0 for no end.
    pub expires: i64,
}

/// How a person is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The attributes.
    pub profile: Profile,
    /// A guest's stay; none for a full member.
    pub stay: Option<Stay>,
    /// Switched on or off; as before when absent.
    pub active: Option<bool>,
}

impl Wanted {
    /// A person as it is.
    #[must_use]
    pub fn of(org: &Organization, person: &Person) -> Self {
        let stay = person.guest().map(|level| Stay { level, expires: person.expires() });
        Self { profile: Profile::of(org, person), stay, active: None }
    }
}

impl Profile {
    /// The attributes of a person.
    #[must_use]
    pub fn of(org: &Organization, person: &Person) -> Self {
        Self {
            username: person.username.clone(),
            email: person.email.clone(),
            first_name: person.first_name.clone(),
            last_name: person.last_name.clone(),
            display_name: person.display_name.clone(),
            job: person.job.clone(),
            phone: person.phone.clone(),
            timezone: person.place.timezone.to_string(),
            locale: person.place.locale.to_string(),
            city: person.place.city.to_string(),
            country: person.place.country.to_string(),
            record: org.record_of(person).into_owned(),
        }
    }
}
