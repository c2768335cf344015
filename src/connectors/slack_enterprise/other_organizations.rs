//! People of other organizations: Slack Connect shares channels with other companies, and `users.info` returns their
//! people. They are no users of the directory.
//!
//! <https://docs.slack.dev/reference/objects/user-object>

use super::SlackConnector;
use super::api::unavailable_as_none;
use super::wire::WebUser;
use crate::connectors::{CallContext, ConnectorError};

/// What a user object says of the user's organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Belonging<'a> {
    /// The user is of the organization, or nothing says otherwise.
    Own,
    /// The user is of another organization.
    Other,
    /// The user is of no Grid organization: the workspace decides.
    OfWorkspace(&'a str),
}

impl SlackConnector {
    /// Whether a user is of another organization. Takes a call per thousand workspaces for a person without an
    /// organization; the users of a Grid organization have one.
    pub(super) async fn is_of_other_organization(
        &self,
        cx: &CallContext<'_>,
        user: &WebUser,
    ) -> Result<bool, ConnectorError> {
        match belonging(user, &cx.account.organization.id) {
            Belonging::Own => Ok(false),
            Belonging::Other => Ok(true),
            Belonging::OfWorkspace(team) => {
                // Boxed, because it is seldom needed.
                let workspaces = unavailable_as_none(Box::pin(self.all_workspaces(cx)).await)?;
                Ok(workspaces.is_some_and(|all| all.iter().all(|one| one.team != team)))
            }
        }
    }
}

fn belonging<'a>(user: &'a WebUser, organization: &str) -> Belonging<'a> {
    if user.is_stranger {
        return Belonging::Other;
    }
    match (&user.enterprise_user, &user.team_id) {
        (Some(part), _) => match &part.enterprise_id {
            Some(id) if !id.is_empty() && id != organization => Belonging::Other,
            Some(_) | None => Belonging::Own,
        },
        (None, Some(team)) if !user.is_bot && !team.is_empty() && team != organization => {
            Belonging::OfWorkspace(team)
        }
        (None, _) => Belonging::Own,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn only_clear_evidence_makes_a_user_one_of_another_organization() {
        let of = |fields: Value| {
            let user: WebUser = serde_json::from_value(fields).unwrap();
            match belonging(&user, "E1") {
                Belonging::Own => "own".to_owned(),
                Belonging::Other => "other".to_owned(),
                Belonging::OfWorkspace(team) => team.to_owned(),
            }
        };
        let part = |enterprise_id: Value| {
            let part = json!({ "enterprise_id": enterprise_id });
            json!({"id": "U1", "team_id": "T9", "enterprise_user": part})
        };
        for (fields, expected) in [
            (json!({"id": "U1", "is_stranger": true}), "other"),
            (part(json!("E2")), "other"),
            (part(json!("E1")), "own"),
            (part(json!("")), "own"),
            (part(json!(null)), "own"),
            (json!({"id": "U1"}), "own"),
            (json!({"id": "U1", "team_id": "E1"}), "own"),
            (json!({"id": "U1", "team_id": "T9", "is_bot": true}), "own"),
            (json!({"id": "U1", "team_id": "T9"}), "T9"),
        ] {
            assert_eq!(of(fields.clone()), expected, "{fields}");
        }
    }
}
