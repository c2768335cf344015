//! The problems of a database that does not answer.

use std::time::Duration;

use super::{Problem, ProblemKind};

/// How long to stay away while the database is.
const DATABASE_PAUSE: Duration = Duration::from_secs(5);

/// The problem of a database that can not be reached.
pub(super) fn unavailable() -> Problem {
    Problem::new(ProblemKind::Unavailable, "The database can't be reached at the moment.")
        .retry_after(DATABASE_PAUSE)
}

/// The problem of a statement that did not finish in time.
pub(super) fn busy() -> Problem {
    let detail = "The database did not finish a statement in time, because other work holds the same rows \
                  or it is overloaded. Nothing was changed by that statement; send the request again after \
                  the time in Retry-After.";
    Problem::new(ProblemKind::Unavailable, detail).retry_after(DATABASE_PAUSE)
}
