//! Signs and verifies the cursors of the environment's own lists. A cursor is opaque and valid for one list with one
//! filter.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use super::problem::{Problem, ProblemKind};
use crate::store::Caller;
use crate::vault::Signer;

/// The cursors of one list.
pub(super) struct Cursors<'a> {
    signer: &'a Signer,
    context: String,
}

impl<'a> Cursors<'a> {
    /// Returns the cursors of a list, bound to the caller and the filter.
    pub(super) fn of(
        signer: &'a Signer,
        caller: &Caller,
        list: &'static str,
        filter: &impl Debug,
    ) -> Self {
        let Caller { environment_id, account_id, .. } = caller;
        let context = format!("{environment_id}\n{list}\n{account_id:?}\n{filter:?}");
        Self { signer, context }
    }

    /// Returns the signed cursor of a position.
    pub(super) fn seal(&self, position: &impl Display) -> String {
        self.signer.seal(&self.context, position.to_string().as_bytes())
    }

    /// Verifies a cursor and returns its position.
    ///
    /// # Errors
    ///
    /// `invalid_cursor` if it was not issued for this list.
    pub(super) fn open<T: FromStr>(&self, cursor: &str) -> Result<T, Problem> {
        let position = self.signer.open(&self.context, cursor);
        position.and_then(|position| std::str::from_utf8(&position).ok()?.parse().ok()).ok_or_else(
            || {
                Problem::new(
                    ProblemKind::InvalidCursor,
                    "The cursor was not issued for this list and filter.",
                )
                .with_error("next_cursor", "was not issued for this list and filter")
            },
        )
    }
}
