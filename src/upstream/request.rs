//! What is sent to a provider, and how its answers are to be read.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri};
use tokio::time::Instant;
use url::Url;

use super::answer::Verdict;
use super::payload::OneWay;
use super::trial::TrialAnswer;
use crate::domain::account::IntegratedAccount;
use crate::limit::{Class, Meter, Rate};
use crate::telemetry::Span;

/// Whether a call may be repeated after an answer that leaves open what happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Safety {
    /// It changes nothing, or twice is as good as once.
    Repeatable,
    /// Twice would be twice.
    Once,
}

/// A budget at the provider that a call takes from.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    /// The provider's name for it: a method, or a set of them.
    pub bucket: Cow<'static, str>,
    /// Its pace.
    pub rate: Rate,
    /// Whether the provider counts each client by itself, or all clients of an organization together.
    pub per_app: bool,
}

/// The body of a request.
#[derive(Debug)]
pub enum RequestBody {
    /// None.
    Empty,
    /// One that can be sent again.
    Bytes(Bytes),
    /// One that passes through once.
    Stream(OneWay),
}

/// Which of an account's tokens a call carries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Carried {
    /// The one for calls.
    #[default]
    AccessToken,
    /// The one for refreshes, for a call that gives it back. An account without one makes no such call.
    RefreshToken,
}

/// A call to a provider, without its token. It is handed on in a box, as answers are.
#[derive(Debug)]
pub struct ProviderRequest {
    /// What the provider calls it: for logs, problems and metrics.
    pub name: Cow<'static, str>,
    /// The HTTP method.
    pub method: Method,
    /// Where it goes.
    pub uri: Uri,
    /// Headers, without `authorization`.
    pub headers: HeaderMap,
    /// The body.
    pub body: RequestBody,
    /// The budgets it takes from; the first one is blocked when the provider answers 429.
    pub budgets: Vec<Budget>,
    /// Whether it may be repeated.
    pub safety: Safety,
    /// Which token it carries.
    pub carried: Carried,
}

/// What a caller wants of one call.
#[derive(Debug, Clone, Copy)]
pub struct CallOptions<'a> {
    /// Until when it may wait: for permits, a refresh of the token, and pauses between attempts. An attempt that is
    /// under way then goes on; none begins after it but the first.
    pub wait_until: Instant,
    /// Who waits for it.
    pub class: Class,
    /// Where to note what is left of the budgets it takes from.
    pub meter: Option<&'a Meter>,
    /// What it is a part of.
    pub span: &'a Span,
}

/// What the known path of an account, which works with every valid grant, says of its access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// The token is valid: what was refused is not for it.
    Valid,
    /// The provider itself says that it is invalid, with this code.
    Invalid(&'static str),
    /// It was refused, for a reason that a valid token can meet as well: an address that is not admitted.
    Refused(&'static str),
    /// The response is not the provider's word on the token: a page of a firewall, a server error, silence.
    Unknown,
}

/// How a provider's answers are to be read, as far as sending needs to know.
pub trait Dialect: Send + Sync {
    /// Reads an answer. `body` is the whole body where it was short enough to look at.
    fn verdict(&self, status: StatusCode, headers: &HeaderMap, body: Option<&[u8]>) -> Verdict;

    /// The known path of an account: a GET that changes nothing, works with every valid grant, and holds
    /// nothing that a caller chose. `None` when the account has none.
    fn trial_url(&self, account: &IntegratedAccount) -> Option<Url>;

    /// Reads the response of the known path.
    fn validity(&self, trial: &TrialAnswer) -> Validity;
}
