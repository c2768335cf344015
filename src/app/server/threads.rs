//! The threads that attend to connections, each with a runtime of its own.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::connection::Visitor;
use super::processors;
use crate::http::Front;

/// Threads; dropped, they end, and with them whatever they still do.
pub(in crate::app) struct Threads {
    all: Vec<Thread>,
    end: DropGuard,
    ends: Vec<JoinHandle<()>>,
}

struct Thread {
    runtime: Handle,
    front: Arc<Front>,
    /// Its connections.
    busy: Arc<AtomicUsize>,
}

/// One connection of a thread.
struct Busy(Arc<AtomicUsize>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Threads {
    /// Starts `count` threads, or one per processor for 0; when `pinned`, each stays on one where there is one
    /// for each. What computes is done on the runtime that calls this.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub(in crate::app) fn start(count: usize, pinned: bool, front: &Front) -> io::Result<Self> {
        let count = match count {
            0 => std::thread::available_parallelism()?.get(),
            count => count,
        };
        let processors = if pinned { processors::one_each(count) } else { None };
        let end = CancellationToken::new();
        let main = Handle::current();
        let mut ends = Vec::new();
        let mut start = |number: usize| {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let handle = runtime.handle().clone();
            let end = end.clone();
            let processor = processors.as_ref().and_then(|all| all.get(number).copied());
            let thread =
                std::thread::Builder::new().name(format!("edge-{number}")).spawn(move || {
                    if let Some(processor) = processor {
                        processors::stay_on(processor);
                    }
                    runtime.block_on(end.cancelled());
                    runtime.shutdown_background();
                })?;
            ends.push(thread);
            let front = Arc::new(front.for_thread(main.clone()));
            Ok(Thread { runtime: handle, front, busy: Arc::default() })
        };
        let all = (0..count).map(&mut start).collect::<io::Result<_>>()?;
        Ok(Self { all, end: end.drop_guard(), ends })
    }

    /// Ends them, and waits until whatever they still did was dropped.
    pub(in crate::app) async fn end(self, limit: Duration) {
        let Self { all, end, ends } = self;
        drop((all, end));
        let joined = tokio::task::spawn_blocking(|| {
            for thread in ends {
                // One that panicked has ended as well.
                let _ = thread.join();
            }
        });
        let _ = tokio::time::timeout(limit, joined).await;
    }

    /// Gives a connection to the thread that has the fewest.
    pub(super) fn give(&self, visitor: Visitor, open: &TaskTracker) {
        let idlest = self.all.iter().min_by_key(|thread| thread.busy.load(Ordering::Relaxed));
        let Some(Thread { runtime, front, busy }) = idlest else { return };
        busy.fetch_add(1, Ordering::Relaxed);
        let (front, busy) = (Arc::clone(front), Busy(Arc::clone(busy)));
        open.spawn_on(
            async move {
                visitor.attend(front).await;
                drop(busy);
            },
            runtime,
        );
    }
}
