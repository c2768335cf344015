//! The use cases of the unified API: a page of a resource, one of a resource, a raw call.
//!
//! What a provider can't do is answered here, once, from the facets its connector has.

mod changes;
pub mod cursor;
pub mod mapping;
mod members;
pub mod passthrough;
mod resource;
mod shape;
mod workspace_names;

pub use changes::{Changed, Changes, Journal, Made, MatchedBy, OnConflict, Part, SignOut};
pub use resource::Resource;
pub use shape::{ResponseFormat, Shape, Thing};
pub use workspace_names::WorkspaceNames;

use serde_json::value::RawValue;

use self::mapping::Warning;
use crate::connectors::paging::{Endless, Trail};
use crate::connectors::{
    CallContext, Connector, ConnectorError, Kind, Position, Question, Reads, Record,
};
use crate::domain::filter::{Expand, Filter as _, RemoteQuery};
use crate::domain::input::Flaw;
use crate::domain::mapping::Mapping;
use crate::domain::page::{Page, PageRequest};
use crate::domain::provider::Provider;
use crate::expressions::Expressions;
use crate::store::StoreError;
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
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The wish can't be granted.
    #[error("the wish has {} flaws", .0.len())]
    Flawed(Vec<Flaw>),
    /// Somebody new is there already.
    #[error("there is {id} already")]
    Exists {
        /// Who is there.
        id: String,
        /// What the provider said.
        #[source]
        error: ConnectorError,
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

impl UnifiedError {
    /// Whether there is no such object, here or at the provider.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::NotFound { .. } => true,
            Self::Connector(error) => error.kind == Kind::NotFound,
            Self::Unsupported { .. }
            | Self::Store(_)
            | Self::Flawed(_)
            | Self::Exists { .. }
            | Self::InvalidCursor => false,
        }
    }
}

/// The wish for one page of a list.
#[derive(Debug)]
pub struct ListWish<T: Resource> {
    /// The most rows.
    pub limit: u16,
    /// The cursor of the page before, for all but the first one.
    pub cursor: Option<String>,
    /// What the rows must be like.
    pub filter: T::Filter,
    /// What they are to bring beyond the fields that come for nothing.
    pub expand: Expand,
    /// Arguments for the provider's own list call.
    pub remote_query: RemoteQuery,
}

/// A thing, shaped for the caller.
#[derive(Debug)]
pub struct Shown {
    /// The thing.
    pub thing: Box<RawValue>,
    /// The provider's rows that could not be read, and the custom fields that could not be computed.
    pub warnings: Vec<Warning>,
}

/// A page of things, shaped for the caller.
#[derive(Debug)]
pub struct ShownPage<T> {
    /// The things.
    pub page: Page<Thing<T>, String>,
    /// The provider's rows that could not be read, and the custom fields that could not be computed.
    pub warnings: Vec<Warning>,
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
    /// The custom fields that hold for the account.
    pub mappings: &'a [Mapping],
    /// What computes them.
    pub expressions: &'a Expressions,
    /// What names the workspaces that rows refer to.
    pub workspace_names: &'a WorkspaceNames,
}

impl std::fmt::Debug for Directory<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory").field("account", &self.cx.account.id).finish_non_exhaustive()
    }
}

