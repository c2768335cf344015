//! One call of a list. A parameter that the server fails on is left out, also from the calls of later pages.

use http::{HeaderMap, StatusCode};
use url::Url;

use super::ScimConnector;
use super::api::{ScimRequest, ScimResponse};
use super::classify::ScimClassifier;
use super::position::{OmittedParameters, Position, ReadMode};
use crate::connectors::response::{SuccessBody, reject_reserved};
use crate::connectors::{CallContext, ConnectorError};
use crate::domain::account::IntegratedAccount;
use crate::domain::filter::RemoteQuery;
use crate::upstream::{ResponseClass, ResponseClassifier, TokenCheckResponse, TokenStatus};

/// Arguments that callers can't set: they are those of the pages.
const RESERVED: [&str; 3] = ["startIndex", "count", "cursor"];
/// Codes about a filter alone (RFC 7644 §3.12), in lower case.
const FILTER_CODES: [&str; 2] = ["invalidfilter", "toomany"];

/// A list, without its pages.
#[derive(Debug, Clone)]
pub(super) struct ListCall<'q> {
    /// The name of the call.
    pub(super) method: &'static str,
    /// The path below the base URL.
    pub(super) endpoint: &'q str,
    /// The filter.
    pub(super) filter: Option<String>,
    /// The maximum number of rows of a filtered page.
    pub(super) filter_max: Option<u32>,
    /// The name and the value of `attributes` or `excludedAttributes`.
    pub(super) attributes: Option<(&'static str, &'static str)>,
    /// Arguments of the caller.
    pub(super) remote_query: &'q RemoteQuery,
}

/// A response to a list call.
pub(super) struct ListPageResponse {
    /// The body.
    pub(super) body: SuccessBody,
    /// The requested number of rows; `None` where `count` was left out.
    pub(super) count: Option<u32>,
}

impl ListCall<'_> {
    /// Returns the parameters that this call has and others of a caller do not replace.
    fn has(&self, parameter: OmittedParameters) -> bool {
        let is_remote =
            |names: &[&str]| self.remote_query.names().any(|name| names.contains(&name));
        if parameter == OmittedParameters::FILTER {
            self.filter.is_some() && !is_remote(&["filter"])
        } else if parameter == OmittedParameters::ATTRIBUTES {
            self.attributes.is_some() && !is_remote(&["attributes", "excludedAttributes"])
        } else {
            true
        }
    }

    /// Whether a call sends a parameter.
    fn sends(&self, parameter: OmittedParameters, omitted: OmittedParameters) -> bool {
        self.has(parameter) && !omitted.includes(parameter)
    }

    /// Returns the number of rows to request.
    fn count(&self, at: &Position, limit: u16) -> u32 {
        let count = at.count.unwrap_or(limit.into());
        let count = match at.max_count.filter(|_| at.is_page()) {
            Some(max) => count.min(max),
            None => count,
        };
        let max = self.filter_max.filter(|max| *max > 0);
        match max.filter(|_| self.sends(OmittedParameters::FILTER, at.omitted)) {
            Some(max) => count.min(max),
            None => count,
        }
    }

    /// Returns the query of a call.
    fn query(&self, start: u64, count: u32, omitted: OmittedParameters) -> Vec<(&str, String)> {
        let mut query = Vec::new();
        if self.sends(OmittedParameters::START, omitted) {
            query.push(("startIndex", start.to_string()));
        }
        if self.sends(OmittedParameters::COUNT, omitted) {
            query.push(("count", count.to_string()));
        }
        if let Some(filter) = &self.filter
            && self.sends(OmittedParameters::FILTER, omitted)
        {
            query.push(("filter", filter.clone()));
        }
        if let Some((name, value)) = self.attributes
            && self.sends(OmittedParameters::ATTRIBUTES, omitted)
        {
            query.push((name, value.to_owned()));
        }
        query
            .extend(self.remote_query.0.iter().map(|(name, value)| (name.as_str(), value.clone())));
        query
    }

    /// Returns what to leave out after an unsuccessful response, one attempt each.
    fn alternatives(
        &self,
        at: &Position,
        status: StatusCode,
        code: &str,
    ) -> Vec<OmittedParameters> {
        let is_about_parameters = match status {
            StatusCode::INTERNAL_SERVER_ERROR | StatusCode::NOT_IMPLEMENTED => true,
            // The arguments of the caller may be wrong.
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => {
                self.remote_query.0.is_empty()
            }
            _ => false,
        };
        // A list can do without the recount.
        if !is_about_parameters || at.mode == ReadMode::Recount {
            return Vec::new();
        }
        let code = code.to_ascii_lowercase();
        let has_filter = self.sends(OmittedParameters::FILTER, at.omitted);
        if has_filter && !at.is_start() {
            // The indices are those of the filtered list.
            return Vec::new();
        }
        let paging = OmittedParameters::COUNT.with(OmittedParameters::START);
        let others = [OmittedParameters::FILTER, OmittedParameters::ATTRIBUTES].into_iter();
        let others = others.filter(|parameter| self.sends(*parameter, at.omitted));
        let all = others.fold(paging, OmittedParameters::with);
        let mut alternatives = vec![OmittedParameters::FILTER];
        if !(has_filter && FILTER_CODES.contains(&&*code)) {
            alternatives.extend([
                OmittedParameters::ATTRIBUTES,
                OmittedParameters::COUNT,
                OmittedParameters::START,
                paging,
                all,
            ]);
        }
        alternatives.retain(|parameter| {
            let is_single = *parameter != paging && *parameter != all;
            !is_single || self.sends(*parameter, at.omitted)
        });
        let mut alternatives: Vec<_> =
            alternatives.into_iter().map(|parameter| at.omitted.with(parameter)).collect();
        alternatives.retain(|omitted| *omitted != at.omitted);
        alternatives.dedup();
        alternatives
    }
}

