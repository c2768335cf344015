//! A private PostgreSQL server, run from the installed programs: no service to set up, no port.
//!
//! [`Cluster::start`] makes a cluster below the data directory when there is none, starts a server
//! on it and answers with the way in, a Unix socket. The server ends with us, also after `kill -9`,
//! and whatever a crash left behind is cleared away by the next start. Tables are [`crate`]'s
//! migrations' business, not this module's.
//!
//! | below the data directory | what it is |
//! | --- | --- |
//! | `postgres/` | the cluster; the server's user owns it |
//! | `socket/` | the server's socket, in a folder that only its user (and root) may enter |
//! | `postgres.log` | what the server said since its last start |
//! | `switchboard.lock` | locked by the program that uses the directory |
//!
//! The socket's folder is the authentication: the server trusts whoever can reach its socket, and
//! that is the user who owns the cluster's files anyway, and root. So there is no password to keep.

mod account;
mod binaries;
mod cluster;
mod create;
mod error;
mod folders;
mod leftover;
mod server;

use std::path::PathBuf;

pub use binaries::Places;
pub use cluster::Cluster;
pub use error::EmbeddedError;

/// How to run the server.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder that holds everything; made when it is missing.
    pub data_dir: PathBuf,
    /// `false` trades safety for speed, for data that nobody will miss after a power cut. A crash of
    /// our program or of the server loses nothing either way.
    pub durable: bool,
}
