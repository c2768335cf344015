//! Reads the copy: lists, single objects, history. Objects have the same fields as those read from the provider, with
//! everything that an expansion would add.

mod complete;
mod criteria;
mod history;
mod snapshot;

use serde_json::value::RawValue;
use time::{Duration, OffsetDateTime};

pub use criteria::{CopyFilter, CopyOptions, SortField, SortOrder};
pub use history::{HistoryChange, HistoryEntry};
pub use snapshot::CopySnapshot;

use self::complete::complete;
use crate::connectors::PageToken;
use crate::connectors::paging::PageHistory;
use crate::domain::account::IntegratedAccount;
use crate::domain::mapping::Mapping;
use crate::domain::sync::CopyKind;
use crate::expressions::ExpressionPool;
use crate::store::{CopyFreshness, CopyQuery, CopyRow, CopySort, StoreError, TenantDb};
use crate::unified::cursor::ListScope;
use crate::unified::mapping::{self, MappingInput, Warning};
use crate::unified::{RenderOptions, ResponseFormat};
use crate::vault::Signer;

/// Why the copy was not read.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// There is no complete copy of the resource.
    #[error("the account has no synced copy of {0}")]
    NotSynced(&'static str),
    /// The copy has no history of that time.
    #[error("as_of must be between {from} and {to}")]
    OutOfRange {
        /// The beginning of the history.
        from: OffsetDateTime,
        /// Now.
        to: OffsetDateTime,
    },
    /// The cursor is of another list, or was changed.
    #[error("the cursor is invalid for this list")]
    InvalidCursor,
    /// The copy does not have the provider's own objects.
    #[error("the copy has no provider objects")]
    NoRemoteData,
    /// There is no object with that id.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The copy of an account's directory, for one request.
#[derive(Clone, Copy)]
pub struct SyncedCopy<'a> {
    /// The environment's rows.
    pub db: &'a TenantDb,
    /// The account.
    pub account: &'a IntegratedAccount,
    /// Signs cursors.
    pub signer: &'a Signer,
    /// The custom fields of the account.
    pub mappings: &'a [Mapping],
    /// Computes them.
    pub expressions: &'a ExpressionPool,
    /// The time.
    pub now: OffsetDateTime,
}

impl std::fmt::Debug for SyncedCopy<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SyncedCopy").field("account", &self.account.id).finish_non_exhaustive()
    }
}

/// A page of the copy.
#[derive(Debug)]
pub struct CopyPage {
    /// The objects.
    pub items: Vec<Box<RawValue>>,
    /// The cursor of the next page; `None` at the end.
    pub next: Option<String>,
    /// The number of all objects, when requested.
    pub total: Option<i64>,
    /// The copy is at least as recent as this; the requested time for a page of the past.
    pub synced_at: OffsetDateTime,
    /// The custom fields that could not be computed.
    pub warnings: Vec<Warning>,
}

/// The resource of a list of the copy.
#[derive(Debug, Clone, Copy)]
pub struct CopiedResource {
    /// The kind of its objects.
    pub kind: CopyKind,
    /// The name in paths.
    pub name: &'static str,
    /// The singular, for messages.
    pub singular: &'static str,
}

/// The page of a list.
#[derive(Debug, Clone, Copy)]
pub struct CopyPageRequest<'a> {
    /// The maximum number of objects.
    pub limit: u16,
    /// The cursor of the preceding page; `None` for the first page.
    pub cursor: Option<&'a str>,
}

