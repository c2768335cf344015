//! The limit of open files (`RLIMIT_NOFILE`): each caller needs one, and so does each connection to a provider.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Returns the hard limit.
pub(super) fn hard_limit() -> u64 {
    getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX)
}

/// Raises the soft limit to the hard limit; the default of most systems is 1024.
pub(super) fn raise_nofile_limit() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, "the limit of open files could not be raised");
    }
}
