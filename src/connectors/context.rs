//! The context of a connector's calls within one request.

use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderMap;

use super::error::{ConnectorError, ErrorKind};
use super::paging::PageHistory;
use super::unreadable_rows::UnreadableRows;
use crate::domain::account::IntegratedAccount;
use crate::store::UsageContext;
use crate::upstream::{
    CallOptions, ProviderRequest, ProviderResponse, ResponseClassifier, Upstream,
};

/// The account whose directory is accessed, and the client for provider calls.
#[derive(Debug, Clone, Copy)]
pub struct CallContext<'a> {
    /// The account.
    pub account: &'a IntegratedAccount,
    /// The client for provider calls.
    pub upstream: &'a Upstream,
    /// Options of each call.
    pub options: CallOptions<'a>,
    /// Whether the provider's objects are included beside the unified ones.
    pub include_remote: bool,
    /// Collects unreadable rows.
    pub unreadable_rows: &'a UnreadableRows,
    /// The usage log of the account's token.
    pub usage: UsageContext<'a>,
    /// Counts the calls.
    pub call_count: Option<&'a AtomicU64>,
}

impl CallContext<'_> {
    /// Sends a request and reads the whole response.
    ///
    /// # Errors
    ///
    /// When there is no response. Parsing and classifying the response is the connector's task.
    pub async fn fetch(
        &self,
        request: Box<ProviderRequest>,
        dialect: &dyn ResponseClassifier,
    ) -> Result<Box<ProviderResponse>, ConnectorError> {
        let name = request.name.clone();
        let using = self.usage.begin(name.clone());
        if let Some(count) = self.call_count {
            count.fetch_add(1, Ordering::Relaxed);
        }
        // Boxed: a connector's own futures hold several of these.
        let call = self.upstream.fetch(self.account, request, dialect, self.options);
        let response = Box::pin(call).await;
        using.finish(response.as_ref().ok().map(|response| response.status.as_u16()));
        response.map_err(|error| ConnectorError::from_upstream(self.account.provider, name, error))
    }

    /// Returns an error of this context's provider.
    pub(super) fn error(
        &self,
        method: impl Into<std::borrow::Cow<'static, str>>,
        kind: ErrorKind,
    ) -> ConnectorError {
        ConnectorError::new(self.account.provider, method, kind)
    }

    /// Returns the error of an invalid response; `odd` names the defect.
    pub(super) fn invalid_response(
        &self,
        method: impl Into<std::borrow::Cow<'static, str>>,
        odd: impl Into<String>,
    ) -> ConnectorError {
        self.error(method, ErrorKind::ProviderError).with_defect(odd)
    }

    /// Adds the next page of a list to its history; fails when the list repeats or is too long for one request.
    pub(crate) fn advance(
        &self,
        method: &'static str,
        trail: &mut PageHistory,
        next: &str,
    ) -> Result<(), ConnectorError> {
        trail
            .visit_in_request(next)
            .map_err(|endless| self.invalid_response(method, endless.reason()))
    }
}

/// Returns a header's value as text.
pub(super) fn header_text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}
