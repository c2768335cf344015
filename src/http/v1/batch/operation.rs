//! One operation of a batch: read, checked, and made a request of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use serde::Deserialize;
use serde_json::Value;
use url::form_urlencoded;
use utoipa::ToSchema;

use super::order::Touch;
use crate::http::current::{CurrentRequest, PartOf};
use crate::http::edge::X_REQUEST_ID;
use crate::http::extract::{ACCOUNT_HEADER, ADDRESS_HEADERS, AccountQuery, PREFER, read};
use crate::http::idempotency;
use crate::http::problem::{Problem, ProblemKind};
use crate::limit::Class;

/// What an operation may be about: the unified API.
const RESOURCES: [&str; 5] = ["users", "roles", "role-assignments", "workspaces", "groups"];

/// The parameters that name an account.
const ACCOUNT_PARAMETERS: [&str; 3] = ["integrated_account_id", "tenant_id", "provider"];
/// So much of the batch's id stands in those of its operations.
const LONGEST_ID: usize = 120;

/// The method of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
enum Verb {
    /// Reads.
    Get,
    /// Makes, or does.
    Post,
    /// Changes.
    Patch,
    /// Takes away.
    Delete,
}

/// One operation of a batch.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Operation {
    /// The caller's own name for it; its result has it too.
    #[serde(default)]
    #[schema(example = "first")]
    #[expect(
        dead_code,
        reason = "described and checked here; taken before, for the answer to a bad one"
    )]
    id: Option<String>,
    /// What to do.
    method: Verb,
    /// A path of `/users`, `/roles`, `/role-assignments`, `/workspaces` or `/groups`, without a query.
    #[schema(example = "/role-assignments")]
    path: String,
    /// The query. An account named here counts in place of the batch's.
    #[serde(default)]
    query: BTreeMap<String, String>,
    /// The body.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    body: Option<Value>,
}

/// What the operations of a batch have from its request.
#[derive(Debug)]
pub(super) struct Common {
    /// Who calls, and how long it waits.
    headers: HeaderMap,
    /// The batch's own account.
    account: Vec<(&'static str, String)>,
    request_id: String,
    idempotency_key: Option<String>,
    /// The connection that the batch came by.
    peer: Option<ConnectInfo<SocketAddr>>,
    /// The batch: its operations are in its place.
    whole: PartOf,
}

impl Operation {
    /// Reads the operation at a place of the batch. Mistakes are pointed at in the batch's body.
    pub(super) fn read(index: usize, value: Value) -> Result<Self, Problem> {
        read(value).map_err(|(pointer, message)| {
            refused(
                "This operation can't be read.",
                format!("/operations/{index}{pointer}"),
                message,
            )
        })
    }

    /// What it is about, and the request it is. `index` is its place in the batch.
    pub(super) fn prepare(
        self,
        index: usize,
        common: &Common,
    ) -> Result<(Touch, Request), Problem> {
        let at = |field: &str| format!("/operations/{index}/{field}");
        let resource = self.path.strip_prefix('/').and_then(|path| path.split('/').next());
        if !resource.is_some_and(|name| RESOURCES.contains(&name)) {
            return Err(refused(
                "A batch holds operations of the unified API alone.",
                at("path"),
                "must be a path of /users, /roles, /role-assignments, /workspaces or /groups",
            ));
        }
        let method = match self.method {
            Verb::Get => Method::GET,
            Verb::Post => Method::POST,
            Verb::Patch => Method::PATCH,
            Verb::Delete => Method::DELETE,
        };
        let touch = Touch::of(&method, &self.path, self.body.as_ref());
        let uri = common.uri(&self.path, &self.query).ok_or_else(|| {
            let message = "must be a path without a query; odd characters are percent-encoded";
            refused("The path of this operation can't be used.", at("path"), message)
        })?;
        let text = self.body.map_or_else(String::new, |body| body.to_string());
        let mut request = Request::new(Body::from(text));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = common.headers(index, &self.query);
        request.extensions_mut().insert(Class::Background);
        request.extensions_mut().insert(common.whole.clone());
        if let Some(peer) = common.peer {
            request.extensions_mut().insert(peer);
        }
        Ok((touch, request))
    }
}

impl Common {
    /// What the operations of a batch have from its request, with these headers and this account.
    pub(super) fn of(
        headers: &HeaderMap,
        account: AccountQuery,
        request: &CurrentRequest,
        peer: Option<ConnectInfo<SocketAddr>>,
    ) -> Self {
        let names = [header::AUTHORIZATION, ACCOUNT_HEADER, PREFER].into_iter();
        let mut kept = HeaderMap::new();
        for name in names.chain(ADDRESS_HEADERS) {
            for value in headers.get_all(&name) {
                kept.append(&name, value.clone());
            }
        }
        request.span().tell(&mut kept);
        let AccountQuery { integrated_account_id, tenant_id, provider } = account;
        let provider = provider.map(|provider| provider.name().to_owned());
        let account =
            ACCOUNT_PARAMETERS.into_iter().zip([integrated_account_id, tenant_id, provider]);
        let key = headers.get(idempotency::HEADER).and_then(|key| key.to_str().ok());
        Self {
            headers: kept,
            account: account.filter_map(|(name, value)| Some((name, value?))).collect(),
            // An id may have 128 characters, and each operation adds some.
            request_id: request.id().chars().take(LONGEST_ID).collect(),
            idempotency_key: key.map(str::to_owned),
            peer,
            whole: request.part(),
        }
    }

    /// The id of the operation at a place.
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
            // Made of what came in headers.
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

fn refused(detail: &str, pointer: String, message: impl Into<String>) -> Problem {
    Problem::new(ProblemKind::InvalidBody, detail).at(pointer, message)
}
