//! Proxies a SCIM server's own API: `Users`, `Groups/…`, `ServiceProviderConfig`, every path below the account's base
//! URL.

use http::{HeaderMap, Method};
use url::Url;

use super::ScimConnector;
use super::api::idempotency;
use super::classify::parse_base_url;
use crate::connectors::path::{BaseUrl, check_path, scim_name};
use crate::connectors::{Passthrough, UnknownPath, UrlTarget};
use crate::upstream::{ProviderRequest, RequestBody, RequestToken};

const KNOWN_PATHS: &str =
    "the provider's paths are those below its base URL, such as Users/ID, without dot segments";

impl Passthrough for ScimConnector {
    fn route(
        &self,
        base_url: Option<&str>,
        method: &Method,
        path: &str,
        query: Option<&str>,
    ) -> Result<Box<ProviderRequest>, UnknownPath> {
        let refused = |reason| UnknownPath { reason, known: KNOWN_PATHS };
        let unknown = || refused(UnknownPath::NO_SUCH_PATH);
        check_path(path).map_err(refused)?;
        let base =
            parse_base_url(base_url).and_then(|url| BaseUrl::from_url(&url)).ok_or_else(unknown)?;
        Ok(Box::new(ProviderRequest {
            name: scim_name(method, path).into(),
            method: method.clone(),
            uri: base.join(path, query).ok_or_else(unknown)?,
            headers: HeaderMap::new(),
            body: RequestBody::Empty,
            buckets: self.budgets(),
            idempotency: idempotency(method),
            token: RequestToken::AccessToken,
        }))
    }

    fn classify_url(&self, base_url: Option<&str>, url: &Url) -> UrlTarget {
        let base = parse_base_url(base_url).and_then(|url| BaseUrl::from_url(&url));
        base.map_or(UrlTarget::OtherHost, |base| base.classify_url(url))
    }
}
