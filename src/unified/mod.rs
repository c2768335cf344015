//! The use cases of the unified API: list a resource, get one object, change objects, proxy a call.
//!
//! Whether a provider supports a resource is decided here, by the capabilities of its connector.

mod changes;
pub mod cursor;
mod discovery;
pub mod mapping;
mod members;
pub mod passthrough;
mod resource;
mod response_format;
mod workspace_names;

pub use changes::{
    AuditTrail, ChangeResult, ChangeStep, Changes, MatchedBy, ObjectOrigin, OnConflict, SignOut,
};
pub use discovery::{AccountDiscovery, DiscoveryServices};
pub use resource::Resource;
pub use response_format::{RenderOptions, RenderedResource, ResponseFormat};
pub use workspace_names::WorkspaceNames;

use serde_json::value::RawValue;

use self::mapping::Warning;
use crate::connectors::paging::{EndlessList, PageHistory};
use crate::connectors::{
    CallContext, Connector, ConnectorError, ErrorKind, ListRequest, PageToken, ReadResource,
    Unified,
};
use crate::domain::filter::{Expand, Filter as _, RemoteQuery};
use crate::domain::mapping::Mapping;
use crate::domain::page::{Page, PageRequest};
use crate::domain::patch::ValidationError;
use crate::domain::provider::Provider;
use crate::expressions::ExpressionPool;
use crate::store::StoreError;
use crate::vault::Signer;

/// Why a use case failed.
#[derive(Debug, thiserror::Error)]
pub enum UnifiedError {
    /// The provider's call failed.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    /// The provider does not support the resource.
    #[error("{provider} has no {resource}")]
    Unsupported {
        /// The provider.
        provider: Provider,
        /// The resource.
        resource: &'static str,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The request is invalid.
    #[error("the request has {} validation errors", .0.len())]
    Invalid(Vec<ValidationError>),
    /// The user to create exists already.
    #[error("{id} exists already")]
    Exists {
        /// The existing user's id.
        id: String,
        /// The provider's error.
        #[source]
        error: ConnectorError,
    },
    /// The cursor is not signed by this gateway, or of another list, or expired at the provider.
    #[error("the cursor is invalid for this list")]
    InvalidCursor,
    /// There is no object with that id.
    #[error("no such {resource}")]
    NotFound {
        /// The resource.
        resource: &'static str,
    },
}

impl UnifiedError {
    /// Whether the object was not found, here or at the provider.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::NotFound { .. } => true,
            Self::Connector(error) => error.kind == ErrorKind::NotFound,
            Self::Unsupported { .. }
            | Self::Store(_)
            | Self::Invalid(_)
            | Self::Exists { .. }
            | Self::InvalidCursor => false,
        }
    }
}

/// The parameters of a list request, independent of the provider.
#[derive(Debug)]
pub struct ListParams<T: Resource> {
    /// The maximum number of rows.
    pub limit: u16,
    /// The cursor of the preceding page; `None` for the first page.
    pub cursor: Option<String>,
    /// The filter.
    pub filter: T::Filter,
    /// The requested expansions.
    pub expand: Expand,
    /// Arguments passed to the provider's own list call.
    pub remote_query: RemoteQuery,
}

/// An object rendered for the caller.
#[derive(Debug)]
pub struct Rendered {
    /// The object, as JSON.
    pub resource: Box<RawValue>,
    /// The provider's rows that could not be read, and the custom fields that could not be computed.
    pub warnings: Vec<Warning>,
}

/// A page of objects rendered for the caller.
#[derive(Debug)]
pub struct RenderedPage<T> {
    /// The objects and the next cursor.
    pub page: Page<RenderedResource<T>, String>,
    /// The provider's rows that could not be read, and the custom fields that could not be computed.
    pub warnings: Vec<Warning>,
}

/// An account's directory, for one request.
#[derive(Clone, Copy)]
pub struct Directory<'a> {
    /// The account, and the client for provider calls.
    pub cx: CallContext<'a>,
    /// The provider's connector.
    pub connector: &'a dyn Connector,
    /// Signs cursors.
    pub signer: &'a Signer,
    /// The custom fields of the account.
    pub mappings: &'a [Mapping],
    /// Computes them.
    pub expressions: &'a ExpressionPool,
    /// Names of the workspaces that rows refer to.
    pub workspace_names: &'a WorkspaceNames,
}

impl std::fmt::Debug for Directory<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory").field("account", &self.cx.account.id).finish_non_exhaustive()
    }
}

