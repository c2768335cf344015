//! Reads rows in pages, the next page while the caller works on the one before.

use super::StoreError;
use super::running_query::RunningQuery;

/// What pages are read from.
pub trait PageSource: Clone + Send + Sync + 'static {
    /// A page.
    type Page: Send + 'static;
    /// The place of a row in the order.
    type Place: Send + 'static;

    /// Reads the page behind a row; `None` for the first page.
    ///
    /// # Errors
    ///
    /// When the database fails.
    fn read(
        &self,
        after: Option<Self::Place>,
    ) -> impl Future<Output = Result<Self::Page, StoreError>> + Send;

    /// Returns the place of the last row of a page; `None` for an empty page, which is the end.
    fn last(page: &Self::Page) -> Option<Self::Place>;
}

/// Pages that are read ahead.
#[derive(Debug)]
pub struct ReadAhead<S: PageSource> {
    source: S,
    /// The page that is read now; `None` before the first and after the last one.
    reading: Option<RunningQuery<S::Page>>,
    is_started: bool,
}

impl<S: PageSource> ReadAhead<S> {
    /// Returns the pages of a source, of which none is read yet.
    #[must_use]
    pub fn new(source: S) -> Self {
        Self { source, reading: None, is_started: false }
    }

    /// Returns the next page, `None` at the end, and begins to read the one after it.
    ///
    /// # Errors
    ///
    /// When the database fails; then there are no more pages.
    pub async fn next(&mut self) -> Result<Option<S::Page>, StoreError> {
        let page = match self.reading.take() {
            Some(reading) => reading.result().await?,
            None if self.is_started => return Ok(None),
            None => {
                self.is_started = true;
                self.source.read(None).await?
            }
        };
        let Some(last) = S::last(&page) else { return Ok(None) };
        let source = self.source.clone();
        let next = async move { source.read(Some(last)).await };
        self.reading = Some(RunningQuery::start(next).await);
        Ok(Some(page))
    }
}
