//! The server's requests and its responses to them.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderMap, Method};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::directory::{Directory, Kind, entry, id_of};
use super::filter;
use super::options::{OAuthGrant, ScimOptions};
use super::raw_response;
use super::{patch, schemas};

/// Number of tokens that all servers issued.
static ISSUED: AtomicU64 = AtomicU64::new(1);

/// A request that the server received.
#[derive(Debug, Clone)]
pub(crate) struct ScimRequest {
    /// The method.
    pub(crate) method: Method,
    /// The decoded path below the base URL, without a leading slash: `Users/u-1`.
    pub(crate) path: String,
    /// The decoded segments of the path.
    pub(crate) segments: Vec<String>,
    /// The parameters of the query.
    pub(crate) query: Vec<(String, String)>,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body as text.
    pub(crate) text: String,
    /// The body as JSON; null if it is not JSON.
    pub(crate) body: Value,
}

impl ScimRequest {
    /// Creates a request.
    pub(super) fn new(
        method: Method,
        path: &str,
        query: Vec<(String, String)>,
        headers: HeaderMap,
        text: String,
    ) -> Self {
        let body = serde_json::from_str(&text).unwrap_or_default();
        Self { method, path: path.to_owned(), segments: Vec::new(), query, headers, text, body }
    }

    /// Whether its path begins with this text.
    pub(crate) fn is_below(&self, path: &str) -> bool {
        self.path.starts_with(path.trim_start_matches('/'))
    }

    /// Returns a parameter of the query.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.query.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Returns a header as text, empty if missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// An error response of the server.
#[derive(Debug, Clone)]
pub(super) struct ScimFailure {
    status: u16,
    scim_type: &'static str,
    detail: &'static str,
}

impl ScimFailure {
    /// Creates an error; `scim_type` is empty for none.
    pub(super) fn new(status: u16, scim_type: &'static str, detail: &'static str) -> Self {
        Self { status, scim_type, detail }
    }
}

/// A response of the server.
#[derive(Debug)]
pub(super) struct ScimResponse {
    status: u16,
    headers: Vec<(&'static str, String)>,
    /// The body; `None` for an empty one.
    pub(super) body: Option<Value>,
}

impl From<ScimFailure> for ScimResponse {
    fn from(failure: ScimFailure) -> Self {
        let ScimFailure { status, scim_type, detail } = failure;
        let mut body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": status.to_string(), "detail": detail,
        });
        if !scim_type.is_empty()
            && let Some(body) = body.as_object_mut()
        {
            body.insert("scimType".to_owned(), scim_type.into());
        }
        Self { status, headers: Vec::new(), body: Some(body) }
    }
}

impl ScimResponse {
    fn ok(body: Value) -> Self {
        Self { status: 200, headers: Vec::new(), body: Some(body) }
    }

    /// Returns it as a response of this media type.
    pub(super) fn into_response(self, media_type: &'static str) -> Response {
        let mut headers: Vec<(&str, &str)> =
            self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        if self.body.is_some() {
            headers.push(("content-type", media_type));
        }
        let body = self.body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        raw_response(self.status, &headers, body)
    }
}

/// Rejects a request whose credentials are not accepted.
pub(super) fn check_credentials(
    options: &ScimOptions,
    issued: &[String],
    request: &ScimRequest,
) -> Result<(), ScimResponse> {
    let sent = request.header("authorization");
    let is_accepted = match sent.split_once(' ') {
        Some(("Bearer", token)) => options.tokens.iter().chain(issued).any(|known| known == token),
        Some(("Basic", encoded)) => options.basic.as_ref().is_some_and(|(user, password)| {
            STANDARD.encode(format!("{user}:{password}")) == encoded
        }),
        _ => false,
    };
    if is_accepted {
        return Ok(());
    }
    let scheme = if options.basic.is_some() { "Basic" } else { "Bearer" };
    let mut refused: ScimResponse = ScimFailure::new(401, "", "the credentials are invalid").into();
    refused.headers.push(("www-authenticate", format!("{scheme} realm=\"scim\"")));
    Err(refused)
}

