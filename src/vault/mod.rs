//! Secrets: their types, the envelope encryption, and keeping a grant fresh.
//!
//! A provider's token or client secret leaves this folder as a type of [`secret`] only, and
//! `expose_secret` is called here and in `upstream` alone; the architecture test counts.

mod ahead;
mod asked;
mod cipher;
mod conclusion;
mod destination;
mod failure;
mod flights;
mod fresh;
mod inspection;
mod issue;
mod key_issuer;
mod mac;
mod pause;
mod permits;
mod rebinding;
mod refresh;
mod renewal;
mod rotation;
pub mod secret;
mod tokens;

pub use ahead::{Ahead, Looked};
pub use cipher::{Binding, CipherError, DataKey, InvalidMasterKeys, MasterKeys};
pub use destination::Destination;
pub use failure::{Outage, RefreshFailure, TokenError};
pub use fresh::Fresh;
pub use inspection::Inspected;
pub use issue::{IssuedSecret, issue};
pub use key_issuer::KeyIssuer;
pub use mac::{Signer, verify_hmac};
pub use refresh::Tokens;
pub use renewal::{Refresher, Renewal};
pub use rotation::{Rotated, RotationError, Told};
pub use tokens::{Grant, SealedApp, Vault};
