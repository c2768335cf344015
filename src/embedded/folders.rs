//! Files and directories below the data directory: paths, permissions and the lock.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::EmbeddedError;
use super::os_user::OsUser;

/// Maximum length of a Unix socket's path, in bytes; the systems allow 107 on Linux and 103 elsewhere.
const MAX_SOCKET_PATH_BYTES: usize = 100;
const SOCKET_FILE: &str = ".s.PGSQL.5432";
/// Parent directory of clusters whose data directory the server's user can't enter, because it is below root's home or
/// in a private temporary directory. Only root gets here; permissions of directories that aren't ours are not changed.
const FALLBACK_PARENT: &str = "/var/lib/switchboard";
/// Symbolic link in the data directory to a cluster elsewhere.
const HOME_LINK: &str = "postgres.home";

/// Paths of the files and directories.
#[derive(Debug, Clone)]
pub(super) struct DataFolders {
    /// The data directory, as a canonical path.
    pub(super) data_dir: PathBuf,
    /// The directory of the cluster: the data directory, or one elsewhere that it links to.
    pub(super) home: PathBuf,
    /// The cluster.
    pub(super) cluster: PathBuf,
    /// The directory of the server's socket.
    pub(super) socket: PathBuf,
    /// The server's log.
    pub(super) log: PathBuf,
    /// A short name of this cluster that appears in the title of each of its processes.
    pub(super) tag: String,
}

impl DataFolders {
    /// Creates the data directory if it is missing, and determines the other paths.
    pub(super) fn open(data_dir: &Path) -> Result<Self, EmbeddedError> {
        if !data_dir.is_dir() {
            if let Some(parent) = data_dir.parent() {
                fs::create_dir_all(parent).map_err(EmbeddedError::file("create", parent))?;
            }
            make_private(data_dir)?;
        }
        let data_dir = data_dir.canonicalize().map_err(EmbeddedError::file("find", data_dir))?;
        Ok(Self::within(data_dir))
    }

    fn within(data_dir: PathBuf) -> Self {
        let digest = Sha256::digest(data_dir.as_os_str().as_bytes());
        let hash = digest.iter().take(8).fold(0, |hash, byte| hash << 8 | u64::from(*byte));
        let tag = format!("switchboard-{hash:016x}");
        let home = fs::read_link(data_dir.join(HOME_LINK)).unwrap_or_else(|_| data_dir.clone());
        let mut socket = home.join("socket");
        if socket.join(SOCKET_FILE).as_os_str().len() >= MAX_SOCKET_PATH_BYTES {
            socket = Path::new("/tmp").join(&tag);
        }
        let (cluster, log) = (home.join("postgres"), data_dir.join("postgres.log"));
        Self { data_dir, home, cluster, socket, log, tag }
    }

