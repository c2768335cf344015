//! What the server does, and what it announces.

use std::time::Duration;

use serde_json::Value;

use super::SCIM_TOKEN;
use super::schemas::standard_schemas;

/// A client of the server's token endpoint.
#[derive(Debug, Clone)]
pub(crate) struct OAuthGrant {
    /// Client id.
    pub(crate) client_id: String,
    /// Client secret.
    pub(crate) client_secret: String,
    /// Lifetime of its tokens, in seconds.
    pub(crate) lifetime_s: u64,
    /// Whether the endpoint accepts the secret in the body only, and not in `Authorization`.
    pub(crate) secret_in_body: bool,
}

/// Options of the server.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent behaviour of a server")]
pub(crate) struct ScimOptions {
    /// Bearer tokens that it accepts.
    pub(crate) tokens: Vec<String>,
    /// User name and password that it accepts.
    pub(crate) basic: Option<(String, String)>,
    /// The client of its token endpoint.
    pub(crate) oauth: Option<OAuthGrant>,
    /// Whether it accepts and announces PATCH.
    pub(crate) patch: bool,
    /// Whether it responds to PATCH with 204.
    pub(crate) patch_without_body: bool,
    /// Whether it applies filters; otherwise it ignores them.
    pub(crate) filter: bool,
    /// Whether it announces filters; `None` for the truth.
    pub(crate) announced_filter: Option<bool>,
    /// The announced maximum number of results of a filter.
    pub(crate) filter_max: u64,
    /// Whether it announces bulk operations.
    pub(crate) bulk: bool,
    /// Whether it announces sorting.
    pub(crate) sort: bool,
    /// Whether it sends versions and checks `If-Match`.
    pub(crate) etag: bool,
    /// Whether it rejects changes without `If-Match`.
    pub(crate) requires_if_match: bool,
    /// Maximum rows of a page.
    pub(crate) max_page: Option<usize>,
    /// Rows of a page without `count`.
    pub(crate) default_page: usize,
    /// Whether it returns the first page whatever `startIndex` is.
    pub(crate) ignores_start_index: bool,
    /// Whether it honours `attributes` and `excludedAttributes`.
    pub(crate) attributes: bool,
    /// Whether it has the discovery endpoints.
    pub(crate) discovery: bool,
    /// Its schemas.
    pub(crate) schemas: Vec<Value>,
    /// Whether it rejects attributes that its schemas lack, and changes of read-only ones.
    pub(crate) is_strict: bool,
    /// Whether it has groups.
    pub(crate) groups: bool,
    /// Id of the user of `/Me`; `None` when it has no such path.
    pub(crate) me: Option<String>,
    /// Media type of its responses.
    pub(crate) media_type: &'static str,
    /// Time before each response.
    pub(crate) delay: Duration,
}

impl Default for ScimOptions {
    /// A complete server: it announces what it can do, and accepts [`SCIM_TOKEN`].
    fn default() -> Self {
        Self {
            tokens: vec![SCIM_TOKEN.to_owned()],
            basic: None,
            oauth: None,
            patch: true,
            patch_without_body: false,
            filter: true,
            announced_filter: None,
            filter_max: 200,
            bulk: false,
            sort: false,
            etag: false,
            requires_if_match: false,
            max_page: None,
            default_page: 100,
            ignores_start_index: false,
            attributes: true,
            discovery: true,
            schemas: standard_schemas(),
            is_strict: false,
            groups: true,
            me: None,
            media_type: "application/scim+json",
            delay: Duration::ZERO,
        }
    }
}
