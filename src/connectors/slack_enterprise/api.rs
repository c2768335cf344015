//! Calls: a method with its arguments goes out, an answer that says "ok" comes back.

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::value::RawValue;
use url::form_urlencoded;

use super::SlackEnterprise;
use super::error;
use super::wire::{AdminUser, AdminUsersList, Envelope, ResponseMetadata, ScimFailure};
use crate::connectors::context::header_text;
use crate::connectors::paging::Endless;
use crate::connectors::parse::parse;
pub(super) use crate::connectors::reading::{Okay, found, object, optional, refuse_reserved};
use crate::connectors::rows::{Listed, refuse_more};
use crate::connectors::{CallContext, ConnectorError, Kind};
use crate::domain::filter::RemoteQuery;
use crate::upstream::{Carried, ProviderRequest, RequestBody};

/// Slack's id of a request, for its support.
const REQUEST_ID: &str = "x-slack-req-id";

/// An answer, and the refusal if it is one.
type Said = (Okay, Option<ConnectorError>);

/// What a page of a list was requested with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// The cursor; empty for the first page.
    pub(super) cursor: &'a str,
    /// The most rows.
    pub(super) most: usize,
}

/// A call of SCIM.
struct ScimCall<'a> {
    method: &'static str,
    verb: Method,
    version: &'a str,
    path: &'a str,
    query: &'a [(&'a str, &'a str)],
    body: Option<&'a serde_json::Value>,
}

impl SlackEnterprise {
    /// Calls a method of the Web API. Arguments that are not empty go in the body, where no log of an address shows
    /// them.
    pub(super) async fn web(
        &self,
        cx: &CallContext<'_>,
        method: &'static str,
        arguments: &[(&str, &str)],
    ) -> Result<Okay, ConnectorError> {
        okay(self.web_said(cx, method, arguments).await?)
    }

    /// Sends a call of a method that was made by [`Self::web_request`].
    pub(super) async fn web_send(
        &self,
        cx: &CallContext<'_>,
        method: &'static str,
        request: Box<ProviderRequest>,
    ) -> Result<Okay, ConnectorError> {
        okay(self.web_exchange(cx, method, request).await?)
    }

    /// The same, for methods whose refusal says more than a code: the answer, and the refusal if it
    /// is one.
    pub(super) async fn web_said(
        &self,
        cx: &CallContext<'_>,
        method: &'static str,
        arguments: &[(&str, &str)],
    ) -> Result<Said, ConnectorError> {
        let said = arguments.iter().copied().filter(|(_, value)| !value.is_empty());
        let request = self.web_request(cx, method, said)?;
        self.web_exchange(cx, method, request).await
    }

