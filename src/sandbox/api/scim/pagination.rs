//! Pagination of SCIM lists: one-based, ten by default, at most a thousand.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::version::{ScimError, ScimSchema, ScimVersion};

const DEFAULT_COUNT: usize = 10;
const MAX_COUNT: usize = 1_000;

/// Requested page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ListWindow {
    /// One-based index of the first element.
    start: usize,
    /// Maximum number of elements.
    count: usize,
}

impl ListWindow {
    /// Parses `startIndex` and `count`.
    pub(super) fn parse(query: &HashMap<String, String>) -> Result<Self, ScimError> {
        let number = |name: &str, default: usize| match query.get(name) {
            None => Ok(default),
            Some(text) => {
                let number: i64 =
                    text.trim().parse().map_err(|_| ScimError::bad_request("invalid_query"))?;
                Ok(usize::try_from(number).unwrap_or(0))
            }
        };
        let order = query.get("sortOrder").map(|order| order.to_ascii_lowercase());
        if order.is_some_and(|order| order != "ascending" && order != "descending") {
            return Err(ScimError::bad_request("invalid_sort_order"));
        }
        let start = number("startIndex", 1)?.max(1);
        Ok(Self { start, count: number("count", DEFAULT_COUNT)?.min(MAX_COUNT) })
    }

    /// Returns the elements of the page.
    pub(super) fn slice<T>(self, list: impl Iterator<Item = T>) -> Vec<T> {
        list.skip(self.start - 1).take(self.count).collect()
    }
}

/// Returns a list response.
pub(super) fn list_response(
    version: ScimVersion,
    window: ListWindow,
    total: usize,
    resources: &[Value],
) -> Value {
    json!({
        "schemas": [version.urn(ScimSchema::List)],
        "totalResults": total,
        "itemsPerPage": resources.len(),
        "startIndex": window.start,
        "Resources": resources,
    })
}
