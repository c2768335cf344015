//! All attributes of a person that an identity provider may write, as one value. It is read from
//! the person, changed freely and passed to an edit, which validates it.

use super::{GridOrganization, JobInfo, Person, ScimAttributes, WorkspaceLevel};

/// All attributes of a person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// Username, or the text to derive one from.
    pub username: String,
    /// Primary e-mail address.
    pub email: String,
    /// Given name.
    pub first_name: String,
    /// Family name.
    pub last_name: String,
    /// Name shown in conversations.
    pub display_name: String,
    /// Job data.
    pub job: JobInfo,
    /// First telephone number.
    pub phone: String,
    /// IANA name; an unknown name is accepted.
    pub timezone: String,
    /// For example `en_US`.
    pub locale: String,
    /// City.
    pub city: String,
    /// Country.
    pub country: String,
    /// The attributes that only SCIM has.
    pub scim: ScimAttributes,
}

/// Status of an account, shown beside its name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProfileStatus {
    /// Text, empty for none.
    pub text: String,
    /// Emoji, such as `:palm_tree:`; empty for none.
    pub emoji: String,
}

/// Level and expiration of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuestAccess {
    /// The guest level.
    pub level: WorkspaceLevel,
    /// Unix seconds when access expires, 0 for never.
    pub expires: i64,
}

/// The intended state of a person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PersonUpdate {
    /// The attributes.
    pub profile: Profile,
    /// Guest level and expiration; `None` for a full member.
    pub guest_access: Option<GuestAccess>,
    /// Whether the account is active; `None` leaves it unchanged.
    pub active: Option<bool>,
}

impl PersonUpdate {
    /// Returns the current state of a person.
    #[must_use]
    pub fn of(org: &GridOrganization, person: &Person) -> Self {
        let stay =
            person.guest_level().map(|level| GuestAccess { level, expires: person.expires() });
        Self { profile: Profile::of(org, person), guest_access: stay, active: None }
    }
}

impl Profile {
    /// Returns the attributes of a person.
    #[must_use]
    pub fn of(org: &GridOrganization, person: &Person) -> Self {
        Self {
            username: person.username.clone(),
            email: person.email.clone(),
            first_name: person.first_name.clone(),
            last_name: person.last_name.clone(),
            display_name: person.display_name.clone(),
            job: person.job.clone(),
            phone: person.phone.clone(),
            timezone: person.location.timezone.to_string(),
            locale: person.location.locale.to_string(),
            city: person.location.city.to_string(),
            country: person.location.country.to_string(),
            scim: org.scim_attributes(person).into_owned(),
        }
    }
}