/// Responds to a request to the token endpoint.
pub(super) fn token_response(grant: Option<&OAuthGrant>, request: &ScimRequest) -> (u16, Value) {
    let field = |name: &str| {
        let mut pairs = form_urlencoded::parse(request.text.as_bytes());
        pairs.find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
    };
    let Some(grant) = grant else { return (404, json!({"error": "not_found"})) };
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let basic = format!("{}:{}", encode(&grant.client_id), encode(&grant.client_secret));
    let basic = format!("Basic {}", STANDARD.encode(basic));
    let is_client = if grant.secret_in_body {
        field("client_id").as_deref() == Some(grant.client_id.as_str())
            && field("client_secret").as_deref() == Some(grant.client_secret.as_str())
    } else {
        request.header("authorization") == basic
    };
    if field("grant_type").as_deref() != Some("client_credentials") {
        return (400, json!({"error": "unsupported_grant_type"}));
    }
    if !is_client {
        return (401, json!({"error": "invalid_client"}));
    }
    let token = format!("issued-{}", ISSUED.fetch_add(1, Ordering::Relaxed));
    let body = json!({"access_token": token, "token_type": "Bearer",
        "expires_in": grant.lifetime_s, "scope": field("scope")});
    (200, body)
}

/// Responds to a request below the base URL.
pub(super) fn response(
    options: &ScimOptions,
    directory: &mut Directory,
    request: &ScimRequest,
) -> ScimResponse {
    let segments: Vec<&str> = request.segments.iter().map(String::as_str).collect();
    let not_found = || ScimFailure::new(404, "", "there is no such resource");
    let result = match (request.method.as_str(), &*segments) {
        ("GET", ["ServiceProviderConfig"]) if options.discovery => {
            Ok(ScimResponse::ok(service_provider_config(options)))
        }
        ("GET", ["Schemas"]) if options.discovery => Ok(ScimResponse::ok(list(&options.schemas))),
        ("GET", ["ResourceTypes"]) if options.discovery => {
            Ok(ScimResponse::ok(list(&resource_types(options))))
        }
        ("GET", ["Me"]) => {
            let me = options.me.as_deref().and_then(|id| directory.get(Kind::Users, id));
            me.map(|me| one(options, directory, Kind::Users, me, request)).ok_or_else(not_found)
        }
        (method, [name, rest @ ..]) => {
            let kind = match *name {
                "Users" => Kind::Users,
                "Groups" if options.groups => Kind::Groups,
                _ => return not_found().into(),
            };
            match (method, rest) {
                ("GET", []) => page(options, directory, kind, request),
                ("POST", []) => create(options, directory, kind, request),
                (_, [id]) => resource(options, directory, (kind, *id), request),
                _ => Err(not_found()),
            }
        }
        _ => Err(not_found()),
    };
    result.unwrap_or_else(ScimResponse::from)
}

fn list(rows: &[Value]) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": rows.len(), "startIndex": 1, "itemsPerPage": rows.len(), "Resources": rows,
    })
}

fn service_provider_config(options: &ScimOptions) -> Value {
    let supported = |is_supported: bool| json!({"supported": is_supported});
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": supported(options.patch),
        "bulk": {"supported": options.bulk, "maxOperations": 100, "maxPayloadSize": 1_048_576},
        "filter": {"supported": options.announced_filter.unwrap_or(options.filter),
            "maxResults": options.filter_max},
        "changePassword": supported(false), "sort": supported(options.sort),
        "etag": supported(options.etag), "authenticationSchemes": [],
    })
}

fn resource_types(options: &ScimOptions) -> Vec<Value> {
    let has_extension = schemas::find(&options.schemas, Some(schemas::ENTERPRISE), "department");
    let extensions: Vec<Value> = has_extension
        .iter()
        .map(|_| json!({"schema": schemas::ENTERPRISE, "required": false}))
        .collect();
    let users = json!({"id": "User", "name": "User", "endpoint": "/Users", "schema": schemas::USER,
        "schemaExtensions": extensions});
    let groups =
        json!({"id": "Group", "name": "Group", "endpoint": "/Groups", "schema": schemas::GROUP});
    if options.groups { vec![users, groups] } else { vec![users] }
}

