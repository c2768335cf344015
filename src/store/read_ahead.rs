//! Reads rows in pages, in two steps that overlap: the rows of the next page are read while the one before is completed,
//! and both while the caller works on the one before that.

use super::StoreError;
use super::running_query::RunningQuery;

/// What pages are read from.
pub trait PageSource: Clone + Send + Sync + 'static {
    /// The rows of a page.
    type Rows: Send + 'static;
    /// A page: its rows, with what belongs to them.
    type Page: Send + 'static;
    /// The place of a row in the order.
    type Place: Send + 'static;

    /// Reads the rows behind a row; `None` for those of the first page.
    ///
    /// # Errors
    ///
    /// When the database fails.
    fn read(
        &self,
        after: Option<Self::Place>,
    ) -> impl Future<Output = Result<Self::Rows, StoreError>> + Send;

    /// Returns the place of the last row; `None` without rows, which is the end.
    fn last(rows: &Self::Rows) -> Option<Self::Place>;

    /// Reads what belongs to rows.
    ///
    /// # Errors
    ///
    /// When the database fails.
    fn complete(
        &self,
        rows: Self::Rows,
    ) -> impl Future<Output = Result<Self::Page, StoreError>> + Send;
}

/// Pages that are read ahead, over up to two connections at once.
#[derive(Debug)]
pub struct ReadAhead<S: PageSource> {
    source: S,
    /// The next page.
    page: Option<RunningQuery<S::Page>>,
    /// The rows of the page after it.
    rows: Option<RunningQuery<S::Rows>>,
    is_started: bool,
}

impl<S: PageSource> ReadAhead<S> {
    /// Returns the pages of a source, of which none is read yet.
    #[must_use]
    pub fn new(source: S) -> Self {
        Self { source, page: None, rows: None, is_started: false }
    }

    /// Returns the next page, `None` at the end, and begins to read those after it.
    ///
    /// # Errors
    ///
    /// When the database fails; then there are no more pages.
    pub async fn next(&mut self) -> Result<Option<S::Page>, StoreError> {
        if !self.is_started {
            self.is_started = true;
            let first = self.source.read(None).await?;
            self.advance(first).await;
        }
        let (Some(page), Some(rows)) = (self.page.take(), self.rows.take()) else {
            return Ok(None);
        };
        let (page, rows) = (page.result().await?, rows.result().await?);
        self.advance(rows).await;
        Ok(Some(page))
    }

    /// Begins to complete a page and to read the rows of the one after it, unless it is the end.
    async fn advance(&mut self, rows: S::Rows) {
        let Some(last) = S::last(&rows) else { return };
        let (completing, reading) = (self.source.clone(), self.source.clone());
        let page = async move { completing.complete(rows).await };
        self.page = Some(RunningQuery::start(page).await);
        let rows = async move { reading.read(Some(last)).await };
        self.rows = Some(RunningQuery::start(rows).await);
    }
}
