//! A SCIM server's own API, passed through: `Users`, `Groups/…`, `ServiceProviderConfig`, whatever is below
//! the account's address.

use http::{HeaderMap, Method};
use url::Url;

use super::Scim;
use super::api::safety;
use super::dialect::base;
use crate::connectors::path::{Base, check, scim_name};
use crate::connectors::{Passthrough, Reach, UnknownPath};
use crate::upstream::{Carried, ProviderRequest, RequestBody};

const KNOWN: &str =
    "the provider's paths are those below its base URL, such as Users/ID, without dot segments";

impl Passthrough for Scim {
    fn route(
        &self,
        base_url: Option<&str>,
        method: &Method,
        path: &str,
        query: Option<&str>,
    ) -> Result<Box<ProviderRequest>, UnknownPath> {
        let refused = |reason| UnknownPath { reason, known: KNOWN };
        let unknown = || refused(UnknownPath::NOT_ONE);
        check(path).map_err(refused)?;
        let base = base(base_url).and_then(|url| Base::of(&url)).ok_or_else(unknown)?;
        Ok(Box::new(ProviderRequest {
            name: scim_name(method, path).into(),
            method: method.clone(),
            uri: base.at(path, query).ok_or_else(unknown)?,
            headers: HeaderMap::new(),
            body: RequestBody::Empty,
            budgets: self.budgets(),
            safety: safety(method),
            carried: Carried::AccessToken,
        }))
    }

    fn reach(&self, base_url: Option<&str>, url: &Url) -> Reach {
        let base = base(base_url).and_then(|url| Base::of(&url));
        base.map_or(Reach::Elsewhere, |base| base.reach(url))
    }
}
