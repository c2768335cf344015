//! The OpenAPI 3.1 document: its frame, what every operation has in common, and `/openapi.json`.

use std::sync::{Arc, OnceLock};

use axum::Extension;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use bytes::Bytes;
use serde_json::Value;
use utoipa::openapi::path::{ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::Type;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ObjectBuilder, OpenApi, PathItem, RefOr, Required, Schema};
use utoipa::{Modify, OpenApi as _};

use super::idempotency::MAX_KEY_CHARS;
use super::problem::{Problem, ProblemBody, ProblemKind, ProblemResponses};
use super::served_text::ServedText;
use crate::domain::access::Scope;
use crate::domain::filter::Expansion;
use crate::unified::{OnConflict, ResponseFormat};

/// The routes under these paths require `admin`.
const ADMIN_ROUTES: [&str; 4] = ["/api-keys", "/audit-log", "/provider-apps", "/webhooks"];
/// Changes under these paths require `admin`, reads require `read`.
const ADMIN_CHANGES: [&str; 4] = ["/environments", "/mappings", "/policies", "/rule-sets"];
/// Changes whose path ends so require `read`: they change nothing, or create what can do no more than their key.
const READING_CHANGES: [&str; 3] = ["/evaluate", "/preview", "/tokens"];

/// The frame of the document; the router adds every path and every schema in it.
#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Switchboard",
        description = "One API for every customer's workforce directory. Lists return `{result, next_cursor, …}`, \
                       single resources `{result}`, errors are RFC 9457 problem details.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    servers((url = "/", description = "The gateway that serves this document")),
    tags(
        (name = "Users", description = "Users and bots of a customer's directory: create, update, deactivate, assign roles."),
        (name = "Roles", description = "Roles that a directory offers."),
        (name = "Role assignments", description = "Roles held by users, with their scope."),
        (name = "Workspaces", description = "Workspaces of an organization, and their members."),
        (name = "Groups", description = "Groups of users, as managed by the customer's identity provider."),
        (name = "Me", description = "The identity behind an account's token."),
        (name = "Batch", description = "Up to 1,000 operations in one request."),
        (name = "Providers", description = "Kinds of directories, and what each can do."),
        (name = "Integrated accounts", description = "Connections of customers: status, scopes, tokens, disconnection."),
        (name = "Linking", description = "Link tokens for the hosted link page, and OAuth clients at providers."),
        (name = "Mappings", description = "Custom unified fields, computed by JSONata expressions."),
        (name = "Syncs", description = "Runs of the directory sync, which update the stored copies of directories."),
        (name = "Reconciliations", description = "Plans that bring a directory to a desired state, and their application."),
        (name = "Policies", description = "Rules for directories, what violates them, and reviews of access."),
        (name = "Rule sets", description = "Rules that map attributes of people to workspaces, roles and groups."),
        (name = "Jobs", description = "Background jobs, such as runs of the directory sync."),
        (name = "Events", description = "Changes of integrated accounts and in their directories, in one feed."),
        (name = "Webhooks", description = "Endpoints that receive events by HTTP, and the deliveries to them."),
        (name = "Administration", description = "API keys, environments and the audit log."),
        (name = "Health", description = "Probes for load balancers and orchestrators."),
    ),
    security(("key" = [])),
    components(schemas(Expansion, OnConflict, ProblemBody, ResponseFormat)),
    modifiers(&BearerAuth, &ProblemResponses),
)]
struct DocumentFrame;

struct BearerAuth;

impl Modify for BearerAuth {
    fn modify(&self, document: &mut OpenApi) {
        let components = document.components.get_or_insert_default();
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("An API key (`sb_live_…`) or an account token (`sb_acct_…`)."));
        components.add_security_scheme("key", SecurityScheme::Http(scheme.build()));
    }
}

/// Returns the frame that the router adds its operations to.
pub(super) fn frame() -> OpenApi {
    let mut frame = DocumentFrame::openapi();
    env!("CARGO_PKG_VERSION").clone_into(&mut frame.info.version);
    frame
}

