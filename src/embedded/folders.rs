//! The files and folders below the data directory: where they are, who may enter, whose turn it is.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::EmbeddedError;
use super::account::Account;

/// A Unix socket's path may have 107 bytes on Linux, 103 elsewhere.
const LONGEST_SOCKET_PATH: usize = 100;
const SOCKET_FILE: &str = ".s.PGSQL.5432";
/// Where clusters live whose data directory the server's user can't reach: below the home of root, or
/// in a private temporary folder. Only root gets here, and no permission of a folder that isn't ours
/// is changed for it.
const ELSEWHERE: &str = "/var/lib/switchboard";
/// The link in the data directory that remembers such a place.
const LINK: &str = "postgres.home";

/// Where everything is.
#[derive(Debug, Clone)]
pub(super) struct Folders {
    /// The data directory, as the one absolute path that it has.
    pub(super) data_dir: PathBuf,
    /// What holds the cluster: the data directory, or a folder elsewhere that it links to.
    pub(super) home: PathBuf,
    /// The cluster.
    pub(super) cluster: PathBuf,
    /// The folder of the server's socket.
    pub(super) socket: PathBuf,
    /// What the server says.
    pub(super) log: PathBuf,
    /// A name for this cluster that is short and found in the title of each of its processes.
    pub(super) tag: String,
}

impl Folders {
    /// Makes the data directory if need be and lays out the rest.
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
        let home = fs::read_link(data_dir.join(LINK)).unwrap_or_else(|_| data_dir.clone());
        let mut socket = home.join("socket");
        if socket.join(SOCKET_FILE).as_os_str().len() >= LONGEST_SOCKET_PATH {
            socket = Path::new("/tmp").join(&tag);
        }
        let (cluster, log) = (home.join("postgres"), data_dir.join("postgres.log"));
        Self { data_dir, home, cluster, socket, log, tag }
    }

    /// Takes the data directory for ourselves until the answer is dropped.
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
        // Only to tell the next one who it is that holds the lock.
        let _ = file.set_len(0);
        let _ = writeln!(file, "{}", std::process::id());
        Ok(file)
    }

    /// Lets the server's user reach the cluster and gives it an empty folder for its socket.
    pub(super) async fn admit(&mut self, account: &Account) -> Result<(), EmbeddedError> {
        if *account != Account::Ourselves {
            let path = &self.home;
            let mode = fs::metadata(path).map_err(EmbeddedError::file("look at", path))?.mode();
            fs::set_permissions(path, fs::Permissions::from_mode(mode | 0o001))
                .map_err(EmbeddedError::file("change the permissions of", path))?;
        }
        match account.reach(&self.home).await {
            Err(EmbeddedError::Unreachable { .. })
                if self.home == self.data_dir && !self.cluster.exists() =>
            {
                self.move_out()?;
                account.reach(&self.home).await?;
            }
            reached => reached?,
        }
        self.open_socket_folder(account)
    }

    /// Gives the cluster that is to be made a home elsewhere. Its name is new, so that a data directory
    /// which was removed and made again doesn't meet its old cluster.
    fn move_out(&mut self) -> Result<(), EmbeddedError> {
        let home = Path::new(ELSEWHERE).join(format!("{}-{:08x}", self.tag, rand::random::<u32>()));
        fs::create_dir_all(&home).map_err(EmbeddedError::file("create", &home))?;
        fs::set_permissions(&home, fs::Permissions::from_mode(0o711))
            .map_err(EmbeddedError::file("change the permissions of", &home))?;
        let link = self.data_dir.join(LINK);
        std::os::unix::fs::symlink(&home, &link).map_err(EmbeddedError::file("create", &link))?;
        tracing::info!(home = %home.display(), "the data directory can't be reached by PostgreSQL's user");
        *self = Self::within(self.data_dir.clone());
        Ok(())
    }

    fn open_socket_folder(&self, account: &Account) -> Result<(), EmbeddedError> {
        let path = &self.socket;
        match fs::symlink_metadata(path) {
            // In /tmp anybody could have put something in this place.
            Ok(found) if !found.is_dir() || !account.may_own(found.uid()) => {
                return Err(EmbeddedError::SocketFolderTaken { folder: path.clone() });
            }
            Ok(_) => fs::set_permissions(path, fs::Permissions::from_mode(0o700))
                .map_err(EmbeddedError::file("change the permissions of", path))?,
            Err(_) => make_private(path)?,
        }
        account.give(path)
    }

    /// Forgets the socket of a server that is no more. PostgreSQL would do so itself, unless the
    /// process id of that server now belongs to another program.
    pub(super) fn clear_socket(&self) {
        for name in [SOCKET_FILE.to_owned(), format!("{SOCKET_FILE}.lock")] {
            let _ = fs::remove_file(self.socket.join(name));
        }
    }

    /// Removes the socket's folder when it is not in the data directory.
    pub(super) fn tidy(&self) {
        if !self.socket.starts_with(&self.home) {
            let _ = fs::remove_dir(&self.socket);
        }
    }

    /// An empty log.
    pub(super) fn fresh_log(&self) -> Result<File, EmbeddedError> {
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&self.log)
            .and_then(|file| file.set_len(0).map(|()| file))
            .map_err(EmbeddedError::file("open", &self.log))
    }

    /// The last lines of the log.
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

/// The last ten lines of what a program said.
pub(super) fn last_lines(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let lines: Vec<_> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let skipped = lines.len().saturating_sub(10);
    lines.into_iter().skip(skipped).collect::<Vec<_>>().join("\n")
}

/// Makes a folder that only its owner may enter.
pub(super) fn make_private(path: &Path) -> Result<(), EmbeddedError> {
    DirBuilder::new().mode(0o700).create(path).map_err(EmbeddedError::file("create", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_socket_stays_in_a_data_directory_with_a_short_path() {
        let folders = Folders::within(PathBuf::from("/var/lib/switchboard"));
        assert_eq!(folders.socket, Path::new("/var/lib/switchboard/socket"));
    }

    #[test]
    fn the_socket_moves_when_the_path_is_long() {
        let deep = PathBuf::from(format!("/{}", "deep/".repeat(30)));
        let folders = Folders::within(deep);
        assert_eq!(folders.socket, Path::new("/tmp").join(&folders.tag));
    }

    #[test]
    fn a_long_story_is_cut_to_its_end() {
        let story: Vec<_> = (0..30).map(|n| format!("line {n}\n\n")).collect();
        let story = story.concat();
        let told = last_lines(story.as_bytes());
        assert!(told.starts_with("line 20\n") && told.ends_with("line 29"), "{told}");
    }
}
