//! Secrets: their types, envelope encryption, and refreshed access tokens.
//!
//! A provider's token or client secret leaves this folder as a type of [`secret`] only, and
//! `expose_secret` is called here and in `upstream` alone; the architecture test counts.

mod access_token_lease;
mod access_tokens;
mod backoff;
mod cipher;
mod destination;
mod error;
mod hmac_signer;
mod in_doubt;
mod issued_secret;
mod key_issuer;
mod key_report;
mod proactive_refresh;
mod rebinding;
mod refresh;
mod refresh_permits;
mod refresh_request;
mod refresh_response;
mod refresh_result;
mod refresh_single_flight;
mod renewal;
mod rotation;
mod sealing;
pub mod secret;
mod webhook_secrets;
mod webhook_signature;

pub use access_token_lease::AccessTokenLease;
pub use access_tokens::AccessTokens;
pub use cipher::{CipherError, DataKey, InvalidMasterKeys, MasterKeys, RowBinding};
pub use destination::Destination;
pub use error::{EndpointFailure, RefreshFailure, TokenError};
pub use hmac_signer::{Signer, verify_hmac};
pub use issued_secret::{IssuedSecret, issue};
pub use key_issuer::KeyIssuer;
pub use key_report::KeyReport;
pub use proactive_refresh::{RefreshPass, RefreshScheduler};
pub use refresh_response::{RefreshResponse, Refresher};
pub use renewal::{CustomerClient, Renewal, SecretPlacement};
pub use rotation::{RotationError, RotationProgress, RotationReport};
pub use sealing::{Grant, SealedAppSecrets, Vault};
pub use webhook_signature::{SignatureError, webhook_signature};
