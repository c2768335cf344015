//! The use cases of the unified API: a page of a resource, one of a resource, a raw call.
//!
//! What a provider can't do is answered here, once, from the facets its connector has.

mod cursor;
pub mod passthrough;
mod resource;
mod shape;
mod writes;

pub use resource::Resource;
pub use shape::{ResponseFormat, Shape};
pub use writes::SignOut;

use serde_json::value::RawValue;

use crate::connectors::{CallContext, Connector, ConnectorError, Kind};
use crate::domain::page::{Page, PageRequest};
use crate::domain::provider::Provider;
use crate::vault::Signer;

/// Why a use case failed.
#[derive(Debug, thiserror::Error)]
pub enum UnifiedError {
    /// The provider's call failed.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    /// The provider has no such resource.
    #[error("{provider} has no {resource}")]
    Unsupported {
        /// The provider.
        provider: Provider,
        /// The resource.
        resource: &'static str,
    },
    /// The cursor is not one of ours, or not for this list, or too old for the provider.
    #[error("the cursor can't be used here")]
    InvalidCursor,
    /// There is nothing with that id.
    #[error("no such {resource}")]
    NotFound {
        /// The resource.
        resource: &'static str,
    },
}

/// An account's directory, for one request.
#[derive(Clone, Copy)]
pub struct Directory<'a> {
    /// The account and the way out.
    pub cx: CallContext<'a>,
    /// What its provider can do.
    pub connector: &'a dyn Connector,
    /// What signs cursors.
    pub signer: &'a Signer,
}

impl std::fmt::Debug for Directory<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory").field("account", &self.cx.account.id).finish_non_exhaustive()
    }
}

impl Directory<'_> {
    /// One page of a resource, shaped for the caller.
    ///
    /// # Errors
    ///
    /// `InvalidCursor` for a cursor of another list or account; else what the provider said.
    pub async fn list<T: Resource>(
        &self,
        limit: u16,
        cursor: Option<&str>,
        shape: &Shape,
    ) -> Result<Page<Box<RawValue>, String>, UnifiedError> {
        let facet = self.facet::<T>()?;
        let list = cursor::List { account: self.cx.account.id, resource: T::NAME };
        let position = cursor.map(|text| list.open(self.signer, text)).transpose()?;
        let page = facet.list(&self.cx, PageRequest { position, limit }).await;
        let page = page.map_err(|error| {
            let is_stale = error.kind == Kind::InvalidCursor;
            if is_stale { UnifiedError::InvalidCursor } else { error.into() }
        })?;
        let next = page.next.map(|next| list.seal(self.signer, &next));
        let items = page.items.into_iter().map(|record| shape.apply(record)).collect();
        Ok(Page { items, next })
    }

    /// The thing with that id, shaped for the caller.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is none; else what the provider said.
    pub async fn get<T: Resource>(
        &self,
        id: &str,
        shape: &Shape,
    ) -> Result<Box<RawValue>, UnifiedError> {
        let found = self.facet::<T>()?.get(&self.cx, id).await?;
        found
            .map(|record| shape.apply(record))
            .ok_or(UnifiedError::NotFound { resource: T::SINGULAR })
    }

    fn facet<T: Resource>(&self) -> Result<&dyn crate::connectors::Reads<T>, UnifiedError> {
        T::facet(self.connector).ok_or(UnifiedError::Unsupported {
            provider: self.connector.provider(),
            resource: T::NAME,
        })
    }
}