    /// A call of a method with exactly these arguments.
    pub(super) fn web_request<'a>(
        &self,
        cx: &CallContext<'_>,
        method: &'static str,
        arguments: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Box<ProviderRequest>, ConnectorError> {
        let (_, (budgets, safety)) = self.methods.web(method);
        let uri = self.web.at(&["api/", method].concat(), None);
        let uri = uri.ok_or_else(|| cx.error(method, Kind::Internal))?;
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
            budgets,
            safety,
            carried: Carried::AccessToken,
        }))
    }

    async fn web_exchange(
        &self,
        cx: &CallContext<'_>,
        method: &'static str,
        request: Box<ProviderRequest>,
    ) -> Result<Said, ConnectorError> {
        let answer = cx.fetch(request, &self.dialect).await?;
        let request_id = header_text(&answer.headers, REQUEST_ID).map(str::to_owned);
        let (status, retry_after) = (answer.status, answer.retry_after);
        let body = answer.into_body();
        let failed = |kind| ConnectorError {
            request_id: request_id.clone(),
            retry_after,
            ..cx.error(method, kind)
        };
        if status.is_server_error() {
            return Err(failed(Kind::Trouble).with_code(format!("http_{}", status.as_u16())));
        }
        // Most say so first, and pages are long.
        if body.starts_with(br#"{"ok":true,"#) {
            return Ok((Okay { method, body }, None));
        }
        let unreadable = |odd: String| failed(Kind::Trouble).with_odd(odd);
        let envelope: Envelope = parse(&body).map_err(|odd| unreadable(odd.to_string()))?;
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
        Ok((Okay { method, body }, refusal))
    }

    /// Calls a list method, with the caller's own arguments behind ours. One that is ours already, or
    /// would change who calls, is refused.
    pub(super) async fn web_list(
        &self,
        cx: &CallContext<'_>,
        method: &'static str,
        arguments: &[(&str, &str)],
        remote: &RemoteQuery,
    ) -> Result<Okay, ConnectorError> {
        let ours: Vec<&str> = arguments.iter().map(|(name, _)| *name).chain(["token"]).collect();
        refuse_reserved(cx, method, remote, &ours)?;
        let theirs = remote.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let all: Vec<(&str, &str)> = arguments.iter().copied().chain(theirs).collect();
        self.web(cx, method, &all).await
    }

    /// Reads a page of `admin.users.list`, a list long enough that its rows are read but once where all of them can be:
    /// what `shown` makes of each and, when it is wanted, of the same as it came; then the next cursor.
    pub(super) fn admin_users<T>(
        cx: &CallContext<'_>,
        answer: &Okay,
        asked: Asked<'_>,
        mut shown: impl FnMut(AdminUser, Option<Box<RawValue>>) -> Option<T>,
    ) -> Result<(Vec<T>, String), ConnectorError> {
        let method = answer.method;
        if !cx.wants_remote
            && let Ok(list) = parse::<AdminUsersList<AdminUser>>(&answer.body)
        {
            refuse_more(cx, method, ("users", list.users.0.len()), asked.most)?;
            let mut all = Vec::with_capacity(list.users.0.len());
            all.extend(list.users.0.into_iter().filter_map(|user| shown(user, None)));
            return Ok((all, next_cursor(cx, method, asked.cursor, list.response_metadata)?));
        }
        let list: AdminUsersList<&RawValue> = answer.read(cx)?;
        let rows = Listed { method, list: "users", most: asked.most, rows: list.users.0 };
        let all = rows.read(cx, shown)?;
        Ok((all, next_cursor(cx, method, asked.cursor, list.response_metadata)?))
    }

    /// Reads one object of SCIM v2.0; `path` is what follows the version.
    pub(super) async fn scim_get(
        &self,
        cx: &CallContext<'_>,
        method: &'static str,
        path: &str,
    ) -> Result<Okay, ConnectorError> {
        self.scim(cx, method, Method::GET, path, None).await
    }

    /// Calls SCIM v2.0; `path` is what follows the version. An answer without a body reads as null.
    pub(super) async fn scim(
        &self,
        cx: &CallContext<'_>,
        method: &'static str,
        verb: Method,
        path: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<Okay, ConnectorError> {
        let call = ScimCall { method, verb, version: "v2", path, query: &[], body };
        self.scim_call(cx, call).await
    }

    /// Reads a page of SCIM. Version `v1` has filters, `v2` has none.
    pub(super) async fn scim_list(
        &self,
        cx: &CallContext<'_>,
        method: &'static str,
        version: &str,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Okay, ConnectorError> {
        let call = ScimCall { method, verb: Method::GET, version, path, query, body: None };
        self.scim_call(cx, call).await
    }

    async fn scim_call(
        &self,
        cx: &CallContext<'_>,
        ScimCall { method, verb, version, path, query, body }: ScimCall<'_>,
    ) -> Result<Okay, ConnectorError> {
        let (budgets, safety) = self.methods.scim(&verb, path);
        let query = (!query.is_empty())
            .then(|| form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish());
        let uri = self.api.at(&["scim/", version, "/", path].concat(), query.as_deref());
        let uri = uri.ok_or_else(|| cx.error(method, Kind::InvalidArgument))?;
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
            budgets,
            safety,
            carried: Carried::AccessToken,
        });
        let answer = cx.fetch(request, &self.dialect).await?;
        let request_id = header_text(&answer.headers, REQUEST_ID).map(str::to_owned);
        let (status, retry_after) = (answer.status, answer.retry_after);
        let body = answer.into_body();
        if status.is_success() {
            return Ok(Okay { method, body });
        }
        let code = parse::<ScimFailure>(&body)
            .ok()
            .and_then(ScimFailure::code)
            .unwrap_or_else(|| format!("http_{}", status.as_u16()));
        let kind = scim_kind(status, &code);
        let fix = error::fix(&code);
        let error = cx.error(method, kind).with_code(code);
        Err(ConnectorError { fix, request_id, retry_after, ..error })
    }
}

/// The cursor of the next page; empty at the end, however Slack says so.
pub(super) fn next_cursor(
    cx: &CallContext<'_>,
    method: &'static str,
    asked: &str,
    metadata: ResponseMetadata,
) -> Result<String, ConnectorError> {
    let next = metadata.next_cursor.filter(|cursor| !cursor.trim().is_empty());
    match next {
        Some(next) if next == asked => Err(cx.unreadable(method, Endless::Repeated.reason())),
        next => Ok(next.unwrap_or_default()),
    }
}

/// The answer of a call that was not refused.
fn okay((answer, refusal): Said) -> Result<Okay, ConnectorError> {
    refusal.map_or(Ok(answer), Err)
}

/// What kind of failure SCIM's status and code tell.
pub(super) fn scim_kind(status: StatusCode, code: &str) -> Kind {
    match status {
        // Of a token that lives: whoever waits for a dead one's answer is told so before.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Kind::Forbidden,
        StatusCode::NOT_FOUND => Kind::NotFound,
        StatusCode::CONFLICT => Kind::Conflict,
        status if status.is_server_error() => Kind::Trouble,
        _ => error::kind(code),
    }
}

/// Whether a text can be an id of Slack at all: nothing else goes into a path.
pub(super) fn is_id(id: &str) -> bool {
    (2..=32).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
