//! The people of a copy in pages.

use std::sync::Arc;

use time::OffsetDateTime;

use super::super::read_ahead::{PageSource, ReadAhead};
use super::super::{StoreError, TenantDb};
use super::people::{PeopleFilter, PeoplePage, PeopleRows};
use crate::domain::ids::IntegratedAccountId;
use crate::domain::policy::Person;

/// Number of people of a page.
const PAGE: i64 = 1_000;

/// Reads people of a copy.
#[derive(Debug, Clone)]
pub struct PeopleReader {
    db: TenantDb,
    account_id: IntegratedAccountId,
    filter: Arc<PeopleFilter>,
    as_of: Option<OffsetDateTime>,
}

impl TenantDb {
    /// Returns the pages of people, in the order of their ids. `as_of`: the directory as it was at this time; `None` for now.
    #[must_use]
    pub fn people_pages(
        &self,
        account_id: IntegratedAccountId,
        filter: PeopleFilter,
        as_of: Option<OffsetDateTime>,
    ) -> ReadAhead<PeopleReader> {
        let filter = Arc::new(filter);
        ReadAhead::new(PeopleReader { db: self.clone(), account_id, filter, as_of })
    }
}

impl PageSource for PeopleReader {
    type Rows = PeopleRows;
    type Page = Vec<Person>;
    type Place = String;

    async fn read(&self, after: Option<String>) -> Result<PeopleRows, StoreError> {
        let page = PeoplePage { as_of: self.as_of, after: after.as_deref(), limit: PAGE };
        self.db.people_rows(self.account_id, &self.filter, page).await
    }

    fn last(rows: &PeopleRows) -> Option<String> {
        rows.last.clone()
    }

    async fn complete(&self, rows: PeopleRows) -> Result<Vec<Person>, StoreError> {
        self.db.people_of_rows(self.account_id, rows, self.as_of).await
    }
}
