//! Stored responses: their retention, encryption, and what marks those without secrets or resources.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::http::problem::Problem;
use crate::http::state::AppState;
use crate::store::{IdempotencyKey, SealedResponse, TenantDb};

/// How long a key and its response are stored.
pub(super) const RETENTION: Duration = Duration::from_hours(24);
/// Marks a stored response without its resource; never sent.
pub(super) const RESOURCE_MISSING: &str = "switchboard-unread";

/// Marks a response with a secret that is shown once: it is not stored.
#[derive(Debug, Clone)]
pub(in crate::http) struct SecretShownOnce(
    /// The id of the credential.
    pub(in crate::http) String,
);

/// Marks a response whose resource could not be read after the change.
#[derive(Debug, Clone)]
pub(in crate::http) struct ReadResourceAgain {
    /// The path of the resource, or of a list that has it as its first row.
    pub(in crate::http) path: String,
    /// The status of the response with the resource.
    pub(in crate::http) status: StatusCode,
}

/// A stored response without its resource.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredWithoutResource {
    pub(super) path: String,
    status: u16,
    pub(super) body: Box<RawValue>,
}

impl StoredWithoutResource {
    /// Returns this response together with the path of its resource, for storage.
    pub(super) fn of(again: &ReadResourceAgain, text: &str) -> Option<String> {
        let body = RawValue::from_string(text.to_owned()).ok()?;
        let unread = Self { path: again.path.clone(), status: again.status.as_u16(), body };
        serde_json::to_string(&unread).ok()
    }

    /// Returns the response with the resource of another one.
    pub(super) fn with_resource(&self, read: &str) -> Option<(StatusCode, String)> {
        let read: BTreeMap<String, Box<RawValue>> = serde_json::from_str(read).ok()?;
        let result = read.get("result")?;
        let object = match serde_json::from_str::<Vec<Box<RawValue>>>(result.get()) {
            Ok(rows) => rows.into_iter().next()?,
            Err(_) => result.clone(),
        };
        let mut body: BTreeMap<String, Box<RawValue>> =
            serde_json::from_str(self.body.get()).ok()?;
        body.insert("result".to_owned(), object);
        // The warnings about the missing resource no longer apply.
        match read.get("warnings") {
            Some(warnings) => body.insert("warnings".to_owned(), warnings.clone()),
            None => body.remove("warnings"),
        };
        let status = StatusCode::from_u16(self.status).ok()?;
        Some((status, to_raw_value(&body).ok()?.get().to_owned()))
    }
}

/// Encrypts a response for storage.
pub(super) fn seal_response(
    state: &AppState,
    db: &TenantDb,
    key: &IdempotencyKey,
    (status, headers, text): (StatusCode, Vec<(String, String)>, &str),
) -> Result<SealedResponse, Problem> {
    let (data_key, body) = state.vault.seal_response(db.environment_id(), key, text)?;
    let status = i16::try_from(status.as_u16()).unwrap_or_default();
    Ok(SealedResponse { status, headers, data_key, body })
}
