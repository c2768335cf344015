//! What is sent to a provider, and how its answers are to be read.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use url::Url;
use zeroize::Zeroizing;

use super::answer::Verdict;
use super::payload::OneWay;
use crate::limit::Rate;
use crate::vault::secret::AccessToken;

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

/// How a provider's answers are to be read, as far as sending needs to know.
pub trait Dialect: Send + Sync {
    /// Reads an answer. `body` is the whole body where it was short enough to look at.
    fn verdict(&self, status: StatusCode, headers: &HeaderMap, body: Option<&[u8]>) -> Verdict;

    /// Where a GET that changes nothing tells whether a token lives, which a refusal alone does not.
    fn trial_url(&self) -> Option<&Url>;
}

/// A token as the header `authorization` has it; `None` when it can't stand in a header.
pub(super) fn bearer(token: &AccessToken) -> Option<HeaderValue> {
    let text = Zeroizing::new(format!("Bearer {}", token.expose_secret()));
    let mut bearer = HeaderValue::try_from(text.as_str()).ok()?;
    bearer.set_sensitive(true);
    Some(bearer)
}
