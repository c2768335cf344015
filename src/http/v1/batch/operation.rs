//! Parses and validates one operation of a batch, and turns it into a request.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use serde::Deserialize;
use serde_json::Value;
use url::form_urlencoded;
use utoipa::ToSchema;

use super::order::ResourceAccess;
use crate::domain::strict_json::parse_strict;
use crate::http::extract::{ACCOUNT_HEADER, ADDRESS_HEADERS, AccountQuery, PREFER};
use crate::http::idempotency;
use crate::http::middleware::X_REQUEST_ID;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::request_context::{ParentRequest, RequestContext};
use crate::limit::Priority;

/// Resources that an operation can address: those of the unified API.
const RESOURCES: [&str; 5] = ["users", "roles", "role-assignments", "workspaces", "groups"];

/// Query parameters that specify an account.
const ACCOUNT_PARAMETERS: [&str; 3] = ["integrated_account_id", "tenant_id", "provider"];
/// Maximum length of the batch's id in the ids of its operations, in characters.
const MAX_BATCH_ID_LENGTH: usize = 120;

/// HTTP method of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
enum BatchMethod {
    /// Reads a resource or a list.
    Get,
    /// Creates a resource, or runs an action.
    Post,
    /// Updates a resource.
    Patch,
    /// Deletes or deactivates a resource.
    Delete,
}

/// One operation of a batch.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct BatchOperation {
    /// The caller's own id of the operation; returned with its result.
    #[serde(default)]
    #[schema(example = "first")]
    #[expect(
        dead_code,
        reason = "described and validated here; read earlier, for the result of an invalid operation"
    )]
    id: Option<String>,
    /// HTTP method.
    method: BatchMethod,
    /// Path below `/users`, `/roles`, `/role-assignments`, `/workspaces` or `/groups`, without a query.
    #[schema(example = "/role-assignments")]
    path: String,
    /// Query parameters. An account specified here overrides that of the batch.
    #[serde(default)]
    query: BTreeMap<String, String>,
    /// Request body.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    body: Option<Value>,
}

/// What the operations of a batch inherit from its request.
#[derive(Debug)]
pub(super) struct BatchContext {
    /// Credentials, account, preferences and client address.
    headers: HeaderMap,
    /// Query parameters that specify the batch's account.
    account: Vec<(&'static str, String)>,
    request_id: String,
    idempotency_key: Option<String>,
    /// Address of the connection of the batch.
    peer: Option<ConnectInfo<SocketAddr>>,
    /// The batch that its operations belong to.
    whole: ParentRequest,
}

impl BatchOperation {
    /// Parses the operation at an index. Validation errors point into the body of the batch.
    pub(super) fn read(index: usize, value: Value) -> Result<Self, Problem> {
        parse_strict(value).map_err(|(pointer, message)| {
            invalid_operation(
                "The operation is invalid; see `errors`.",
                format!("/operations/{index}{pointer}"),
                message,
            )
        })
    }

    /// Returns the resources that the operation touches, and its request.
    pub(super) fn prepare(
        self,
        index: usize,
        common: &BatchContext,
    ) -> Result<(ResourceAccess, Request), Problem> {
        let at = |field: &str| format!("/operations/{index}/{field}");
        let resource = self.path.strip_prefix('/').and_then(|path| path.split('/').next());
        if !resource.is_some_and(|name| RESOURCES.contains(&name)) {
            return Err(invalid_operation(
                "The path is not part of the unified API.",
                at("path"),
                "must be a path below /users, /roles, /role-assignments, /workspaces or /groups",
            ));
        }
        let method = match self.method {
            BatchMethod::Get => Method::GET,
            BatchMethod::Post => Method::POST,
            BatchMethod::Patch => Method::PATCH,
            BatchMethod::Delete => Method::DELETE,
        };
        let touch = ResourceAccess::of(&method, &self.path, self.body.as_ref());
        let uri = common.uri(&self.path, &self.query).ok_or_else(|| {
            let message =
                "must be a path without a query, with reserved characters percent-encoded";
            invalid_operation("The path of the operation is invalid.", at("path"), message)
        })?;
        let text = self.body.map_or_else(String::new, |body| body.to_string());
        let mut request = Request::new(Body::from(text));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = common.headers(index, &self.query);
        request.extensions_mut().insert(Priority::Background);
        request.extensions_mut().insert(common.whole.clone());
        if let Some(peer) = common.peer {
            request.extensions_mut().insert(peer);
        }
        Ok((touch, request))
    }
}

impl BatchContext {
    /// Returns what the operations inherit from a request with these headers and this account.
    pub(super) fn of(
        headers: &HeaderMap,
        account: AccountQuery,
        request: &RequestContext,
        peer: Option<ConnectInfo<SocketAddr>>,
    ) -> Self {
        let names = [header::AUTHORIZATION, ACCOUNT_HEADER, PREFER].into_iter();
        let mut inherited = HeaderMap::new();
        for name in names.chain(ADDRESS_HEADERS) {
            for value in headers.get_all(&name) {
                inherited.append(&name, value.clone());
            }
        }
        request.span().inject(&mut inherited);
        let AccountQuery { integrated_account_id, tenant_id, provider } = account;
        let provider = provider.map(|provider| provider.name().to_owned());
        let account =
            ACCOUNT_PARAMETERS.into_iter().zip([integrated_account_id, tenant_id, provider]);
        let key = headers.get(idempotency::HEADER).and_then(|key| key.to_str().ok());
        Self {
            headers: inherited,
            account: account.filter_map(|(name, value)| Some((name, value?))).collect(),
            // A request id can have 128 characters, and each operation appends its index.
            request_id: request.id().chars().take(MAX_BATCH_ID_LENGTH).collect(),
            idempotency_key: key.map(str::to_owned),
            peer,
            whole: request.as_parent(),
        }
    }

    /// Returns the request id of the operation at an index.
    pub(super) fn request_id(&self, index: usize) -> String {
        format!("{}.{index}", self.request_id)
    }

    fn uri(&self, path: &str, query: &BTreeMap<String, String>) -> Option<Uri> {
        if path.contains(['?', '#']) {
            return None;
        }
        let mut text = form_urlencoded::Serializer::new(format!("{path}?"));
        if !names_account(query) {
            text.extend_pairs(&self.account);
        }
        text.extend_pairs(query);
        text.finish().trim_end_matches('?').parse().ok()
    }

    fn headers(&self, index: usize, query: &BTreeMap<String, String>) -> HeaderMap {
        let mut headers = self.headers.clone();
        if names_account(query) {
            headers.remove(ACCOUNT_HEADER);
        }
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let id = self.request_id(index);
        let key = self.idempotency_key.as_ref().map(|key| format!("{key}:{index}"));
        for (name, text) in [(X_REQUEST_ID, Some(id)), (idempotency::HEADER, key)] {
            // Composed of values of headers, so the conversion succeeds.
            if let Some(value) = text.and_then(|text| HeaderValue::try_from(text).ok()) {
                headers.insert(name, value);
            }
        }
        headers
    }
}

fn names_account(query: &BTreeMap<String, String>) -> bool {
    ACCOUNT_PARAMETERS.iter().any(|name| query.contains_key(*name))
}

fn invalid_operation(detail: &str, pointer: String, message: impl Into<String>) -> Problem {
    Problem::new(ProblemKind::InvalidBody, detail).with_error(pointer, message)
}
