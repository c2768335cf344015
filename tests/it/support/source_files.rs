//! The program's source files.

use std::path::{Path, PathBuf};

/// Reads every Rust file under `src/`, each with its path below it.
///
/// # Errors
///
/// When a file can't be read.
pub(crate) fn source_files() -> std::io::Result<Vec<(PathBuf, String)>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                let text = std::fs::read_to_string(&path)?;
                found.push((path.strip_prefix(&root).map_or(path.clone(), Path::to_owned), text));
            }
        }
    }
    assert!(found.len() > 50, "the sources were not found");
    Ok(found)
}
