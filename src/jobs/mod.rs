//! The queue of background jobs: workers claim a job, extend its lease, and run it until it ends.

mod interrupted;
mod runner;
mod worker;

pub use interrupted::JobInterrupted;
pub use runner::JobRunner;
pub use worker::JobWorker;
