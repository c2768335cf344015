//! The directory sync: a copy of each directory in the database, with its history.
//!
//! A run reads a directory in full, page by page (`run`, `steps`, `page_reader`, `passes`, `page_objects`), and removes from the copy what the provider no
//! longer has (`removal_pass`, `removals`). Changes that the gateway itself makes are read back into the copy (`write_through`). `worker`
//! takes runs from the queue of jobs, and `copy` reads the copy.

mod copy;
mod object_read;
mod page_objects;
mod page_reader;
mod passes;
mod problem;
mod removal_pass;
mod removals;
mod reported_changes;
mod resources;
mod run;
mod run_end;
mod services;
mod steps;
mod worker;
mod write_through;

pub use copy::{
    CopiedResource, CopyError, CopyFilter, CopyOptions, CopyPage, CopyPageRequest, CopySnapshot,
    HistoryChange, HistoryEntry, SortField, SortOrder, SyncedCopy,
};
pub use object_read::{ObjectReadError, UserRead};
pub use problem::describe as describe_problem;
pub use resources::has_resource;
pub use services::SyncServices;
pub use worker::Worker;
pub use write_through::{Changed, WriteThrough};
