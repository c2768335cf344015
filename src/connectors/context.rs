//! What a connector is given for one request.

use std::time::Duration;

use http::{HeaderMap, header};

use super::error::{ConnectorError, Kind};
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
}

/// A header's value as text.
pub(super) fn header_text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// The longest pause that a provider is believed to want; after it, it is asked again.
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// How long a provider wants to be left alone, in seconds (RFC 9110 §10.2.3).
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = header_text(headers, header::RETRY_AFTER.as_str())?.trim();
    // More than a number holds is as long as can be.
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let pause = text.parse().map_or(LONGEST_PAUSE, Duration::from_secs);
    is_number.then(|| pause.min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_a_number_of_seconds_and_an_hour_at_the_most() {
        let rows = [
            ("7", Some(7)),
            (" 60 ", Some(60)),
            ("3601", Some(3_600)),
            ("18446744073709551615", Some(3_600)),
            ("99999999999999999999999", Some(3_600)),
            ("", None),
            ("-1", None),
            ("Fri, 31 Dec 1999 23:59:59 GMT", None),
        ];
        for (text, seconds) in rows {
            let headers = HeaderMap::from_iter([(header::RETRY_AFTER, text.parse().unwrap())]);
            assert_eq!(retry_after(&headers), seconds.map(Duration::from_secs), "{text:?}");
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
