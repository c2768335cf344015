//! Attributes of a person that only SCIM has. They are derived from the other attributes until a
//! client writes them.

/// Attributes that only SCIM reads and writes. An empty string means absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScimAttributes {
    /// Id of the person at the identity provider.
    pub external_id: String,
    /// Second e-mail address; need not be unique.
    pub second_email: String,
    /// The second telephone number.
    pub mobile_phone: String,
    /// For example "Dr.".
    pub honorific: String,
    /// Company name, as the identity provider sends it.
    pub organization: String,
    /// Job in words, for example "Tech Lead". It grants no permissions.
    pub role: String,
    /// For example `en_US`.
    pub preferred_language: String,
    /// Street and number.
    pub street: String,
    /// State or province.
    pub region: String,
    /// ZIP code.
    pub postal_code: String,
    /// Profile page of the person; Slack's own if empty.
    pub profile_url: String,
    /// Fingerprint of an uploaded picture; the picture is not stored.
    pub photo: String,
    /// Unix seconds of the first day at work.
    pub start_date: Option<i64>,
}
