//! A Slack Enterprise Grid organization in memory that speaks Slack's API over HTTP.
//!
//! Switchboard is tested against it, so it shares nothing with the connector: its behavior follows
//! Slack's documentation. Of the rest of the program it uses only the clock. State and rules are
//! separate from HTTP:
//!
//! | part | contents |
//! | --- | --- |
//! | [`org`] | accounts, workspaces, system roles, groups |
//! | `seed` | generates an organization; the same seed gives the same one |
//! | `grants`, `apps` | apps, installations, codes, tokens and their rotation |
//! | `limits`, `cursor`, `faults`, `request_log` | rate limits, cursors, fault injection, request log |
//! | `change_log`, `audit` | changes of the organization and their audit log entries |
//! | `events` | Events API: delivers events to the apps' request URLs |
//! | `churn` | generated changes at a constant rate |
//! | `api` | HTTP layer: Web API, SCIM, audit logs, OAuth, `/_sandbox`, and HTML pages |
//!
//! A new method of the Web API is one entry in a table of `api/web`.

mod api;
mod apps;
mod audit;
mod change_log;
mod churn;
mod cursor;
mod events;
mod faults;
mod files;
mod grants;
mod instance;
mod limits;
mod locks;
mod options;
pub mod org;
mod request_log;
mod resource_locks;
mod seed;

pub use api::router;
pub use apps::{DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, Redirects, SlackApp};
pub use churn::{ChurnError, ChurnKind, ChurnRequest, ChurnStatus};
pub use events::{
    DEFAULT_SIGNING_SECRET, Delivery, DeliveryLog, EventFaultStatus, EventFaults, Subscription,
    SubscriptionError, SubscriptionRequest,
};
pub use faults::{Fault, FaultKind, FaultStatus};
pub use files::{FileDigest, FileStatus, UploadedFile};
pub use grants::{InstallTarget, OAuthErrorCode, SlackTokenType, TokenPair};
pub use instance::{Sandbox, SandboxStats};
pub use limits::{RateLimit, Tier};
pub use options::{SandboxError, SandboxOptions};
pub use request_log::{RecordedRequest, RequestLogView};