impl Directory<'_> {
    /// One page of the rows that the filter admits, shaped for the caller.
    ///
    /// # Errors
    ///
    /// `InvalidCursor` for a cursor of another list or account; else what the provider said.
    pub async fn list<T: Resource>(
        &self,
        wish: &ListWish<T>,
        shape: &Shape,
    ) -> Result<ShownPage<T>, UnifiedError> {
        let facet = self.facet::<T>()?;
        let ListWish { limit, cursor, filter, expand, remote_query } = wish;
        let question = serde_json::to_string(&(filter, expand, remote_query)).unwrap_or_default();
        let list = cursor::List { account: self.cx.account.id, resource: T::NAME, question };
        let cursor = cursor.as_deref();
        let opened = cursor.map(|text| list.open(self.signer, text)).transpose()?;
        let (position, mut trail) =
            opened.map_or_else(Default::default, |(position, trail)| (Some(position), trail));
        let page = PageRequest { position, limit: *limit };
        let page = facet.list(&self.cx, Question { page, filter, expand, remote_query }).await;
        let page = page.map_err(|error| {
            let is_stale = error.kind == Kind::InvalidCursor;
            if is_stale { UnifiedError::InvalidCursor } else { error.into() }
        })?;
        Self::guard(&mut trail, &page).map_err(|endless| self.endless::<T>(endless))?;
        let next = page.next.map(|next| list.seal(self.signer, &next, &trail));
        let wanted = page.items.into_iter().filter(|record| filter.admits(&record.unified));
        let (items, warnings) = self.show(wanted.collect(), shape).await;
        Ok(ShownPage {
            page: Page { items, next },
            warnings: [self.unreadable(), warnings].concat(),
        })
    }

    /// Takes a page for the trail of its list.
    fn guard<T: Resource>(
        trail: &mut Trail,
        page: &Page<Record<T>, Position>,
    ) -> Result<(), Endless> {
        let Some(next) = &page.next else { return Ok(()) };
        trail.rows(page.items.iter().map(|record| record.unified.id()))?;
        trail.step(&next.0)
    }

    /// The error of a list that has no end.
    fn endless<T: Resource>(&self, endless: Endless) -> UnifiedError {
        let provider = self.connector.provider();
        let error = ConnectorError::new(provider, T::NAME, Kind::Trouble);
        error.with_odd(endless.reason()).into()
    }

    /// The provider's rows that could not be read so far.
    fn unreadable(&self) -> Vec<Warning> {
        let (rows, further) = self.cx.unreadable_rows.take();
        let more = (further > 0).then(|| Warning::of_further_rows(further));
        rows.into_iter().map(Warning::of_row).chain(more).collect()
    }

    /// The thing with that id, shaped for the caller.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is none; else what the provider said.
    pub async fn get<T: Resource>(&self, id: &str, shape: &Shape) -> Result<Shown, UnifiedError> {
        let missing = || UnifiedError::NotFound { resource: T::SINGULAR };
        let found = self.facet::<T>()?.get(&self.cx, id).await?.ok_or_else(missing)?;
        let (mut things, warnings) = self.show(vec![found], shape).await;
        let warnings = [self.unreadable(), warnings].concat();
        Ok(Shown { thing: things.pop().ok_or_else(missing)?.into_raw(), warnings })
    }

    /// Records in the form wanted, with the names of their workspaces and their custom fields.
    async fn show<T: Resource>(
        &self,
        mut records: Vec<Record<T>>,
        shape: &Shape,
    ) -> (Vec<Thing<T>>, Vec<Warning>) {
        let mut unnamed = None;
        if shape.format != ResponseFormat::Raw {
            // Apart: it seldom has to read anything.
            unnamed = Box::pin(self.name_workspaces(&mut records)).await;
        }
        let records = records.into_iter();
        let mapped = |mapping: &&Mapping| mapping.resource.name() == T::NAME;
        let mappings: Vec<&Mapping> = self.mappings.iter().filter(mapped).collect();
        if mappings.is_empty() || shape.format == ResponseFormat::Raw {
            let things = records.map(|record| shape.apply(record)).collect();
            return (things, unnamed.into_iter().collect());
        }
        let objects = records.map(|Record { unified, remote }| {
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
            Thing::Shaped(shape.finish_mapped(unified, fields, remote.as_ref()))
        });
        (shown.collect(), warnings)
    }

    /// Whose token the account has, shaped for the caller.
    ///
    /// # Errors
    ///
    /// What the provider said.
    pub async fn me(&self, shape: &Shape) -> Result<Box<RawValue>, UnifiedError> {
        let provider = self.connector.provider();
        let facet = self.connector.identity();
        let facet = facet.ok_or(UnifiedError::Unsupported { provider, resource: "identity" })?;
        Ok(shape.apply(facet.me(&self.cx).await?).into_raw())
    }

    fn facet<T: Resource>(&self) -> Result<&dyn Reads<T>, UnifiedError> {
        T::facet(self.connector).ok_or(UnifiedError::Unsupported {
            provider: self.connector.provider(),
            resource: T::NAME,
        })
    }
}
