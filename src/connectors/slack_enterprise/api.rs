//! Calls of the Web API and of SCIM: builds requests, sends them, and turns failures into errors.

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::value::RawValue;
use url::form_urlencoded;

use super::SlackConnector;
use super::error;
use super::wire::{AdminUser, AdminUsersList, ResponseEnvelope, ResponseMetadata, ScimFailure};
use crate::connectors::context::header_text;
use crate::connectors::paging::EndlessList;
use crate::connectors::parse::parse;
pub(super) use crate::connectors::response::{
    SuccessBody, not_found_as_none, parse_object, reject_reserved, unavailable_as_none,
};
use crate::connectors::rows::{ResponseRows, reject_excess_rows};
use crate::connectors::{CallContext, ConnectorError, ErrorKind};
use crate::domain::filter::RemoteQuery;
use crate::upstream::{ProviderRequest, RequestBody, RequestToken};

/// The header with Slack's request id.
const REQUEST_ID: &str = "x-slack-req-id";

/// A response, and its error if `ok` is false.
type WebResponse = (SuccessBody, Option<ConnectorError>);

/// The arguments of a page request.
#[derive(Debug, Clone, Copy)]
pub(super) struct PageArguments<'a> {
    /// The cursor; empty for the first page.
    pub(super) cursor: &'a str,
    /// The maximum number of rows.
    pub(super) max_rows: usize,
}

/// A SCIM call.
struct ScimCall<'a> {
    method: &'static str,
    verb: Method,
    version: &'a str,
    path: &'a str,
    query: &'a [(&'a str, &'a str)],
    body: Option<&'a serde_json::Value>,
}

impl SlackConnector {
    /// Calls a Web API method. Non-empty arguments are sent in the body, so that no URL log has them.
    pub(super) async fn web(
        &self,
        cx: &CallContext<'_>,
        method: &'static str,
        arguments: &[(&str, &str)],
    ) -> Result<SuccessBody, ConnectorError> {
        require_ok(self.web_response(cx, method, arguments).await?)
    }

    /// Sends a request built by [`Self::web_request`].
    pub(super) async fn web_send(
        &self,
        cx: &CallContext<'_>,
        method: &'static str,
        request: Box<ProviderRequest>,
    ) -> Result<SuccessBody, ConnectorError> {
        require_ok(self.web_exchange(cx, method, request).await?)
    }

    /// Calls a Web API method. Returns the response and its error, for methods whose error responses have further
    /// fields.
    pub(super) async fn web_response(
        &self,
        cx: &CallContext<'_>,
        method: &'static str,
        arguments: &[(&str, &str)],
    ) -> Result<WebResponse, ConnectorError> {
        let said = arguments.iter().copied().filter(|(_, value)| !value.is_empty());
        let request = self.web_request(cx, method, said)?;
        self.web_exchange(cx, method, request).await
    }

    /// Builds the request of a method with exactly these arguments.
    pub(super) fn web_request<'a>(
        &self,
        cx: &CallContext<'_>,
        method: &'static str,
        arguments: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Box<ProviderRequest>, ConnectorError> {
        let (_, (budgets, safety)) = self.methods.web(method);
        let uri = self.web.join(&["api/", method].concat(), None);
        let uri = uri.ok_or_else(|| cx.error(method, ErrorKind::Internal))?;
        let form: String =
            form_urlencoded::Serializer::new(String::new()).extend_pairs(arguments).finish();
        let headers = HeaderMap::from_iter([(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        )]);
        Ok(Box::new(ProviderRequest {
            name: method.into(),
            method: Method::POST,
            uri,
            headers,
            body: RequestBody::Bytes(form.into()),
            buckets: budgets,
            idempotency: safety,
            token: RequestToken::AccessToken,
        }))
    }

