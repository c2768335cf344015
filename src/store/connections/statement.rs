//! Statements that are named only where named prepared statements are safe.

use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgStatement, Postgres};
use sqlx::{Execute, SqlStr};

/// A statement that is prepared under a name only if later statements will find that name.
pub(super) struct MaybeNamed<E> {
    pub(super) query: E,
    pub(super) may_be_named: bool,
}

impl<'q, E: Execute<'q, Postgres>> Execute<'q, Postgres> for MaybeNamed<E> {
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
        self.may_be_named && self.query.persistent()
    }
}
