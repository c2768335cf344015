//! Cursors of the environment's own lists: opaque, signed, and good for one list with one filter only.

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
    /// Those of the list of that name, as this caller sees it with this filter.
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

    /// The cursor behind a position.
    pub(super) fn seal(&self, position: &impl Display) -> String {
        self.signer.seal(&self.context, position.to_string().as_bytes())
    }

    /// The position of a cursor of this list.
    pub(super) fn open<T: FromStr>(&self, cursor: &str) -> Result<T, Problem> {
        let position = self.signer.open(&self.context, cursor);
        position.and_then(|position| std::str::from_utf8(&position).ok()?.parse().ok()).ok_or_else(
            || {
                Problem::new(ProblemKind::InvalidCursor, "The cursor is not one of this list.")
                    .at("next_cursor", "is not a cursor of this list")
            },
        )
    }
}
