//! Embedded PostgreSQL: a private server, run from the installed programs, without a service to set up or a port.
//!
//! [`Cluster::start`] creates a cluster below the data directory if there is none, starts a server on it and returns
//! how to connect: by a Unix socket. The server ends with us, even after `kill -9`, and the next start recovers from a
//! crash. Tables are created by [`crate::MIGRATOR`], not here.
//!
//! | below the data directory | what it is |
//! | --- | --- |
//! | `postgres/` | the cluster; the server's user owns it |
//! | `socket/` | the server's socket, in a folder that only its user (and root) may enter |
//! | `postgres.log` | output of the server since its last start |
//! | `switchboard.lock` | locked by the program that uses the directory |
//!
//! The permissions of the socket's directory are the authentication: the server trusts every process that can reach its
//! socket, which are those of root and of the user who owns the cluster's files. So there is no password.

mod binaries;
mod cluster;
mod create;
mod error;
mod folders;
mod os_user;
mod recovery;
mod server;

use std::path::PathBuf;

pub use binaries::SearchPaths;
pub use cluster::Cluster;
pub use error::EmbeddedError;

/// Options of the server.
#[derive(Debug, Clone)]
pub struct EmbeddedOptions {
    /// The data directory, created if missing.
    pub data_dir: PathBuf,
    /// Whether committed data survives a power cut; `false` is faster. A crash of our program or of the server loses
    /// nothing either way.
    pub durable: bool,
}
