//! People of other companies, who are in channels that the organization shares with them (Slack Connect). They are no
//! accounts of the organization: only `users.info` returns them.

/// A person of another company.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalPerson {
    /// `U…`.
    pub id: String,
    /// The person's workspace, `T…`.
    pub team_id: String,
    /// The person's Grid organization, `E…`; `None` if the company has none.
    pub enterprise_id: Option<String>,
    /// Whether the person is in no channel that an app of this organization sees.
    pub is_stranger: bool,
    /// Username.
    pub username: String,
    /// Full name.
    pub full_name: String,
}
