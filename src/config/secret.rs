//! Settings that are secrets. Each is given itself, or by a file that is named by the same key with `_file`
//! behind it: a secret of Docker or Kubernetes is such a file.

use std::path::Path;

use zeroize::Zeroizing;

/// What the name of a secret's file ends with.
pub(super) const FILE: &str = "_file";

/// The text of the secret `key`, which was given as `text` or in `file`; empty when neither is there.
pub(super) fn read(key: &str, text: &str, file: &Path) -> Result<Zeroizing<String>, String> {
    if file.as_os_str().is_empty() {
        return Ok(Zeroizing::new(text.trim().to_owned()));
    }
    if !text.is_empty() {
        return Err(format!("{key}: is given twice, also by {key}{FILE}; keep one of them"));
    }
    let shown = file.display();
    let read = std::fs::read_to_string(file).map(Zeroizing::new);
    let read = read.map_err(|error| format!("{key}{FILE}: {shown} can't be read: {error}"))?;
    match read.trim() {
        "" => Err(format!("{key}{FILE}: {shown} is empty; write the secret into it")),
        secret => Ok(Zeroizing::new(secret.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_comes_from_its_key_or_from_its_file_and_never_from_both() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hunter2\n").unwrap();
        let nowhere = Path::new("");
        assert_eq!(*read("a.b", "", nowhere).unwrap(), "");
        assert_eq!(*read("a.b", "hunter1", nowhere).unwrap(), "hunter1");
        assert_eq!(*read("a.b", "", file.path()).unwrap(), "hunter2");
        let twice = read("a.b", "hunter1", file.path()).unwrap_err();
        assert_eq!(twice, "a.b: is given twice, also by a.b_file; keep one of them");
    }

    #[test]
    fn a_file_that_holds_no_secret_is_told_by_its_key() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let empty = read("a.b", "", file.path()).unwrap_err();
        assert!(empty.starts_with("a.b_file: ") && empty.contains("is empty"), "{empty}");
        let missing = read("a.b", "", Path::new("/nowhere/secret")).unwrap_err();
        assert!(missing.starts_with("a.b_file: /nowhere/secret can't be read"), "{missing}");
    }
}
