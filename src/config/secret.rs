//! Reads settings that are secrets: from the setting itself, or from the file that the setting with the suffix `_file`
//! names, as Docker and Kubernetes mount them.

use std::path::Path;

use zeroize::Zeroizing;

/// The suffix of settings that name a secret's file.
pub(super) const FILE_SUFFIX: &str = "_file";

/// Returns the secret `key`, set as `text` or in `file`; empty if neither is set.
pub(super) fn read(key: &str, text: &str, file: &Path) -> Result<Zeroizing<String>, String> {
    if file.as_os_str().is_empty() {
        return Ok(Zeroizing::new(text.trim().to_owned()));
    }
    if !text.is_empty() {
        return Err(format!("{key}: is also set by {key}{FILE_SUFFIX}; remove one of them"));
    }
    let shown = file.display();
    let read = std::fs::read_to_string(file).map(Zeroizing::new);
    let read =
        read.map_err(|error| format!("{key}{FILE_SUFFIX}: {shown} is not readable: {error}"))?;
    match read.trim() {
        "" => Err(format!("{key}{FILE_SUFFIX}: {shown} is empty; write the secret to it")),
        secret => Ok(Zeroizing::new(secret.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_secret_from_its_setting_or_its_file_but_not_both() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hunter2\n").unwrap();
        let nowhere = Path::new("");
        assert_eq!(*read("a.b", "", nowhere).unwrap(), "");
        assert_eq!(*read("a.b", "hunter1", nowhere).unwrap(), "hunter1");
        assert_eq!(*read("a.b", "", file.path()).unwrap(), "hunter2");
        let twice = read("a.b", "hunter1", file.path()).unwrap_err();
        assert_eq!(twice, "a.b: is also set by a.b_file; remove one of them");
    }

    #[test]
    fn reports_a_file_without_a_secret_by_its_setting() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let empty = read("a.b", "", file.path()).unwrap_err();
        assert!(empty.starts_with("a.b_file: ") && empty.contains("is empty"), "{empty}");
        let missing = read("a.b", "", Path::new("/nowhere/secret")).unwrap_err();
        assert!(missing.starts_with("a.b_file: /nowhere/secret is not readable"), "{missing}");
    }
}
