//! The envelopes of every answer.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::input::Done;
use crate::domain::page::Page;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct List<T> {
    /// The rows. A page may be short, or empty, and still have a `next_cursor`.
    pub result: Vec<T>,
    /// Ask for the next page with it; `null` at the end.
    pub next_cursor: Option<String>,
    /// Always `null`: providers page forward only.
    pub prev_cursor: Option<String>,
    /// The most rows that were asked for.
    pub limit: u16,
    /// How many rows there are in this page.
    pub result_count: usize,
}

/// A single thing.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Item<T> {
    /// The thing.
    pub result: T,
}

/// What came of a change that leaves nothing to show.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Written {
    /// What was changed.
    pub id: String,
    /// Whether it was done now or was so already.
    pub outcome: Done,
}

impl<T> List<T> {
    /// A page in its envelope.
    pub(in crate::http) fn of(page: Page<T, String>, limit: u16) -> Self {
        Self {
            result_count: page.items.len(),
            result: page.items,
            next_cursor: page.next,
            prev_cursor: None,
            limit,
        }
    }
}
