//! A folder of a test's own, in the place of `/tmp` for what the test starts.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{GLANCE, processes};

/// Gone at the end, but not before everything that works in it.
#[derive(Debug)]
pub(super) struct Home(TempDir);

impl Home {
    /// A new one, where the database's user gets at it.
    pub(super) fn new() -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("sb-test-").tempdir_in("/tmp")?;
        let home = Self(dir);
        fs::create_dir(home.temporary())?;
        for folder in [home.path(), &home.temporary()] {
            fs::set_permissions(folder, Permissions::from_mode(0o711))?;
        }
        Ok(home)
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }

    /// What programs that run here take for `/tmp`.
    pub(super) fn temporary(&self) -> PathBuf {
        self.path().join("tmp")
    }

    /// A folder for data that outlives a run.
    pub(super) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// A file in it.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// What lies in the temporary folder.
    pub(super) fn left_over(&self) -> anyhow::Result<Vec<PathBuf>> {
        fs::read_dir(self.temporary())?.map(|entry| Ok(entry?.path())).collect()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // After a `kill -9` the database needs a moment to notice.
        let deadline = Instant::now() + Duration::from_secs(10);
        let path = self.path().display().to_string();
        while processes::about(&path).is_ok_and(|found| !found.is_empty())
            && Instant::now() < deadline
        {
            std::thread::sleep(GLANCE);
        }
    }
}
