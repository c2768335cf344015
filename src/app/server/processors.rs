//! The processors that this process may use, and threads that stay on one of them.
//!
//! A thread that is moved finds nothing of its work in the caches of its new processor, and its callers
//! wait longer. <https://man7.org/linux/man-pages/man2/sched_setaffinity.2.html>

#[cfg(target_os = "linux")]
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// A processor for each of `count` threads, where this process may use just as many. Where it gets a share
/// of their time only, as by a limit of a container, it has fewer threads than processors: several such
/// processes would meet on the same ones while others are idle.
#[cfg(target_os = "linux")]
pub(super) fn one_each(count: usize) -> Option<Vec<usize>> {
    let allowed = sched_getaffinity(None).ok()?;
    let all: Vec<_> = (0..CpuSet::MAX_CPU).filter(|processor| allowed.is_set(*processor)).collect();
    (all.len() == count).then_some(all)
}

/// Keeps the thread that calls this on a processor, unless the system refuses.
#[cfg(target_os = "linux")]
pub(super) fn stay_on(processor: usize) {
    let mut here = CpuSet::new();
    here.set(processor);
    if let Err(error) = sched_setaffinity(None, &here) {
        tracing::debug!(%error, processor, "a thread can't be kept on a processor");
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn one_each(_: usize) -> Option<Vec<usize>> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(super) fn stay_on(_: usize) {}
