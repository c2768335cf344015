//! What an evaluation of a policy finds: the subject, the evidence, and the operations that would end it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::operation::DirectoryOperation;
use super::person::{HeldRole, LostRole, Membership};
use crate::domain::event::EventActor;
use crate::domain::names::names;

/// The kind of subject of a violation.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    /// A user.
    User,
    /// A set of roles: their ids, separated by commas.
    Roles,
    /// An e-mail address.
    Email,
    /// The users of a type.
    UserType,
}

names! { SubjectKind, UnknownSubjectKind,
    "unknown kind of subject; the known ones are: user, roles, email, user_type",
    User = "user",
    Roles = "roles",
    Email = "email",
    UserType = "user_type",
}

/// The subject of a violation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[schema(as = ViolationSubject)]
pub struct FindingSubject {
    /// The kind.
    #[serde(rename = "type")]
    pub kind: SubjectKind,
    /// The user's id, the ids of the roles separated by commas, the e-mail address, or `guest`.
    #[schema(example = "U0EXAMPLE")]
    pub id: String,
}

impl FindingSubject {
    /// Returns a user.
    #[must_use]
    pub fn user(id: &str) -> Self {
        Self { kind: SubjectKind::User, id: id.to_owned() }
    }
}

/// Who granted what the evidence names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GrantEvidence {
    /// What was granted: `role_assignment`, `workspace_member` or `group_member`.
    #[schema(example = "role_assignment")]
    pub kind: String,
    /// The id of the role, workspace or group.
    #[schema(example = "org:owner")]
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// The workspace of a role assignment.
    pub workspace_id: Option<String>,
    /// When it was granted: by the provider's time if known, otherwise when the gateway found it; `null` when it is
    /// older than the sync.
    #[serde(with = "time::serde::rfc3339::option")]
    pub granted_at: Option<OffsetDateTime>,
    /// Who granted it; `null` when unknown.
    pub granted_by: Option<EventActor>,
    /// Whether it was granted before the sync of the account began, so that who granted it is unknown.
    pub is_older_than_sync: bool,
    /// When it was removed: by the provider's time if known, otherwise when the gateway found it; `null` while it is held.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub revoked_at: Option<OffsetDateTime>,
    /// Who removed it; `null` while it is held, or when unknown.
    #[serde(default)]
    pub revoked_by: Option<EventActor>,
}

impl GrantEvidence {
    /// Returns the evidence of a role.
    #[must_use]
    pub fn role(role: &HeldRole) -> Self {
        Self {
            kind: "role_assignment".to_owned(),
            id: role.role_id.clone(),
            name: Some(role.role_name.clone()),
            workspace_id: role.workspace_id.clone(),
            granted_at: role.grant.at(),
            granted_by: role.grant.actor.clone(),
            is_older_than_sync: role.grant.is_older_than_sync,
            revoked_at: None,
            revoked_by: None,
        }
    }

    /// Returns the evidence of a role that was removed.
    #[must_use]
    pub fn lost_role(lost: &LostRole) -> Self {
        Self {
            revoked_at: Some(lost.removal.at()),
            revoked_by: lost.removal.actor.clone(),
            ..Self::role(&lost.role)
        }
    }

    /// Returns the evidence of a membership of `kind`.
    #[must_use]
    pub fn membership(kind: &str, membership: &Membership) -> Self {
        Self {
            kind: kind.to_owned(),
            id: membership.id.clone(),
            name: membership.name.clone(),
            workspace_id: None,
            granted_at: membership.grant.at(),
            granted_by: membership.grant.actor.clone(),
            is_older_than_sync: membership.grant.is_older_than_sync,
            revoked_at: None,
            revoked_by: None,
        }
    }

    /// Returns who made the last change, if that is known, and when.
    #[must_use]
    pub fn last_change(&self) -> Option<(&EventActor, Option<OffsetDateTime>)> {
        if self.revoked_at.is_some() {
            return Some((self.revoked_by.as_ref()?, self.revoked_at));
        }
        Some((self.granted_by.as_ref()?, self.granted_at))
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Evidence {
    /// What was found, as a sentence.
    #[schema(
        example = "Ada Lovelace holds the role Org Owner and is not among the allowed holders."
    )]
    pub summary: String,
    /// The users concerned, at most 100.
    #[schema(example = json!(["U0EXAMPLE"]))]
    pub user_ids: Vec<String>,
    /// What they were granted, and by whom, at most 100.
    pub grants: Vec<GrantEvidence>,
    /// The values that were compared, by their names.
    #[schema(value_type = Object)]
    pub values: Map<String, Value>,
}

/// The maximum number of users and of grants in an evidence.
const MAX_LISTED: usize = 100;

impl Evidence {
    /// Returns evidence of one sentence.
    #[must_use]
    pub fn of(summary: impl Into<String>) -> Self {
        Self { summary: summary.into(), ..Self::default() }
    }

    /// Adds users, up to the maximum.
    #[must_use]
    pub fn with_users(mut self, ids: impl IntoIterator<Item = String>) -> Self {
        self.user_ids.extend(ids);
        self.user_ids.truncate(MAX_LISTED);
        self
    }

    /// Adds grants, up to the maximum.
    #[must_use]
    pub fn with_grants(mut self, grants: impl IntoIterator<Item = GrantEvidence>) -> Self {
        self.grants.extend(grants);
        self.grants.truncate(MAX_LISTED);
        self
    }

    /// Adds a value that was compared.
    #[must_use]
    pub fn with_value(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.values.insert(name.to_owned(), value.into());
        self
    }

    /// Returns who made the newest change of which that is known, and when.
    #[must_use]
    pub fn newest_change(&self) -> Option<(&EventActor, Option<OffsetDateTime>)> {
        self.grants.iter().filter_map(GrantEvidence::last_change).max_by_key(|(_, at)| *at)
    }
}

/// What an evaluation found about one subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The subject.
    pub subject: FindingSubject,
    /// What was found.
    pub evidence: Evidence,
    /// The operations that would end it; empty when there are none.
    pub fix: Vec<DirectoryOperation>,
    /// Why there are none, or why they do not end all of it.
    pub fix_unavailable: Option<String>,
}

impl Finding {
    /// Returns what was found about a subject, without operations that would end it.
    #[must_use]
    pub fn of(subject: FindingSubject, evidence: Evidence) -> Self {
        Self { subject, evidence, fix: Vec::new(), fix_unavailable: None }
    }

    /// Returns what was found about a user, whom the evidence names.
    #[must_use]
    pub fn of_user(id: &str, evidence: Evidence) -> Self {
        Self::of(FindingSubject::user(id), evidence.with_users([id.to_owned()]))
    }

    /// Adds operations that would end it.
    #[must_use]
    pub fn with_fix(mut self, operations: impl IntoIterator<Item = DirectoryOperation>) -> Self {
        self.fix.extend(operations);
        self
    }

    /// Says why there are no operations that would end it, or all of it.
    #[must_use]
    pub fn without_fix(mut self, reason: &str) -> Self {
        self.fix_unavailable = Some(reason.to_owned());
        self
    }
}