impl SyncedCopy<'_> {
    /// Returns how recent the copy of a resource is; `None` when there is none.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn freshness(&self, kind: CopyKind) -> Result<Option<CopyFreshness>, StoreError> {
        self.db.copy_freshness(self.account.id, kind.resource().kinds()).await
    }

    /// Returns one page of the objects that match a filter. `query` is the text of the filter, which the cursor is
    /// bound to.
    ///
    /// # Errors
    ///
    /// See [`CopyError`].
    pub async fn list(
        &self,
        resource: CopiedResource,
        page: CopyPageRequest<'_>,
        (filter, query): (&impl CopyFilter, &str),
        options: &CopyOptions,
        shape: &RenderOptions,
    ) -> Result<CopyPage, CopyError> {
        check_shape(shape)?;
        let synced_at = self.check_time(resource, options.as_of).await?;
        let limit = i64::from(page.limit);
        let mut wanted = CopyQuery::all(resource.kind, limit + 1);
        filter.restrict(&mut wanted);
        options_to_query(options, &mut wanted);
        let options_text = serde_json::to_string(options).unwrap_or_default();
        let list = ListScope {
            account: self.account.id,
            resource: resource.name,
            query: format!("synced\n{query}\n{options_text}"),
        };
        let opened = page.cursor.map(|cursor| list.open(self.signer, cursor)).transpose();
        if let Some((position, _)) = opened.map_err(|_| CopyError::InvalidCursor)? {
            let position =
                serde_json::from_str(&position.0).map_err(|_| CopyError::InvalidCursor)?;
            match position {
                Position::Offset(offset) => wanted.offset = offset,
                Position::After(key, id) => wanted.after = Some((key, id)),
            }
        }
        let mut rows = self.db.copied_objects(self.account.id, &wanted).await?;
        let has_more = rows.len() > usize::from(page.limit);
        rows.truncate(page.limit.into());
        let final_row = rows.last().filter(|_| has_more);
        let next = final_row.map(|row| {
            list.seal(self.signer, &position(&wanted, row, limit), &PageHistory::default())
        });
        let total = if options.include_total {
            Some(self.db.count_copied_objects(self.account.id, &wanted).await?)
        } else {
            None
        };
        let objects =
            complete(self.db, self.account.id, resource.kind, rows, options.as_of).await?;
        let (items, warnings) = self.render(resource, objects, shape).await;
        Ok(CopyPage { items, next, total, synced_at, warnings })
    }

    /// Returns one object, and how recent it is.
    ///
    /// # Errors
    ///
    /// See [`CopyError`].
    pub async fn get(
        &self,
        resource: CopiedResource,
        id: &str,
        as_of: Option<OffsetDateTime>,
        shape: &RenderOptions,
    ) -> Result<(Box<RawValue>, OffsetDateTime, Vec<Warning>), CopyError> {
        check_shape(shape)?;
        let synced_at = self.check_time(resource, as_of).await?;
        let wanted =
            CopyQuery { id: Some(id.to_owned()), as_of, ..CopyQuery::all(resource.kind, 1) };
        let rows = self.db.copied_objects(self.account.id, &wanted).await?;
        let objects = complete(self.db, self.account.id, resource.kind, rows, as_of).await?;
        let (items, warnings) = self.render(resource, objects, shape).await;
        let item = items.into_iter().next().ok_or(CopyError::NotFound(resource.singular))?;
        Ok((item, synced_at, warnings))
    }

    /// Checks that the copy has the requested time; returns how recent it is.
    ///
    /// # Errors
    ///
    /// `NotSynced`, `OutOfRange`, or `Store`.
    pub async fn check_time(
        &self,
        resource: CopiedResource,
        as_of: Option<OffsetDateTime>,
    ) -> Result<OffsetDateTime, CopyError> {
        let freshness = self.freshness(resource.kind).await?;
        let freshness = freshness.ok_or(CopyError::NotSynced(resource.name))?;
        let Some(as_of) = as_of else { return Ok(freshness.synced_at) };
        let settings = self.db.sync_settings(self.account.id).await?.unwrap_or_default();
        let kept = self.now - Duration::days(settings.history_days.into());
        let (from, to) =
            (freshness.first_synced_at.max(kept), self.now.max(freshness.first_synced_at));
        if as_of < from || as_of > to {
            return Err(CopyError::OutOfRange { from, to });
        }
        Ok(as_of)
    }

    /// Renders objects, with their custom fields.
    async fn render(
        &self,
        resource: CopiedResource,
        objects: Vec<(String, String)>,
        shape: &RenderOptions,
    ) -> (Vec<Box<RawValue>>, Vec<Warning>) {
        let mappings: Vec<&Mapping> = self
            .mappings
            .iter()
            .filter(|mapping| mapping.resource.name() == resource.name)
            .collect();
        if mappings.is_empty() {
            let items = objects.into_iter().map(|(_, body)| shape.render_text(body, Vec::new()));
            return (items.collect(), Vec::new());
        }
        let inputs: Vec<MappingInput<Box<RawValue>>> = objects
            .iter()
            .map(|(_, body)| (serde_json::from_str(body).unwrap_or_default(), None))
            .collect();
        let environment_id = self.account.environment_id;
        let (fields, warnings) =
            mapping::apply(self.expressions, environment_id, &mappings, &inputs).await;
        let items = objects.into_iter().zip(fields);
        (items.map(|((_, body), fields)| shape.render_text(body, fields)).collect(), warnings)
    }
}

/// A position in a list.
#[derive(serde::Serialize, serde::Deserialize)]
enum Position {
    /// Behind so many objects of a search.
    #[serde(rename = "o")]
    Offset(i64),
    /// Behind the object with this sorted value and id.
    #[serde(rename = "a")]
    After(String, String),
}

/// Returns the position behind the last row of a page.
fn position(query: &CopyQuery, last: &CopyRow, limit: i64) -> PageToken {
    let position = match query.search {
        Some(_) => Position::Offset(query.offset + limit),
        None => Position::After(last.key.clone(), last.id.clone()),
    };
    PageToken(serde_json::to_string(&position).unwrap_or_default())
}

fn options_to_query(options: &CopyOptions, query: &mut CopyQuery) {
    let lower = |text: &Option<String>| text.as_ref().map(|text| text.trim().to_lowercase());
    query.as_of = options.as_of;
    query.user.department = lower(&options.department);
    query.user.title = lower(&options.title);
    query.user.manager_id.clone_from(&options.manager_id);
    query.user.inactive_since = options.inactive_since;
    if let Some(sort) = options.sort {
        query.sort = sort.by.column();
        query.descending = sort.descending;
    }
    // A search is sorted by rank, unless another order is requested: then it is a filter.
    if query.search.is_some() && query.sort != CopySort::Id {
        query.contains = query.search.take();
    }
}

fn check_shape(shape: &RenderOptions) -> Result<(), CopyError> {
    let needs_remote = shape.include_remote_data || shape.format == ResponseFormat::Raw;
    if needs_remote { Err(CopyError::NoRemoteData) } else { Ok(()) }
}
