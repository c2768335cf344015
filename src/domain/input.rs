//! What came of a wish.

use serde::Serialize;
use utoipa::ToSchema;

/// What came of a write that the provider answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    /// It was done.
    Done,
    /// It was so already.
    Already,
}
