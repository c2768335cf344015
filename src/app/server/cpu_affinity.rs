//! CPU affinity of the worker threads.
//!
//! A thread that moves to another CPU finds its caches cold, which adds latency.
//! <https://man7.org/linux/man-pages/man2/sched_setaffinity.2.html>

#[cfg(target_os = "linux")]
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Returns a CPU for each of `count` threads if the process may use exactly that many; else `None`. A process with a
/// CPU quota, as in a container, has fewer threads than CPUs: several such processes would share some CPUs while
/// others are idle.
#[cfg(target_os = "linux")]
pub(super) fn one_per_thread(count: usize) -> Option<Vec<usize>> {
    let allowed = sched_getaffinity(None).ok()?;
    let cpus: Vec<_> = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).collect();
    (cpus.len() == count).then_some(cpus)
}

/// Pins the current thread to a CPU; a failure is logged and has no other effect.
#[cfg(target_os = "linux")]
pub(super) fn pin_to(cpu: usize) {
    let mut cpus = CpuSet::new();
    cpus.set(cpu);
    if let Err(error) = sched_setaffinity(None, &cpus) {
        tracing::debug!(%error, cpu, "a thread can't be pinned to a CPU");
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn one_per_thread(_: usize) -> Option<Vec<usize>> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(super) fn pin_to(_: usize) {}