/// Returns one resource, with its version and its location.
fn one(
    options: &ScimOptions,
    directory: &Directory,
    kind: Kind,
    resource: &Value,
    request: &ScimRequest,
) -> ScimResponse {
    let mut response = ScimResponse::ok(shown(options, directory, kind, resource, request));
    let version = resource.pointer("/meta/version").and_then(Value::as_str);
    if options.etag {
        response.headers.extend(version.map(|version| ("etag", version.to_owned())));
    }
    response
}

/// Returns a resource with the requested attributes.
fn shown(
    options: &ScimOptions,
    directory: &Directory,
    kind: Kind,
    resource: &Value,
    request: &ScimRequest,
) -> Value {
    let mut view = directory.view(kind, resource);
    let Some(object) = view.as_object_mut() else { return view };
    if !options.etag
        && let Some(meta) = object.get_mut("meta").and_then(Value::as_object_mut)
    {
        meta.remove("version");
    }
    let names = |parameter: &str| -> Option<Vec<String>> {
        let text = request.parameter(parameter).filter(|_| options.attributes)?;
        Some(text.split(',').map(|name| name.trim().to_ascii_lowercase()).collect())
    };
    let is_in = |names: &[String], key: &str| {
        let key = key.to_ascii_lowercase();
        names.iter().any(|name| {
            let rest = name.strip_prefix(&key);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', ':']))
        })
    };
    if let Some(names) = names("attributes") {
        object.retain(|key, _| key == "id" || key == "schemas" || is_in(&names, key));
    }
    if let Some(names) = names("excludedAttributes") {
        object.retain(|key, _| key == "id" || !is_in(&names, key));
    }
    view
}

fn page(
    options: &ScimOptions,
    directory: &Directory,
    kind: Kind,
    request: &ScimRequest,
) -> Result<ScimResponse, ScimFailure> {
    let number = |name: &str| request.parameter(name).and_then(|text| text.parse::<usize>().ok());
    let filter = match request.parameter("filter").filter(|_| options.filter) {
        None => None,
        Some(text) => {
            let filter = filter::parse(text);
            let invalid = || ScimFailure::new(400, "invalidFilter", "the filter is malformed");
            Some(filter.ok_or_else(invalid)?)
        }
    };
    let all: Vec<&Value> = directory.all(kind).iter().collect();
    let matching: Vec<&Value> = all
        .into_iter()
        .filter(|resource| filter.as_ref().is_none_or(|filter| filter.matches(resource)))
        .collect();
    let start = if options.ignores_start_index { 1 } else { number("startIndex").unwrap_or(1) };
    let count = number("count").unwrap_or(options.default_page);
    let count = options.max_page.map_or(count, |max| max.min(count));
    let rows = matching.iter().skip(start.saturating_sub(1)).take(count);
    let rows: Vec<Value> =
        rows.map(|resource| shown(options, directory, kind, resource, request)).collect();
    Ok(ScimResponse::ok(json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": matching.len(), "startIndex": start, "itemsPerPage": rows.len(),
        "Resources": rows,
    })))
}

fn create(
    options: &ScimOptions,
    directory: &mut Directory,
    kind: Kind,
    request: &ScimRequest,
) -> Result<ScimResponse, ScimFailure> {
    let new = accepted(options, kind, &request.body)?;
    check_unique(directory, kind, &new, None)?;
    let id = directory.insert(kind, new);
    let resource = directory.get(kind, &id).cloned().unwrap_or_default();
    let mut response = one(options, directory, kind, &resource, request);
    response.status = 201;
    Ok(response)
}

