//! The worker threads that serve connections, each with a single-threaded runtime.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::{Builder, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use super::connection::ServerConnection;
use super::cpu_affinity;
use crate::http::HttpService;

/// The worker threads. Dropping it ends them and interrupts their work.
pub(in crate::app) struct Workers {
    threads: Vec<WorkerThread>,
    stop: DropGuard,
    handles: Vec<JoinHandle<()>>,
}

struct WorkerThread {
    runtime: Handle,
    service: Arc<HttpService>,
    /// The number of its connections.
    connection_count: Arc<AtomicUsize>,
}

/// Counts a connection of a worker until it is dropped.
struct ConnectionCount(Arc<AtomicUsize>);

impl Drop for ConnectionCount {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Workers {
    /// Starts `count` workers, or one per CPU for 0; `pinned` binds each to a CPU if there are as many. Computation
    /// runs on the current runtime.
    ///
    /// # Errors
    ///
    /// When the system can't start a thread.
    pub(in crate::app) fn start(
        count: usize,
        pinned: bool,
        service: &HttpService,
    ) -> io::Result<Self> {
        let count = match count {
            0 => std::thread::available_parallelism()?.get(),
            count => count,
        };
        let cpus = if pinned { cpu_affinity::one_per_thread(count) } else { None };
        let end = CancellationToken::new();
        let main = Handle::current();
        let mut handles = Vec::new();
        let mut start = |number: usize| {
            let runtime = Builder::new_current_thread().enable_all().build()?;
            let handle = runtime.handle().clone();
            let end = end.clone();
            let cpu = cpus.as_ref().and_then(|workers| workers.get(number).copied());
            let thread =
                std::thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
                    if let Some(cpu) = cpu {
                        cpu_affinity::pin_to(cpu);
                    }
                    runtime.block_on(end.cancelled());
                    runtime.shutdown_background();
                })?;
            handles.push(thread);
            let service = Arc::new(service.for_thread(main.clone()));
            Ok(WorkerThread { runtime: handle, service, connection_count: Arc::default() })
        };
        let threads = (0..count).map(&mut start).collect::<io::Result<_>>()?;
        Ok(Self { threads, stop: end.drop_guard(), handles })
    }

    /// Ends the workers, and waits up to `limit` until their work is dropped.
    pub(in crate::app) async fn shut_down(self, limit: Duration) {
        let Self { threads, stop: end, handles } = self;
        drop((threads, end));
        let joined = tokio::task::spawn_blocking(|| {
            for thread in handles {
                // A worker that panicked has ended as well.
                let _ = thread.join();
            }
        });
        let _ = tokio::time::timeout(limit, joined).await;
    }

    /// Dispatches a connection to the worker with the fewest.
    pub(super) fn dispatch(&self, connection: ServerConnection, tasks: &TaskTracker) {
        let least_busy = self
            .threads
            .iter()
            .min_by_key(|thread| thread.connection_count.load(Ordering::Relaxed));
        let Some(WorkerThread { runtime, service, connection_count }) = least_busy else {
            return;
        };
        connection_count.fetch_add(1, Ordering::Relaxed);
        let (service, connection_count) =
            (Arc::clone(service), ConnectionCount(Arc::clone(connection_count)));
        tasks.spawn_on(
            async move {
                connection.serve(service).await;
                drop(connection_count);
            },
            runtime,
        );
    }
}
