//! A temporary folder for each test, and `/tmp` for the programs it starts.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{POLL_INTERVAL, processes};

/// Deleted at the end, after every process in it has ended.
#[derive(Debug)]
pub(super) struct TestDir(TempDir);

impl TestDir {
    /// Creates one that the database's user can reach.
    pub(super) fn new() -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("sb-test-").tempdir_in("/tmp")?;
        let home = Self(dir);
        fs::create_dir(home.temporary())?;
        for folder in [home.path(), &home.temporary()] {
            fs::set_permissions(folder, Permissions::from_mode(0o711))?;
        }
        Ok(home)
    }

    /// Returns its path.
    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// Returns the `/tmp` of programs that run here.
    pub(super) fn temporary(&self) -> PathBuf {
        self.path().join("tmp")
    }

    /// Returns a folder for data that outlives a run.
    pub(super) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// Returns the path of a file in it.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Returns what is in the temporary folder.
    pub(super) fn leftovers(&self) -> anyhow::Result<Vec<PathBuf>> {
        fs::read_dir(self.temporary())?.map(|entry| Ok(entry?.path())).collect()
    }
}

impl Drop for TestDir {
    fn drop(&mut self) {
        // After a `kill -9` the database takes a moment to stop.
        let deadline = Instant::now() + Duration::from_secs(10);
        let path = self.path().display().to_string();
        while processes::titled(&path).is_ok_and(|found| !found.is_empty())
            && Instant::now() < deadline
        {
            std::thread::sleep(POLL_INTERVAL);
        }
    }
}