impl Directory<'_> {
    /// Returns one page of the rows that match the filter.
    ///
    /// # Errors
    ///
    /// `InvalidCursor` for a cursor of another list or account, `Unsupported`, or the provider's error.
    pub async fn list<T: Resource>(
        &self,
        params: &ListParams<T>,
        shape: &RenderOptions,
    ) -> Result<RenderedPage<T>, UnifiedError> {
        let reader = self.reader::<T>()?;
        let ListParams { limit, cursor, filter, expand, remote_query } = params;
        let query = serde_json::to_string(&(filter, expand, remote_query)).unwrap_or_default();
        let list = cursor::ListScope { account: self.cx.account.id, resource: T::NAME, query };
        let cursor = cursor.as_deref();
        let opened = cursor.map(|text| list.open(self.signer, text)).transpose()?;
        let (position, mut trail) =
            opened.map_or_else(Default::default, |(position, trail)| (Some(position), trail));
        let page = PageRequest { token: position, limit: *limit };
        let page = reader.list(&self.cx, ListRequest { page, filter, expand, remote_query }).await;
        let page = page.map_err(|error| {
            let is_stale = error.kind == ErrorKind::InvalidCursor;
            if is_stale { UnifiedError::InvalidCursor } else { error.into() }
        })?;
        Self::check_page(&mut trail, &page).map_err(|endless| self.endless_list::<T>(endless))?;
        let next = page.next.map(|next| list.seal(self.signer, &next, &trail));
        let wanted = page.items.into_iter().filter(|record| filter.matches(&record.resource));
        let (items, warnings) = self.render(wanted.collect(), shape).await;
        Ok(RenderedPage {
            page: Page { items, next },
            warnings: [self.unreadable_row_warnings(), warnings].concat(),
        })
    }

    /// Adds a page to the history of its list; fails when the list repeats or is too long.
    fn check_page<T: Resource>(
        trail: &mut PageHistory,
        page: &Page<Unified<T>, PageToken>,
    ) -> Result<(), EndlessList> {
        let Some(next) = &page.next else { return Ok(()) };
        trail.check_rows(page.items.iter().map(|record| record.resource.id()))?;
        trail.visit(&next.0)
    }

    /// Returns the error of a list without an end.
    fn endless_list<T: Resource>(&self, endless: EndlessList) -> UnifiedError {
        let provider = self.connector.provider();
        let error = ConnectorError::new(provider, T::NAME, ErrorKind::ProviderError);
        error.with_defect(endless.reason()).into()
    }

    /// Returns warnings for the provider's rows that could not be read so far, and for lists that may have more rows.
    fn unreadable_row_warnings(&self) -> Vec<Warning> {
        let (rows, further) = self.cx.unreadable_rows.take();
        let more = (further > 0).then(|| Warning::of_further_rows(further));
        let lists = self.cx.unreadable_rows.take_incomplete().into_iter().map(Warning::of_list);
        rows.into_iter().map(Warning::of_row).chain(more).chain(lists).collect()
    }

    /// Returns the object with that id.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is none, `Unsupported`, or the provider's error.
    pub async fn get<T: Resource>(
        &self,
        id: &str,
        shape: &RenderOptions,
    ) -> Result<Rendered, UnifiedError> {
        let missing = || UnifiedError::NotFound { resource: T::SINGULAR };
        let found = self.reader::<T>()?.get(&self.cx, id).await?.ok_or_else(missing)?;
        self.render_one(found, shape).await.ok_or_else(missing)
    }

    /// Renders one record as one object.
    async fn render_one<T: Resource>(
        &self,
        record: Unified<T>,
        shape: &RenderOptions,
    ) -> Option<Rendered> {
        let (mut things, warnings) = self.render(vec![record], shape).await;
        let warnings = [self.unreadable_row_warnings(), warnings].concat();
        Some(Rendered { resource: things.pop()?.into_raw(), warnings })
    }

    /// Renders records, with the names of their workspaces and their custom fields.
    async fn render<T: Resource>(
        &self,
        mut records: Vec<Unified<T>>,
        shape: &RenderOptions,
    ) -> (Vec<RenderedResource<T>>, Vec<Warning>) {
        let mut unnamed = None;
        if shape.format != ResponseFormat::Raw {
            // Boxed to keep this future small: it seldom has to read anything.
            unnamed = Box::pin(self.name_workspaces(&mut records)).await;
        }
        let records = records.into_iter();
        let mapped = |mapping: &&Mapping| mapping.resource.name() == T::NAME;
        let mappings: Vec<&Mapping> = self.mappings.iter().filter(mapped).collect();
        if mappings.is_empty() || shape.format == ResponseFormat::Raw {
            let things = records.map(|record| shape.render(record)).collect();
            return (things, unnamed.into_iter().collect());
        }
        let objects = records.map(|Unified { resource: unified, remote }| {
            let unified = match serde_json::to_value(unified) {
                Ok(serde_json::Value::Object(fields)) => fields,
                _ => serde_json::Map::new(),
            };
            (unified, remote)
        });
        let objects: Vec<_> = objects.collect();
        let environment_id = self.cx.account.environment_id;
        let (fields, mut warnings) =
            mapping::apply(self.expressions, environment_id, &mappings, &objects).await;
        warnings.extend(unnamed);
        let shown = objects.into_iter().zip(fields);
        let shown = shown.map(|((unified, remote), fields)| {
            RenderedResource::Json(shape.render_fields(unified, fields, remote.as_ref()))
        });
        (shown.collect(), warnings)
    }

    /// Returns the identity behind the account's token.
    ///
    /// # Errors
    ///
    /// The provider's error.
    pub async fn me(&self, shape: &RenderOptions) -> Result<Box<RawValue>, UnifiedError> {
        let provider = self.connector.provider();
        let reader = self.connector.identity();
        let reader = reader.ok_or(UnifiedError::Unsupported { provider, resource: "identity" })?;
        Ok(shape.render(reader.me(&self.cx).await?).into_raw())
    }

    fn reader<T: Resource>(&self) -> Result<&dyn ReadResource<T>, UnifiedError> {
        T::reader(self.connector).ok_or(UnifiedError::Unsupported {
            provider: self.connector.provider(),
            resource: T::NAME,
        })
    }
}