/// Classifies server errors as final: a call with fewer parameters is not repeated.
struct OneAttempt;

impl ResponseClassifier for OneAttempt {
    fn classify(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: Option<&[u8]>,
    ) -> ResponseClass {
        let class = ScimClassifier.classify(status, headers, body);
        if class == ResponseClass::ServerError { ResponseClass::Final } else { class }
    }

    fn token_check_url(&self, account: &IntegratedAccount) -> Option<Url> {
        ScimClassifier.token_check_url(account)
    }

    fn token_status(&self, response: &TokenCheckResponse) -> TokenStatus {
        ScimClassifier.token_status(response)
    }
}

impl ScimConnector {
    /// Sends a call of a list. Where the response is too large, fewer rows are requested, also by the calls of later
    /// pages.
    pub(super) async fn call_list(
        &self,
        cx: &CallContext<'_>,
        call: &ListCall<'_>,
        at: &mut Position,
        limit: u16,
    ) -> Result<ListPageResponse, ConnectorError> {
        reject_reserved(cx, call.method, call.remote_query, &RESERVED)?;
        loop {
            let count = call.count(at, limit);
            let response = self.call_with(cx, call, at, limit).await;
            // Rows that were returned before are counted from the first one of the same response.
            let is_page = at.is_page() && at.skip == 0 && !at.ignores_count;
            match response {
                Err(error) if is_page && count > 1 && error.is_too_large() => {
                    at.max_count = Some(count / 2);
                }
                response => return response,
            }
        }
    }

    /// Sends a call of a list. Where the server fails on a parameter, the call is sent again without it, and the
    /// position says so.
    async fn call_with(
        &self,
        cx: &CallContext<'_>,
        call: &ListCall<'_>,
        at: &mut Position,
        limit: u16,
    ) -> Result<ListPageResponse, ConnectorError> {
        let method = call.method;
        let count = call.count(at, limit);
        let first =
            self.call_once(cx, call, (at.start, count, at.omitted), &ScimClassifier).await?;
        let response = |body, omitted: OmittedParameters| ListPageResponse {
            body,
            count: (!omitted.includes(OmittedParameters::COUNT)).then_some(count),
        };
        if first.status.is_success() {
            return Ok(response(first.success(cx, method)?, at.omitted));
        }
        let (status, error) = (first.status, first.error(cx, method));
        drop(first);
        let code = error.code.as_deref().unwrap_or_default();
        for omitted in call.alternatives(at, status, code) {
            let again = self.call_once(cx, call, (at.start, count, omitted), &OneAttempt).await?;
            if !again.status.is_success() {
                continue;
            }
            let body = again.success(cx, method)?;
            at.omitted = omitted;
            if omitted.includes(OmittedParameters::START) {
                // Without an index the response begins with the first row.
                let whole = std::mem::take(at).in_whole_list();
                *at = Position { count: whole.count.or(Some(count)), ..whole };
            }
            return Ok(response(body, omitted));
        }
        Err(error)
    }

