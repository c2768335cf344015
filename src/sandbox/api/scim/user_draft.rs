//! The draft of a user: starts as the current state and receives the attributes of a request. The
//! organization validates it afterwards.

use super::version::ScimVersion;
use crate::sandbox::org::{GridOrganization, PersonUpdate};

/// Kind of a write request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WriteKind {
    /// `POST`
    Create,
    /// `PUT`
    Replace,
    /// `PATCH`
    Patch,
}

/// How a list attribute is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ListMode {
    /// Elements that the request omits stay.
    Merge,
    /// Elements that the request omits are removed.
    Replace,
}

/// The state of a user that a request describes.
#[derive(Debug)]
pub(super) struct UserDraft<'a> {
    /// Organization for the lookup of managers.
    pub(super) org: &'a GridOrganization,
    /// SCIM version of the request.
    pub(super) version: ScimVersion,
    /// Kind of the request.
    pub(super) write_kind: WriteKind,
    /// The resulting state of the user.
    pub(super) update: PersonUpdate,
}
