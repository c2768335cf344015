//! A request of a visitor: its session, and what the session permits.

use crate::domain::link_page::LinkPage;
use crate::domain::portal::{PortalPermission, PortalView};
use crate::domain::sealed::Digest;
use crate::http::console::view::{PageError, View};
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::AppState;
use crate::store::PortalSession;

/// A request of a visitor.
pub(super) struct Visit {
    /// The services.
    pub(super) state: AppState,
    /// What pages are made from.
    pub(super) view: View,
    /// The branding of the environment.
    pub(super) page: LinkPage,
    /// The session.
    pub(super) session: PortalSession,
    /// The digest of its secret.
    pub(super) session_digest: Digest,
    /// The path of the request.
    pub(super) path: String,
}

impl Visit {
    /// Fails unless the session has a page.
    pub(super) fn check_view(&self, wanted: PortalView) -> Result<(), PageError> {
        if self.session.views.contains(&wanted) {
            return Ok(());
        }
        let detail = "This page is not part of the view that was opened.";
        Err(Problem::new(ProblemKind::InsufficientScope, detail).into())
    }

    /// Fails unless the session has a permission.
    pub(super) fn check_permission(&self, wanted: PortalPermission) -> Result<(), PageError> {
        if self.session.permissions.contains(&wanted) {
            return Ok(());
        }
        let detail = format!("The view was opened without the permission `{wanted}`.");
        Err(Problem::new(ProblemKind::InsufficientScope, detail).into())
    }
}
