//! Errors of the database.

use crate::domain::quota::QuotaKind;

/// An error of the database or of a row in it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The row violates a unique or foreign key constraint, whose name this holds.
    #[error("constraint {0} is violated")]
    Conflict(String),
    /// A column holds a value that this program never writes.
    #[error("inconsistent value in {table}.{column}")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// The environment has reached the quota for rows of this kind.
    #[error("quota {} exceeded: {}", quota.name(), limit)]
    QuotaExceeded {
        /// The quota.
        quota: QuotaKind,
        /// The maximum number of rows.
        limit: i64,
    },
    /// The database is unreachable or did not respond in time.
    #[error("the database is unavailable")]
    Unavailable(#[source] sqlx::Error),
    /// The database is reachable but did not finish a statement in time: it waited for a lock, ran too long, or was
    /// part of a deadlock. The same statement may succeed later.
    #[error("the database did not finish a statement in time")]
    Busy(#[source] sqlx::Error),
    /// The database rejected a statement.
    #[error("the database rejected a statement")]
    Rejected(#[source] sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if let sqlx::Error::Database(database) = &error {
            if let Some(constraint) = database.constraint() {
                return Self::Conflict(constraint.to_owned());
            }
            return match database.code().as_deref() {
                // The server is starting or stopping, is out of resources, or became read-only after a demotion.
                Some(code)
                    if code.starts_with("57P") || code.starts_with("53") || code == "25006" =>
                {
                    Self::Unavailable(error)
                }
                // Lock not available, query canceled, deadlock detected, serialization failure.
                Some("55P03" | "57014" | "40P01" | "40001") => Self::Busy(error),
                _ => Self::Rejected(error),
            };
        }
        let is_unavailable = matches!(
            error,
            sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed
        );
        if is_unavailable { Self::Unavailable(error) } else { Self::Rejected(error) }
    }
}
