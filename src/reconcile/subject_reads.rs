//! What is read of a subject before and after its steps.

use serde_json::{Map, Value};

use crate::connectors::Connector;
use crate::domain::policy::DirectoryOperation;
use crate::domain::reconciliation::PlanOperation;
use crate::domain::reported_change::Subject;
use crate::store::StoredStep;
use crate::sync::UserRead;

/// What is read of a user: what the steps change.
pub(super) struct SubjectReads {
    with_roles: bool,
    /// The fields that the steps change, if the profile alone shows all changes.
    fields: Option<Vec<String>>,
}

impl SubjectReads {
    /// Returns the reads for steps about one subject.
    pub(super) fn of<'s>(
        connector: &dyn Connector,
        steps: impl Iterator<Item = &'s StoredStep>,
    ) -> Self {
        let mut reads = Self { with_roles: false, fields: Some(Vec::new()) };
        for StoredStep { step, .. } in steps {
            reads.with_roles |= changes_roles(&step.operation, &step.before);
            let names = profile_fields(connector, &step.operation, &step.before, &step.after);
            reads.fields = reads.fields.zip(names).map(|(all, names)| [all, names].concat());
        }
        reads
    }

    /// Returns how much of a user is read.
    pub(super) fn user(&self) -> UserRead<'_> {
        match &self.fields {
            _ if self.with_roles => UserRead::WithRoles,
            Some(names) => UserRead::Fields(names),
            None => UserRead::Whole,
        }
    }
}

/// Returns the fields that an operation changes, if a user's profile alone shows the change.
pub(super) fn profile_fields(
    connector: &dyn Connector,
    operation: &PlanOperation,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
) -> Option<Vec<String>> {
    let PlanOperation::Change(DirectoryOperation::UpdateUser { changes, .. }) = operation else {
        return None;
    };
    let profiles = connector.profiles()?;
    let is_blank = |values: &Map<String, Value>, name: &str| {
        values.get(name).is_none_or(|value| value.is_null() || value == "")
    };
    let names = changes.keys().chain(after.keys());
    let is_shown = names.clone().all(|name| {
        profiles.has_field(name, is_blank(before, name))
            && profiles.has_field(name, is_blank(after, name))
    });
    is_shown.then(|| names.cloned().collect())
}

/// Whether the roles of a person are read before and after an operation: it is about roles, or takes some with what it
/// is about, as its values before say.
pub(super) fn changes_roles(operation: &PlanOperation, before: &Map<String, Value>) -> bool {
    match operation {
        PlanOperation::Create(_) => false,
        PlanOperation::Change(operation) => match operation {
            DirectoryOperation::GrantRole { .. } | DirectoryOperation::RevokeRole { .. } => true,
            DirectoryOperation::UpdateUser { changes, .. } => changes.contains_key("user_type"),
            DirectoryOperation::RemoveWorkspaceMember { .. }
            | DirectoryOperation::DeactivateUser { .. } => before.contains_key("roles"),
            DirectoryOperation::AddWorkspaceMember { .. }
            | DirectoryOperation::AddGroupMember { .. }
            | DirectoryOperation::RemoveGroupMember { .. }
            | DirectoryOperation::ExpireUser { .. } => false,
        },
    }
}

/// Returns the object that is read for an operation.
pub(super) fn object_of(operation: &DirectoryOperation) -> Subject {
    match operation {
        DirectoryOperation::AddGroupMember { group_id, .. }
        | DirectoryOperation::RemoveGroupMember { group_id, .. } => {
            Subject::Group(group_id.clone())
        }
        DirectoryOperation::UpdateUser { user_id, .. }
        | DirectoryOperation::GrantRole { user_id, .. }
        | DirectoryOperation::RevokeRole { user_id, .. }
        | DirectoryOperation::AddWorkspaceMember { user_id, .. }
        | DirectoryOperation::RemoveWorkspaceMember { user_id, .. }
        | DirectoryOperation::DeactivateUser { user_id }
        | DirectoryOperation::ExpireUser { user_id, .. } => Subject::User(user_id.clone()),
    }
}
