//! The synced copies of directories: writing them, what a run has not found, reading them, their history, erasure.

pub(super) mod apply;
pub(super) mod erase;
pub(super) mod missing;
mod query;
mod read;
mod references;
mod versions;
mod write_through;

pub use missing::MissingObject;
pub use query::{CopyQuery, CopyRow, CopySort, UserCriteria};
pub use read::CopyFreshness;
pub use references::ReferenceRow;
pub use versions::VersionRow;
