//! How many files the process may have open: each caller is one, and so is each connection to a provider.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The most that the system lets us have.
pub(super) fn most() -> u64 {
    getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX)
}

/// Takes as many as the system lets us have: most give a process 1024 until it asks for more.
pub(super) fn raise() {
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }) {
        tracing::warn!(%error, "no more files may be open at once than before");
    }
}
