//! `[traces]`: the export of spans.

use std::collections::HashMap;
use std::path::PathBuf;

use http::{HeaderName, HeaderValue};
use serde::Deserialize;

/// Settings of traces, exported by OTLP over HTTP.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceSettings {
    /// Collector URL; empty for no traces.
    pub otlp_endpoint: String,
    /// Headers for the collector, comma-separated `NAME=VALUE`. A secret: it may contain a key.
    pub otlp_headers: String,
    /// File with the headers.
    pub otlp_headers_file: PathBuf,
    /// Share of traces started here that are sampled, from 0 to 1.
    pub sample: f64,
}

impl std::fmt::Debug for TraceSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Traces")
            .field("otlp_endpoint", &self.otlp_endpoint)
            .field("sample", &self.sample)
            .finish_non_exhaustive()
    }
}

impl TraceSettings {
    pub(super) fn validate(&self, errors: &mut Vec<String>) {
        if !self.otlp_endpoint.is_empty() {
            super::check_base_url("traces.otlp_endpoint", &self.otlp_endpoint, errors);
        }
        if !(0.0..=1.0).contains(&self.sample) {
            errors.push("traces.sample: must be between 0 and 1".to_owned());
        }
        errors.extend(self.headers().err());
    }

    /// Returns the headers for the collector.
    ///
    /// # Errors
    ///
    /// A sentence with the setting and the fix, never a value.
    pub fn headers(&self) -> Result<HashMap<String, String>, String> {
        let text = super::secret::read(
            "traces.otlp_headers",
            &self.otlp_headers,
            &self.otlp_headers_file,
        )?;
        let entries = text.split([',', '\n']).map(str::trim).filter(|entry| !entry.is_empty());
        let headers = entries.map(|entry| {
            let (name, value) = entry.split_once('=')?;
            let (name, value) = (name.trim(), value.trim());
            let is_good = HeaderName::from_bytes(name.as_bytes()).is_ok()
                && HeaderValue::from_str(value).is_ok();
            is_good.then(|| (name.to_owned(), value.to_owned()))
        });
        let headers: Option<HashMap<_, _>> = headers.collect();
        headers.ok_or_else(|| {
            "traces.otlp_headers: an entry is not a header; use NAME=VALUE, separated by commas"
                .to_owned()
        })
    }
}