    async fn web_exchange(
        &self,
        cx: &CallContext<'_>,
        method: &'static str,
        request: Box<ProviderRequest>,
    ) -> Result<WebResponse, ConnectorError> {
        let response = cx.fetch(request, &self.classifier).await?;
        let request_id = header_text(&response.headers, REQUEST_ID).map(str::to_owned);
        let (status, retry_after) = (response.status, response.retry_after);
        let body = response.into_body();
        let failed = |kind| ConnectorError {
            request_id: request_id.clone(),
            retry_after,
            ..cx.error(method, kind)
        };
        if status.is_server_error() {
            return Err(
                failed(ErrorKind::ProviderError).with_code(format!("http_{}", status.as_u16()))
            );
        }
        // Usually the first field; parsing the envelope of a long page is expensive.
        if body.starts_with(br#"{"ok":true,"#) {
            return Ok((SuccessBody { method, body }, None));
        }
        let unreadable = |odd: String| failed(ErrorKind::ProviderError).with_defect(odd);
        let envelope: ResponseEnvelope = parse(&body).map_err(|odd| unreadable(odd.to_string()))?;
        let Some(is_okay) = envelope.ok else {
            return Err(unreadable("`ok` is absent".to_owned()));
        };
        let refusal = (!is_okay).then(|| {
            let code = envelope.error.unwrap_or_else(|| "no_error_code".to_owned());
            ConnectorError {
                needed_scope: envelope.needed,
                provided_scope: envelope.provided,
                fix: error::fix(&code),
                ..failed(error::kind(&code)).with_code(code)
            }
        });
        Ok((SuccessBody { method, body }, refusal))
    }

    /// Calls a list method with the caller's arguments added. Arguments that the gateway sets, and `token`, are
    /// rejected.
    pub(super) async fn web_list(
        &self,
        cx: &CallContext<'_>,
        method: &'static str,
        arguments: &[(&str, &str)],
        remote: &RemoteQuery,
    ) -> Result<SuccessBody, ConnectorError> {
        let ours: Vec<&str> = arguments.iter().map(|(name, _)| *name).chain(["token"]).collect();
        reject_reserved(cx, method, remote, &ours)?;
        let theirs = remote.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let all: Vec<(&str, &str)> = arguments.iter().copied().chain(theirs).collect();
        self.web(cx, method, &all).await
    }

    /// Reads a page of `admin.users.list`. Maps each row, with the raw row when requested, by `shown`; returns the rows
    /// and the next cursor. Long pages are parsed in one pass where every row is readable.
    pub(super) fn admin_users<T>(
        cx: &CallContext<'_>,
        response: &SuccessBody,
        asked: PageArguments<'_>,
        mut shown: impl FnMut(AdminUser, Option<Box<RawValue>>) -> Option<T>,
    ) -> Result<(Vec<T>, String), ConnectorError> {
        let method = response.method;
        if !cx.include_remote
            && let Ok(list) = parse::<AdminUsersList<AdminUser>>(&response.body)
        {
            reject_excess_rows(cx, method, ("users", list.users.0.len()), asked.max_rows)?;
            let mut all = Vec::with_capacity(list.users.0.len());
            all.extend(list.users.0.into_iter().filter_map(|user| shown(user, None)));
            return Ok((all, next_cursor(cx, method, asked.cursor, list.response_metadata)?));
        }
        let list: AdminUsersList<&RawValue> = response.read(cx)?;
        let rows =
            ResponseRows { method, list: "users", max_rows: asked.max_rows, rows: list.users.0 };
        let all = rows.read(cx, shown)?;
        Ok((all, next_cursor(cx, method, asked.cursor, list.response_metadata)?))
    }

    /// Reads one SCIM v2.0 resource; `path` follows the version.
    pub(super) async fn scim_get(
        &self,
        cx: &CallContext<'_>,
        method: &'static str,
        path: &str,
    ) -> Result<SuccessBody, ConnectorError> {
        self.scim(cx, method, Method::GET, path, None).await
    }