/// Names the scope that each operation requires. `tests/it/isolation.rs` compares it with what the routes enforce.
pub(super) fn describe_scopes(document: &mut OpenApi) {
    for (path, item) in &mut document.paths.paths {
        let is_under = |paths: &[&str]| paths.iter().any(|one| path.starts_with(one));
        let is_reading = READING_CHANGES.iter().any(|end| path.ends_with(end));
        let read = if is_under(&ADMIN_ROUTES) { Scope::Admin } else { Scope::Read };
        let change = match (is_reading, is_under(&ADMIN_ROUTES) || is_under(&ADMIN_CHANGES)) {
            (true, _) => Scope::Read,
            (false, true) => Scope::Admin,
            (false, false) => Scope::Write,
        };
        let PathItem { get, put, post, patch, delete, .. } = item;
        let changes = [put, post, patch, delete].map(|operation| (operation, change));
        for (operation, scope) in changes.into_iter().chain([(get, read)]) {
            let Some(operation) = operation else { continue };
            let requirement = || vec![SecurityRequirement::new("key", [scope.name()])];
            operation.security.get_or_insert_with(requirement);
        }
    }
}

/// Adds the header `Idempotency-Key` to every operation that changes something.
pub(super) fn describe_idempotency(document: &mut OpenApi) {
    let header = ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .description(Some(
            "Idempotency key. For 24 hours, repeating the request with the same key returns the stored \
             response, marked `Idempotency-Replayed: true`.",
        ))
        .required(Required::False)
        .schema(Some(
            ObjectBuilder::new()
                .schema_type(Type::String)
                .min_length(Some(1))
                .max_length(Some(MAX_KEY_CHARS))
                .pattern(Some("^[!-~]+$")),
        ))
        .build();
    for item in document.paths.paths.values_mut() {
        let PathItem { post, put, patch, delete, .. } = item;
        for operation in [post, put, patch, delete].into_iter().flatten() {
            operation.parameters.get_or_insert_default().push(header.clone().into());
        }
    }
}

/// Corrects optional bodies: a request may have no body, but a body must not be `null`.
pub(super) fn describe_optional_bodies(document: &mut OpenApi) {
    let operations = document.paths.paths.values_mut().filter_map(|item| item.post.as_mut());
    for body in operations.filter_map(|operation| operation.request_body.as_mut()) {
        let RefOr::T(body) = body else { continue };
        for content in body.content.values_mut() {
            let RefOr::T(content) = content else { continue };
            let Some(RefOr::T(Schema::OneOf(choices))) = &content.schema else { continue };
            let mut named = choices.items.iter().filter(|one| matches!(one, RefOr::Ref(_)));
            if let (Some(only), None) = (named.next().cloned(), named.next()) {
                content.schema = Some(only);
            }
        }
    }
}

/// The document as it is served. It is built for the first request that needs it.
#[derive(Clone)]
pub(super) struct ServedDocument {
    build: fn() -> OpenApi,
    /// Only its bytes stay in memory: as a tree it takes many times their size.
    json: Arc<OnceLock<Bytes>>,
    text: Arc<OnceLock<ServedText>>,
}

impl ServedDocument {
    /// Creates one of the document that `build` returns.
    pub(super) fn new(build: fn() -> OpenApi) -> Self {
        Self { build, json: Arc::default(), text: Arc::default() }
    }

    /// Parses the document, for the HTML pages about it.
    pub(super) fn parse(&self) -> Value {
        serde_json::from_slice(self.json()).unwrap_or_default()
    }

    fn json(&self) -> &Bytes {
        self.json.get_or_init(|| serde_json::to_vec(&(self.build)()).unwrap_or_default().into())
    }

    fn compressed(&self) -> &ServedText {
        self.text.get_or_init(|| ServedText::keeping(self.json()))
    }
}

/// Serves `/openapi.json`.
pub(super) async fn show_document(
    Extension(document): Extension<ServedDocument>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let served = tokio::task::spawn_blocking(move || {
        // It changes with the program: clients ask each time whether it did.
        let cached = HeaderValue::from_static("no-cache");
        document.compressed().respond(&headers, "application/json", cached)
    });
    served.await.map_err(|error| {
        tracing::error!(%error, "the OpenAPI document was not compressed");
        Problem::new(ProblemKind::Internal, "The OpenAPI document is not available.")
    })
}