    async fn call_once(
        &self,
        cx: &CallContext<'_>,
        call: &ListCall<'_>,
        (start, count, omitted): (u64, u32, OmittedParameters),
        classifier: &dyn ResponseClassifier,
    ) -> Result<ScimResponse, ConnectorError> {
        let query = call.query(start, count, omitted);
        let query: Vec<(&str, &str)> =
            query.iter().map(|(name, value)| (*name, &**value)).collect();
        let request = ScimRequest::get(call.method, std::slice::from_ref(&call.endpoint), &query);
        self.exchange(cx, &request, classifier).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(remote_query: &RemoteQuery) -> ListCall<'_> {
        ListCall {
            method: "scim.users.list",
            endpoint: "Users",
            filter: Some("userName eq \"a\"".to_owned()),
            filter_max: Some(50),
            attributes: Some(("attributes", "roles")),
            remote_query,
        }
    }

    fn names(call: &ListCall<'_>, omitted: OmittedParameters) -> Vec<String> {
        call.query(1, 10, omitted).into_iter().map(|(name, _)| name.to_owned()).collect()
    }

    #[test]
    fn sends_what_is_not_left_out() {
        let none = RemoteQuery::default();
        let all = ["startIndex", "count", "filter", "attributes"];
        assert_eq!(names(&call(&none), OmittedParameters::default()), all);
        let paging = OmittedParameters::COUNT.with(OmittedParameters::START);
        assert_eq!(names(&call(&none), paging), ["filter", "attributes"]);
        let own = RemoteQuery(vec![("filter".to_owned(), "title pr".to_owned())]);
        let expected = ["startIndex", "count", "attributes", "filter"];
        assert_eq!(names(&call(&own), OmittedParameters::default()), expected);
    }

    #[test]
    fn a_filtered_page_has_at_most_the_announced_number_of_rows() {
        let none = RemoteQuery::default();
        let mut at = Position::default();
        assert_eq!(call(&none).count(&at, 1_000), 50);
        assert_eq!(call(&none).count(&at, 10), 10);
        at.omitted = OmittedParameters::FILTER;
        assert_eq!(call(&none).count(&at, 1_000), 1_000);
        at.max_count = Some(250);
        assert_eq!(call(&none).count(&at, 1_000), 250, "more were too large");
        at = Position { count: Some(1_000), ..at.in_whole_list() };
        assert_eq!(call(&none).count(&at, 100), 1_000);
    }

    #[test]
    fn leaves_out_one_parameter_after_the_other() {
        let none = RemoteQuery::default();
        let start = Position::default();
        let tried = |at: &Position, status: u16, code| {
            call(&none).alternatives(at, status.try_into().unwrap(), code).len()
        };
        assert_eq!(tried(&start, 500, "http_500"), 6);
        assert_eq!(tried(&start, 400, "invalidFilter"), 1);
        assert_eq!(tried(&start, 400, "invalidValue"), 6);
        for status in [401, 403, 404, 429, 503] {
            assert_eq!(tried(&start, status, ""), 0, "{status}");
        }
        let later = Position { start: 11, ..Position::default() };
        assert_eq!(tried(&later, 500, "http_500"), 0, "the indices are those of the filter");
        let later = Position { omitted: OmittedParameters::FILTER, ..later };
        assert_eq!(tried(&later, 500, "http_500"), 5);
        let own = RemoteQuery(vec![("sortBy".to_owned(), "x".to_owned())]);
        let rejected = call(&own).alternatives(&start, StatusCode::BAD_REQUEST, "");
        assert!(rejected.is_empty(), "the caller's own argument may be wrong");
    }
}
