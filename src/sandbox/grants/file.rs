//! The grants file, which preserves grants across restarts.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use super::GrantStore;

/// Loads the grants; `None` if the file does not exist.
///
/// # Errors
///
/// An I/O or JSON error of an existing file.
pub(crate) fn load(path: &Path) -> io::Result<Option<GrantStore>> {
    match File::open(path) {
        Ok(file) => Ok(Some(serde_json::from_reader(io::BufReader::new(file))?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Saves the grants. It writes a temporary file, readable by the owner only, and renames it, so
/// that a crash leaves the old or the new file.
///
/// # Errors
///
/// An I/O error.
pub(crate) fn save(path: &Path, grants: &GrantStore) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&beside)?;
    file.write_all(&serde_json::to_vec(grants)?)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)
}
