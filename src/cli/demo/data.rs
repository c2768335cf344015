//! The demo's data directory: kept when it was named, gone at the end when not.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::domain::entropy::{SystemEntropy, random_bytes};

/// A database that was stopped in the middle of its start goes on writing for a moment.
const REMOVAL_MAY_TAKE: Duration = Duration::from_secs(3);

/// The demo's data directory.
#[derive(Debug)]
pub(super) struct DataDir {
    path: PathBuf,
    is_kept: bool,
}

impl DataDir {
    /// The directory that was named, or a new temporary one.
    pub(super) fn open(named: Option<&Path>) -> anyhow::Result<Self> {
        if let Some(path) = named {
            fs::create_dir_all(path)
                .with_context(|| format!("{} can't be made", path.display()))?;
            let path = path.canonicalize()?;
            return Ok(Self { path, is_kept: true });
        }
        let name = URL_SAFE_NO_PAD.encode(random_bytes::<9>(&SystemEntropy));
        let path = std::env::temp_dir().join(format!("switchboard-demo-{name}"));
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("{} can't be made", path.display()))?;
        Ok(Self { path, is_kept: false })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it outlives the program.
    pub(super) fn is_kept(&self) -> bool {
        self.is_kept
    }

    /// Where the sandbox keeps its grants.
    pub(super) fn grants_file(&self) -> PathBuf {
        self.path.join("sandbox-grants.json")
    }

    /// The file with the master key; it is made when there is none.
    pub(super) fn master_key_file(&self) -> anyhow::Result<PathBuf> {
        let path = self.path.join("master.key");
        if path.exists() {
            return Ok(path);
        }
        // Written aside and renamed: a kill in the middle leaves no half a key.
        let draft = self.path.join("master.key.new");
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)
            .with_context(|| format!("{} can't be written", draft.display()))?;
        let key = STANDARD.encode(random_bytes::<32>(&SystemEntropy));
        writeln!(file, "demo:{key}")?;
        file.sync_all()?;
        fs::rename(&draft, &path)?;
        Ok(path)
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        let deadline = Instant::now() + REMOVAL_MAY_TAKE;
        while !self.is_kept && self.path.exists() && fs::remove_dir_all(&self.path).is_err() {
            if Instant::now() > deadline {
                tracing::warn!(path = %self.path.display(), "temporary data could not be removed");
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
