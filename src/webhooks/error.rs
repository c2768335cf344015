//! Errors of the deliveries.

use crate::store::StoreError;
use crate::vault::{CipherError, SignatureError};

/// Why deliveries could not be made. What an endpoint returns is not an error: it is recorded with the delivery.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The secrets of the endpoint can't be opened.
    #[error("the secrets of the webhook can't be opened")]
    Secrets(#[from] CipherError),
    /// A delivery can't be signed.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// An event can't be written as JSON.
    #[error("an event can't be written as JSON")]
    Event(#[from] serde_json::Error),
    /// A task ended early.
    #[error("a task ended early")]
    Task(#[from] tokio::task::JoinError),
}