    /// Locks the data directory until the returned file is dropped.
    pub(super) fn lock(&self) -> Result<File, EmbeddedError> {
        let path = self.data_dir.join("switchboard.lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(EmbeddedError::file("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let holder = fs::read_to_string(&path).unwrap_or_default();
                let holder = match holder.trim() {
                    "" => String::new(),
                    process => format!(" (process {process})"),
                };
                return Err(EmbeddedError::InUse { data_dir: self.data_dir.clone(), holder });
            }
            Err(TryLockError::Error(error)) => {
                return Err(EmbeddedError::file("lock", &path)(error));
            }
        }
        // For the error message of the next process.
        let _ = file.set_len(0);
        let _ = writeln!(file, "{}", std::process::id());
        Ok(file)
    }

    /// Lets the server's user enter the cluster's directory, and creates an empty directory for its socket.
    pub(super) async fn grant_access(&mut self, user: &OsUser) -> Result<(), EmbeddedError> {
        if *user != OsUser::Current {
            let path = &self.home;
            let mode = fs::metadata(path).map_err(EmbeddedError::file("look at", path))?.mode();
            fs::set_permissions(path, fs::Permissions::from_mode(mode | 0o001))
                .map_err(EmbeddedError::file("change the permissions of", path))?;
        }
        match user.check_access(&self.home).await {
            Err(EmbeddedError::Unreachable { .. })
                if self.home == self.data_dir && !self.cluster.exists() =>
            {
                self.relocate()?;
                user.check_access(&self.home).await?;
            }
            reached => reached?,
        }
        self.open_socket_folder(user)
    }

    /// Moves a cluster that is to be created to a directory elsewhere. Its name is random, so that a data directory
    /// that was deleted and created again does not find its old cluster.
    fn relocate(&mut self) -> Result<(), EmbeddedError> {
        let home =
            Path::new(FALLBACK_PARENT).join(format!("{}-{:08x}", self.tag, rand::random::<u32>()));
        fs::create_dir_all(&home).map_err(EmbeddedError::file("create", &home))?;
        fs::set_permissions(&home, fs::Permissions::from_mode(0o711))
            .map_err(EmbeddedError::file("change the permissions of", &home))?;
        let link = self.data_dir.join(HOME_LINK);
        std::os::unix::fs::symlink(&home, &link).map_err(EmbeddedError::file("create", &link))?;
        tracing::info!(home = %home.display(), "PostgreSQL's user can't enter the data directory; using another one");
        *self = Self::within(self.data_dir.clone());
        Ok(())
    }

    fn open_socket_folder(&self, user: &OsUser) -> Result<(), EmbeddedError> {
        let path = &self.socket;
        match fs::symlink_metadata(path) {
            // In /tmp anybody could have created this path.
            Ok(found) if !found.is_dir() || !user.may_own(found.uid()) => {
                return Err(EmbeddedError::SocketFolderTaken { folder: path.clone() });
            }
            Ok(_) => fs::set_permissions(path, fs::Permissions::from_mode(0o700))
                .map_err(EmbeddedError::file("change the permissions of", path))?,
            Err(_) => make_private(path)?,
        }
        user.chown(path)
    }

    /// Removes the socket of a server that ended. PostgreSQL does so itself, unless the process id of that server now
    /// belongs to another program.
    pub(super) fn clear_socket(&self) {
        for name in [SOCKET_FILE.to_owned(), format!("{SOCKET_FILE}.lock")] {
            let _ = fs::remove_file(self.socket.join(name));
        }
    }

    /// Removes the socket's directory if it is not in the data directory.
    pub(super) fn remove_socket_folder(&self) {
        if !self.socket.starts_with(&self.home) {
            let _ = fs::remove_dir(&self.socket);
        }
    }

    /// Opens an empty log.
    pub(super) fn empty_log(&self) -> Result<File, EmbeddedError> {
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.log)
            .and_then(|file| file.set_len(0).map(|()| file))
            .map_err(EmbeddedError::file("open", &self.log))
    }

    /// Returns the last lines of the log.
    pub(super) fn log_tail(&self) -> String {
        let read = || {
            let mut file = File::open(&self.log)?;
            let start = file.metadata()?.len().saturating_sub(4096);
            file.seek(SeekFrom::Start(start))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            std::io::Result::Ok(bytes)
        };
        last_lines(&read().unwrap_or_default())
    }
}

/// Returns the last ten lines of a program's output.
pub(super) fn last_lines(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let skipped = lines.len().saturating_sub(10);
    lines.into_iter().skip(skipped).collect::<Vec<_>>().join("\n")
}

/// Creates a directory that only its owner may enter.
pub(super) fn make_private(path: &Path) -> Result<(), EmbeddedError> {
    DirBuilder::new().mode(0o700).create(path).map_err(EmbeddedError::file("create", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_stays_in_a_data_directory_with_a_short_path() {
        let folders = DataFolders::within(PathBuf::from("/var/lib/switchboard"));
        assert_eq!(folders.socket, Path::new("/var/lib/switchboard/socket"));
    }

    #[test]
    fn the_socket_moves_to_tmp_when_the_path_is_long() {
        let deep = PathBuf::from(format!("/{}", "deep/".repeat(30)));
        let folders = DataFolders::within(deep);
        assert_eq!(folders.socket, Path::new("/tmp").join(&folders.tag));
    }

    #[test]
    fn long_output_is_cut_to_its_last_lines() {
        let output: Vec<_> = (0..30).map(|n| format!("line {n}\n\n")).collect();
        let output = output.concat();
        let tail = last_lines(output.as_bytes());
        assert!(tail.starts_with("line 20\n") && tail.ends_with("line 29"), "{tail}");
    }
}