fn resource(
    options: &ScimOptions,
    directory: &mut Directory,
    (kind, id): (Kind, &str),
    request: &ScimRequest,
) -> Result<ScimResponse, ScimFailure> {
    let old = directory.get(kind, id).cloned();
    let old = old.ok_or_else(|| ScimFailure::new(404, "", "there is no such resource"))?;
    let method = request.method.as_str();
    if method != "GET" {
        check_version(options, &old, request.header("if-match"))?;
    }
    match method {
        "GET" => return Ok(one(options, directory, kind, &old, request)),
        "DELETE" => {
            directory.remove(kind, id);
            return Ok(ScimResponse { status: 204, headers: Vec::new(), body: None });
        }
        "PUT" => {
            let new = accepted(options, kind, &request.body)?;
            check_unique(directory, kind, &new, Some(id))?;
            directory.replace(kind, id, new);
        }
        "PATCH" if options.patch => {
            let mut new = old.clone();
            let targets = patch::apply(&mut new, &request.body)?;
            if options.is_strict {
                for target in &targets {
                    check_writable(options, target.attribute())?;
                }
            }
            if new != old {
                check_unique(directory, kind, &new, Some(id))?;
                directory.replace(kind, id, new);
            }
            if options.patch_without_body {
                return Ok(ScimResponse { status: 204, headers: Vec::new(), body: None });
            }
        }
        _ => return Err(ScimFailure::new(501, "", "the method is not supported")),
    }
    let changed = directory.get(kind, id).cloned().unwrap_or_default();
    Ok(one(options, directory, kind, &changed, request))
}

fn check_version(options: &ScimOptions, old: &Value, sent: &str) -> Result<(), ScimFailure> {
    let version = old.pointer("/meta/version").and_then(Value::as_str).unwrap_or_default();
    if !options.etag || sent == version || sent == "*" {
        return Ok(());
    }
    if sent.is_empty() {
        let missing = ScimFailure::new(428, "", "If-Match is missing");
        return if options.requires_if_match { Err(missing) } else { Ok(()) };
    }
    Err(ScimFailure::new(412, "", "the resource was changed"))
}

fn check_unique(
    directory: &Directory,
    kind: Kind,
    new: &Value,
    id: Option<&str>,
) -> Result<(), ScimFailure> {
    let name = |resource: &Value| {
        let (_, name) = entry(resource.as_object()?, "userName")?;
        Some(name.as_str()?.to_lowercase())
    };
    if kind == Kind::Groups {
        return Ok(());
    }
    let wanted = name(new).filter(|name| !name.is_empty());
    let wanted =
        wanted.ok_or_else(|| ScimFailure::new(400, "invalidValue", "userName is missing"))?;
    let mut others =
        directory.all(kind).iter().filter(|resource| id.is_none_or(|id| id_of(resource) != id));
    if others.any(|other| name(other).as_ref() == Some(&wanted)) {
        return Err(ScimFailure::new(409, "uniqueness", "the userName is in use"));
    }
    Ok(())
}

/// Returns the attributes of a body that a client may set.
fn accepted(options: &ScimOptions, kind: Kind, body: &Value) -> Result<Value, ScimFailure> {
    let invalid = || ScimFailure::new(400, "invalidSyntax", "the body is not an object");
    let mut new = body.as_object().cloned().ok_or_else(invalid)?;
    new.retain(|key, value| {
        let is_read_only = match &*key.to_ascii_lowercase() {
            "id" | "meta" => true,
            "groups" => kind == Kind::Users,
            _ => false,
        };
        !is_read_only && !patch::is_empty(value)
    });
    if options.is_strict {
        for (key, value) in &new {
            let inner = value.as_object().filter(|_| key.to_ascii_lowercase().starts_with("urn:"));
            match inner {
                Some(extension) => {
                    for name in extension.keys() {
                        check_writable(options, (Some(key), name))?;
                    }
                }
                None if matches!(&**key, "schemas" | "externalId") => {}
                None => check_writable(options, (None, key))?,
            }
        }
    }
    Ok(Value::Object(new))
}

/// Rejects an attribute that the schemas lack or that is read-only.
fn check_writable(
    options: &ScimOptions,
    (urn, name): (Option<&str>, &str),
) -> Result<(), ScimFailure> {
    if name == "externalId" || name.to_ascii_lowercase().starts_with("urn:") {
        return Ok(());
    }
    let Some(attribute) = schemas::find(&options.schemas, urn, name) else {
        return Err(ScimFailure::new(400, "invalidPath", "there is no such attribute"));
    };
    if attribute.get("mutability").and_then(Value::as_str) == Some("readOnly") {
        return Err(ScimFailure::new(400, "mutability", "the attribute is read-only"));
    }
    Ok(())
}
