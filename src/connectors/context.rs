//! What a connector is given for one request.

use http::HeaderMap;

use super::error::{ConnectorError, Kind};
use super::paging::Trail;
use super::unreadable_rows::UnreadableRows;
use crate::domain::account::IntegratedAccount;
use crate::store::UsedBy;
use crate::upstream::{Answer, CallOptions, Dialect, ProviderRequest, Upstream};

/// Whose directory is read, and the way out.
#[derive(Debug, Clone, Copy)]
pub struct CallContext<'a> {
    /// The account.
    pub account: &'a IntegratedAccount,
    /// The way out.
    pub upstream: &'a Upstream,
    /// What the caller wants of each call.
    pub options: CallOptions<'a>,
    /// Whether the provider's objects are wanted beside the unified ones.
    pub wants_remote: bool,
    /// Where rows are noted that can't be read.
    pub unreadable_rows: &'a UnreadableRows,
    /// For whom the account's token is used, and where that is written down.
    pub used_by: UsedBy<'a>,
}

impl CallContext<'_> {
    /// Sends a call and reads the whole answer.
    ///
    /// # Errors
    ///
    /// When there is no answer; reading what the answer says is the connector's.
    pub async fn fetch(
        &self,
        request: Box<ProviderRequest>,
        dialect: &dyn Dialect,
    ) -> Result<Box<Answer>, ConnectorError> {
        let name = request.name.clone();
        let using = self.used_by.begin(name.clone());
        // Apart: a connector's own futures hold several of these.
        let call = self.upstream.fetch(self.account, request, dialect, self.options);
        let answer = Box::pin(call).await;
        using.end(answer.as_ref().ok().map(|answer| answer.status.as_u16()));
        answer.map_err(|error| ConnectorError::unanswered(self.account.provider, name, error))
    }

    /// An error of a call of this context's provider.
    pub(super) fn error(
        &self,
        method: impl Into<std::borrow::Cow<'static, str>>,
        kind: Kind,
    ) -> ConnectorError {
        ConnectorError::new(self.account.provider, method, kind)
    }

    /// The error of a response that can't be used; `odd` names what is odd about it.
    pub(super) fn unreadable(
        &self,
        method: impl Into<std::borrow::Cow<'static, str>>,
        odd: impl Into<String>,
    ) -> ConnectorError {
        self.error(method, Kind::Trouble).with_odd(odd)
    }

    /// Goes on to the next page of a list that this request reads to its end.
    pub(crate) fn go_on(
        &self,
        method: &'static str,
        trail: &mut Trail,
        next: &str,
    ) -> Result<(), ConnectorError> {
        trail.step_in_request(next).map_err(|endless| self.unreadable(method, endless.reason()))
    }
}

/// A header's value as text.
pub(super) fn header_text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}
