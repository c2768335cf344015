//! Runs long computations on threads of low priority, so that the operating system schedules other requests first.

use std::panic::resume_unwind;
use std::thread::{Builder, scope};

use tokio::runtime::{Handle, RuntimeFlavor};

/// The nice value of such a thread: at 10 it has a tenth of the weight of a thread at 0.
/// <https://man7.org/linux/man-pages/man7/sched.7.html>
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// Runs `work` to its end on a thread of low priority, and moves other tasks of the calling thread to another thread
/// before. On a runtime of one thread, where nothing could be moved, it runs in place.
pub(super) fn at_low_priority<T: Send>(work: impl Fn() -> T + Sync) -> T {
    let has_threads = Handle::try_current()
        .is_ok_and(|runtime| runtime.runtime_flavor() == RuntimeFlavor::MultiThread);
    if has_threads { tokio::task::block_in_place(|| on_thread(&work)) } else { work() }
}

fn on_thread<T: Send>(work: &(impl Fn() -> T + Sync)) -> T {
    scope(|scope| {
        let thread = Builder::new().name("low-priority".to_owned()).spawn_scoped(scope, || {
            lower_priority();
            work()
        });
        match thread {
            Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
            // Without memory for another stack.
            Err(_) => work(),
        }
    })
}

/// Lowers the priority of the calling thread alone; it can't be raised again.
#[cfg(target_os = "linux")]
fn lower_priority() {
    if let Err(error) = rustix::process::nice(NICE) {
        tracing::debug!(%error, "a thread keeps its priority");
    }
}

#[cfg(not(target_os = "linux"))]
fn lower_priority() {}
