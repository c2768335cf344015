//! The problems of an unavailable database.

use std::time::Duration;

use super::{Problem, ProblemKind};

/// Time after which clients retry.
const DATABASE_RETRY_AFTER: Duration = Duration::from_secs(5);

/// Returns `unavailable` for a database that can't be reached.
pub(super) fn unavailable() -> Problem {
    Problem::new(ProblemKind::Unavailable, "The database is unavailable.")
        .with_retry_after(DATABASE_RETRY_AFTER)
}

/// Returns `unavailable` for a statement that timed out.
pub(super) fn busy() -> Problem {
    let detail = "A database statement timed out because of a lock on its rows or because of load. It changed \
                  nothing; retry after `Retry-After` seconds.";
    Problem::new(ProblemKind::Unavailable, detail).with_retry_after(DATABASE_RETRY_AFTER)
}
