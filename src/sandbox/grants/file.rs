//! The grants on disk, so that a sandbox started again knows the tokens it gave out.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use super::Grants;

/// Reads the grants, or none when there is no file yet.
///
/// # Errors
///
/// When the file is there and cannot be read or understood.
pub(crate) fn load(path: &Path) -> io::Result<Option<Grants>> {
    match File::open(path) {
        Ok(file) => Ok(Some(serde_json::from_reader(io::BufReader::new(file))?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Writes the grants beside the old ones and puts them in their place, so that a crash leaves
/// either the old file or the new one. Nobody but the owner may read it.
///
/// # Errors
///
/// When the file cannot be written.
pub(crate) fn save(path: &Path, grants: &Grants) -> io::Result<()> {
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