    /// Calls SCIM v2.0; `path` follows the version. A response without a body is parsed as null.
    pub(super) async fn scim(
        &self,
        cx: &CallContext<'_>,
        method: &'static str,
        verb: Method,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<SuccessBody, ConnectorError> {
        let call = ScimCall { method, verb, version: "v2", path, query: &[], body };
        self.scim_call(cx, call).await
    }

    /// Reads a page of SCIM. Version `v1` supports filters, `v2` does not.
    pub(super) async fn scim_list(
        &self,
        cx: &CallContext<'_>,
        method: &'static str,
        version: &str,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<SuccessBody, ConnectorError> {
        let call = ScimCall { method, verb: Method::GET, version, path, query, body: None };
        self.scim_call(cx, call).await
    }

    async fn scim_call(
        &self,
        cx: &CallContext<'_>,
        ScimCall { method, verb, version, path, query, body }: ScimCall<'_>,
    ) -> Result<SuccessBody, ConnectorError> {
        let (budgets, safety) = self.methods.scim(&verb, path);
        let query = (!query.is_empty())
            .then(|| form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish());
        let uri = self.api.join(&["scim/", version, "/", path].concat(), query.as_deref());
        let uri = uri.ok_or_else(|| cx.error(method, ErrorKind::InvalidArgument))?;
        let json = HeaderValue::from_static("application/json");
        let mut headers = HeaderMap::from_iter([(header::ACCEPT, json.clone())]);
        if body.is_some() {
            headers.insert(header::CONTENT_TYPE, json);
        }
        let request = Box::new(ProviderRequest {
            name: method.into(),
            method: verb,
            uri,
            headers,
            body: body
                .map_or(RequestBody::Empty, |body| RequestBody::Bytes(body.to_string().into())),
            buckets: budgets,
            idempotency: safety,
            token: RequestToken::AccessToken,
        });
        let response = cx.fetch(request, &self.classifier).await?;
        let request_id = header_text(&response.headers, REQUEST_ID).map(str::to_owned);
        let (status, retry_after) = (response.status, response.retry_after);
        let body = response.into_body();
        if status.is_success() {
            return Ok(SuccessBody { method, body });
        }
        let code = parse::<ScimFailure>(&body)
            .ok()
            .and_then(ScimFailure::code)
            .unwrap_or_else(|| format!("http_{}", status.as_u16()));
        let kind = scim_error_kind(status, &code);
        let fix = error::fix(&code);
        let error = cx.error(method, kind).with_code(code);
        Err(ConnectorError { fix, request_id, retry_after, ..error })
    }
}

/// Returns the cursor of the next page; empty at the end.
pub(super) fn next_cursor(
    cx: &CallContext<'_>,
    method: &'static str,
    asked: &str,
    metadata: ResponseMetadata,
) -> Result<String, ConnectorError> {
    let next = metadata.next_cursor.filter(|cursor| !cursor.trim().is_empty());
    match next {
        Some(next) if next == asked => {
            Err(cx.invalid_response(method, EndlessList::Repeated.reason()))
        }
        next => Ok(next.unwrap_or_default()),
    }
}

/// Returns the response, or its error.
fn require_ok((response, refusal): WebResponse) -> Result<SuccessBody, ConnectorError> {
    refusal.map_or(Ok(response), Err)
}

/// Returns the kind of a SCIM error.
pub(super) fn scim_error_kind(status: StatusCode, code: &str) -> ErrorKind {
    match status {
        // The token is valid: an invalid one is detected before.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ErrorKind::Forbidden,
        StatusCode::NOT_FOUND => ErrorKind::NotFound,
        StatusCode::CONFLICT => ErrorKind::Conflict,
        status if status.is_server_error() => ErrorKind::ProviderError,
        _ => error::kind(code),
    }
}

/// Whether a text has the form of a Slack id. Only ids are put into paths.
pub(super) fn is_id(id: &str) -> bool {
    (2..=32).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
