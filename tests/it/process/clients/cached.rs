//! Folders with installed packages, cached between test runs.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::Requirement;

/// Returns the folder with a name, filled unless it exists. Tests that need the same one
/// at the same time wait for each other.
pub(super) fn cached_folder(
    name: &str,
    is_filled: impl Fn(&Path) -> bool,
    fill: impl FnOnce(&Path) -> Requirement<()>,
) -> anyhow::Result<Requirement<PathBuf>> {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = place.join(name);
    fs::create_dir_all(place)?;
    let lock = File::create(place.join(format!("{name}.lock")))?;
    lock.lock()?;
    if !is_filled(&folder) {
        if let Err(reason) = fill(&folder) {
            return Ok(Err(reason));
        }
        anyhow::ensure!(is_filled(&folder), "{} does not hold what it should", folder.display());
    }
    Ok(Ok(folder))
}
