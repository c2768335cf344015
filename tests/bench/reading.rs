//! Reads a list to its end, page by page, and measures it.

use std::time::Instant;

use anyhow::Context as _;
use reqwest::RequestBuilder;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Result of reading a list once.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reading {
    pub(crate) rows: usize,
    pub(crate) pages: usize,
    pub(crate) seconds: f64,
    pub(crate) cpu_s: f64,
}

/// A page of a provider or of the gateway, whose rows are not parsed.
#[derive(Debug, Deserialize)]
pub(crate) struct ListPage<'a> {
    #[serde(borrow, alias = "users")]
    pub(crate) result: Vec<&'a RawValue>,
    next_cursor: Option<String>,
    #[serde(default)]
    response_metadata: Metadata,
}

#[derive(Debug, Default, Deserialize)]
struct Metadata {
    next_cursor: String,
}

impl Reading {
    /// Reads all pages. Adds the time of the requests, without that of parsing the pages.
    pub(crate) async fn all(
        &mut self,
        request: impl Fn(&str) -> RequestBuilder,
    ) -> anyhow::Result<()> {
        let mut cursor = String::new();
        loop {
            // Slack's cursors end with equals signs.
            let encoded = cursor.replace('=', "%3D");
            let began = Instant::now();
            let bytes = request(&encoded).send().await?.error_for_status()?.bytes().await?;
            self.seconds += began.elapsed().as_secs_f64();
            let page: ListPage<'_> = serde_json::from_slice(&bytes).with_context(|| {
                String::from_utf8_lossy(&bytes).chars().take(200).collect::<String>()
            })?;
            self.rows += page.result.len();
            self.pages += 1;
            let ListPage { next_cursor, response_metadata, .. } = page;
            cursor = next_cursor.unwrap_or(response_metadata.next_cursor);
            if cursor.is_empty() {
                return Ok(());
            }
        }
    }

    /// Returns the rows per second.
    pub(crate) fn rate(self) -> f64 {
        as_f64(self.rows) / self.seconds
    }
}

/// Returns the reading of median duration.
pub(crate) fn median(mut readings: Vec<Reading>) -> Reading {
    readings.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    readings.get(readings.len() / 2).copied().unwrap_or_default()
}

/// Returns a number that is not large as a floating point number.
pub(crate) fn as_f64(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}
