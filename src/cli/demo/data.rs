//! The demo's data directory: permanent if `--data-dir` is set, else temporary.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::domain::entropy::{SystemEntropy, random_bytes};

/// Maximum time to remove the directory: a database that was stopped during startup writes for a moment.
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(3);

/// The demo's data directory.
#[derive(Debug)]
pub(super) struct DataDir {
    path: PathBuf,
    is_permanent: bool,
}

impl DataDir {
    /// Opens the given directory, or creates a temporary one.
    pub(super) fn open(named: Option<&Path>) -> anyhow::Result<Self> {
        if let Some(path) = named {
            fs::create_dir_all(path)
                .with_context(|| format!("{} cannot be created", path.display()))?;
            let path = path.canonicalize()?;
            return Ok(Self { path, is_permanent: true });
        }
        let name = URL_SAFE_NO_PAD.encode(random_bytes::<9>(&SystemEntropy));
        let path = std::env::temp_dir().join(format!("switchboard-demo-{name}"));
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .with_context(|| format!("{} cannot be created", path.display()))?;
        Ok(Self { path, is_permanent: false })
    }

    /// Returns the path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is permanent.
    pub(super) fn is_permanent(&self) -> bool {
        self.is_permanent
    }

    /// Returns the file of the sandbox's grants.
    pub(super) fn grants_file(&self) -> PathBuf {
        self.path.join("sandbox-grants.json")
    }

    /// Returns the file with the master key; creates it if it does not exist.
    pub(super) fn master_key_file(&self) -> anyhow::Result<PathBuf> {
        let path = self.path.join("master.key");
        if path.exists() {
            return Ok(path);
        }
        // Written to a temporary file and renamed, so that a crash leaves no partial key.
        let draft = self.path.join("master.key.new");
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)
            .with_context(|| format!("{} is not writable", draft.display()))?;
        let key = STANDARD.encode(random_bytes::<32>(&SystemEntropy));
        writeln!(file, "demo:{key}")?;
        file.sync_all()?;
        fs::rename(&draft, &path)?;
        Ok(path)
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        let deadline = Instant::now() + REMOVAL_TIMEOUT;
        while !self.is_permanent && self.path.exists() && fs::remove_dir_all(&self.path).is_err() {
            if Instant::now() > deadline {
                tracing::warn!(path = %self.path.display(), "temporary data could not be removed");
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
