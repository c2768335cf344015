//! A SCIM server's own API, passed through: `Users`, `Groups/…`, `ServiceProviderConfig`, whatever is below
//! the account's address.

use http::{HeaderMap, Method};

use super::Scim;
use super::api::{base, safety};
use crate::connectors::path::{Base, is_plain};
use crate::connectors::{Passthrough, UnknownPath};
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
        let unknown = || UnknownPath { reason: KNOWN };
        let base = base(base_url).filter(|_| is_plain(path)).ok_or_else(unknown)?;
        let base = Base::of(&base).ok_or_else(unknown)?;
        let kind = path.split('/').next().unwrap_or_default().to_ascii_lowercase();
        Ok(Box::new(ProviderRequest {
            name: format!("scim.{kind}.{}", method.as_str().to_ascii_lowercase()).into(),
            method: method.clone(),
            uri: base.at(path, query).ok_or_else(unknown)?,
            headers: HeaderMap::new(),
            body: RequestBody::Empty,
            budgets: self.budgets(),
            safety: safety(method),
            carried: Carried::AccessToken,
        }))
    }
}
