//! The stored desired state in pages, each with the people whom its rows match.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::ids::{IntegratedAccountId, ReconciliationId};
use crate::domain::policy::Person;
use crate::store::{
    PageSource, PeopleFilter, PeoplePage, ReadAhead, StagedRow, StoreError, TenantDb,
};

/// Number of rows that are read together.
const PAGE: i64 = 1_000;

/// The ids of people by the value by which they are matched.
pub(super) type MatchedIds = HashMap<String, Vec<String>>;

/// The pages of a desired state.
pub(super) type DesiredPages = ReadAhead<DesiredReader>;

/// A page of a desired state.
pub(super) struct DesiredPage {
    /// The rows, in their order.
    pub(super) rows: Vec<StagedRow>,
    /// The people of the directory whom they match.
    pub(super) people: Vec<Person>,
}

/// Reads a desired state.
#[derive(Clone)]
pub(super) struct DesiredReader {
    pub(super) db: TenantDb,
    pub(super) account_id: IntegratedAccountId,
    pub(super) reconciliation_id: ReconciliationId,
    /// How the people are found who are read with the rows; `None` for rows alone.
    pub(super) people_by: Option<Arc<MatchedIds>>,
}

impl PageSource for DesiredReader {
    type Rows = Vec<StagedRow>;
    type Page = DesiredPage;
    type Place = i64;

    async fn read(&self, after: Option<i64>) -> Result<Vec<StagedRow>, StoreError> {
        let after = after.unwrap_or_default();
        self.db.staged_rows(self.account_id, self.reconciliation_id, after, PAGE).await
    }

    fn last(rows: &Vec<StagedRow>) -> Option<i64> {
        rows.last().map(|row| row.row_number)
    }

    async fn complete(&self, rows: Vec<StagedRow>) -> Result<DesiredPage, StoreError> {
        let Some(people_by) = &self.people_by else {
            return Ok(DesiredPage { rows, people: Vec::new() });
        };
        let ids = rows.iter().filter_map(|row| people_by.get(&row.match_key)?.first().cloned());
        let filter = PeopleFilter::Ids(ids.collect());
        let page = PeoplePage { as_of: None, after: None, limit: PAGE };
        let people = self.db.people(self.account_id, &filter, page).await?;
        Ok(DesiredPage { rows, people })
    }
}
