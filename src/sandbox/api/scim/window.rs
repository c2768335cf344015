//! Pages of SCIM: counted from one, ten unless more is asked for, a thousand at most.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::version::{Schema, Trouble, Version};

const DEFAULT: usize = 10;
const MOST: usize = 1_000;

/// The part of a list that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    /// Number of the first one, from one.
    start: usize,
    /// At most so many.
    count: usize,
}

impl Window {
    /// Reads `startIndex` and `count`.
    pub(super) fn read(query: &HashMap<String, String>) -> Result<Self, Trouble> {
        let number = |name: &str, default: usize| match query.get(name) {
            None => Ok(default),
            Some(text) => {
                let number: i64 = text.trim().parse().map_err(|_| Trouble::bad("invalid_query"))?;
                Ok(usize::try_from(number).unwrap_or(0))
            }
        };
        let order = query.get("sortOrder").map(|order| order.to_ascii_lowercase());
        if order.is_some_and(|order| order != "ascending" && order != "descending") {
            return Err(Trouble::bad("invalid_sort_order"));
        }
        let start = number("startIndex", 1)?.max(1);
        Ok(Self { start, count: number("count", DEFAULT)?.min(MOST) })
    }

    /// The part of a list.
    pub(super) fn cut<T>(self, list: impl Iterator<Item = T>) -> Vec<T> {
        list.skip(self.start - 1).take(self.count).collect()
    }
}

/// A page as an answer.
pub(super) fn list_answer(
    version: Version,
    window: Window,
    total: usize,
    resources: &[Value],
) -> Value {
    json!({
        "schemas": [version.urn(Schema::List)],
        "totalResults": total,
        "itemsPerPage": resources.len(),
        "startIndex": window.start,
        "Resources": resources,
    })
}
