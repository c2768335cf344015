//! The synced copies of directories: writing them, what a run has not found, reading them, their history, erasure.

pub(super) mod attribution;
mod changes;
pub(super) mod compare;
pub(super) mod erase;
mod lookup;
pub(super) mod missing;
pub(super) mod own;
mod query;
mod read;
mod references;
mod removal_limit;
pub(super) mod sizes;
mod statistics;
mod timeline;
mod versions;
mod write_versions;

pub use attribution::LogCauses;
pub use changes::ObjectChanges;
pub use lookup::NamedObject;
pub use missing::MissingObject;
pub use query::{CopyQuery, CopyRow, CopySort, UserCriteria};
pub use read::CopyFreshness;
pub(in crate::store) use read::push_validity;
pub use references::ReferenceRow;
pub use versions::{MadeBy, VersionRow};
