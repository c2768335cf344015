//! The operations of plans: those on objects that exist, and creations.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::domain::policy::{DirectoryOperation, RequestFields};

/// The beginning of the id of an object that the plan itself creates; its key follows.
pub const NEW_OBJECT: &str = "new:";

/// Returns the key of an object that the plan itself creates; `None` for the id of an existing one.
#[must_use]
pub fn new_object_key(id: &str) -> Option<&str> {
    id.strip_prefix(NEW_OBJECT)
}

/// The creation of an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type")]
pub enum CreateOperation {
    /// Creates a workspace.
    #[serde(rename = "workspace.create")]
    Workspace {
        /// The body of the workspace's creation.
        #[schema(value_type = RequestFields)]
        workspace: Map<String, Value>,
    },
    /// Creates a user with workspaces and roles.
    #[serde(rename = "user.create")]
    User {
        /// The body of the user's creation.
        #[schema(value_type = RequestFields)]
        user: Map<String, Value>,
    },
}

/// The operation of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum PlanOperation {
    /// Creates an object.
    Create(CreateOperation),
    /// Changes what a user is, has or may do.
    Change(DirectoryOperation),
}

impl PlanOperation {
    /// Returns the name of the operation.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Create(CreateOperation::Workspace { .. }) => "workspace.create",
            Self::Create(CreateOperation::User { .. }) => "user.create",
            Self::Change(operation) => operation.name(),
        }
    }
}

impl From<CreateOperation> for PlanOperation {
    fn from(operation: CreateOperation) -> Self {
        Self::Create(operation)
    }
}

impl From<DirectoryOperation> for PlanOperation {
    fn from(operation: DirectoryOperation) -> Self {
        Self::Change(operation)
    }
}
