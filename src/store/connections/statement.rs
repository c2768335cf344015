//! Statements that are prepared under a name only where that is safe.

use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgStatement, Postgres};
use sqlx::{Execute, SqlStr};

/// A statement that is prepared under a name only where the name is sure to be found again.
pub(super) struct Statement<E> {
    pub(super) query: E,
    pub(super) may_have_name: bool,
}

impl<'q, E: Execute<'q, Postgres>> Execute<'q, Postgres> for Statement<E> {
    fn sql(self) -> SqlStr {
        self.query.sql()
    }

    fn statement(&self) -> Option<&PgStatement> {
        self.query.statement()
    }

    fn take_arguments(&mut self) -> Result<Option<PgArguments>, BoxDynError> {
        self.query.take_arguments()
    }

    fn persistent(&self) -> bool {
        self.may_have_name && self.query.persistent()
    }
}
