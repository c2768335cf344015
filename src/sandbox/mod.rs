//! A Slack Enterprise Grid organization in memory that speaks Slack's API over HTTP.
//!
//! It is what Switchboard is tried and judged against, so it shares nothing with the connector:
//! what it knows of Slack it knows from Slack's pages. Of the rest of the program it uses the
//! clock alone. State and rules stand apart from HTTP:
//!
//! | part | what it is |
//! | --- | --- |
//! | [`org`] | accounts, workspaces, system roles, groups |
//! | `seed` | makes up an organization, the same one for the same seed |
//! | `grants`, `apps` | apps, installations, codes, tokens and their rotation |
//! | `limits`, `cursor`, `faults`, `journal` | the provider's pace, pages, accidents and memory |
//! | `history`, `audit` | what happened in the organization |
//! | `events` | tells apps what happened: the Events API, outwards |
//! | `api` | the HTTP skin: Web API, SCIM, audit logs, OAuth, `/_sandbox`, and a page at `/` |
//!
//! A new method of the Web API is one entry in a table of `api/web`.

mod api;
mod apps;
mod audit;
mod busy;
mod cursor;
mod events;
mod faults;
mod files;
mod grants;
mod handle;
mod history;
mod journal;
mod limits;
mod locks;
mod options;
pub mod org;
mod seed;

pub use api::router;
pub use apps::{App, DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, Redirects};
pub use events::{
    DEFAULT_SIGNING_SECRET, Deliveries, Delivery, Subscription, SubscriptionError,
    SubscriptionRequest,
};
pub use faults::{Fault, FaultKind, FaultStatus};
pub use files::{Content, File, Stage};
pub use grants::{Install, OAuthError, TokenKind, TokenPair};
pub use handle::{Sandbox, State};
pub use journal::{Request, Requests};
pub use limits::{Pace, Tier};
pub use options::{Options, SandboxError};
