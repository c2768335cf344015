//! Discovery of the installed PostgreSQL server programs.
//!
//! Debian installs them outside of the `PATH`, in a directory per major version; other systems put them on it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::EmbeddedError;

const MIN_MAJOR_VERSION: u32 = 14;
const PROGRAMS: [&str; 3] = ["initdb", "postgres", "pg_ctl"];

/// Places to search for the server programs.
#[derive(Debug, Clone)]
pub struct SearchPaths {
    /// Directories that contain `VERSION/bin`, such as Debian's `/usr/lib/postgresql`.
    pub versioned: Vec<PathBuf>,
    /// A list of directories in the form of `PATH`, searched afterwards.
    pub path: Option<OsString>,
}

impl SearchPaths {
    /// Returns the search paths of this machine.
    #[must_use]
    pub fn of_system() -> Self {
        Self {
            versioned: vec![PathBuf::from("/usr/lib/postgresql")],
            path: std::env::var_os("PATH"),
        }
    }

    /// Returns the directories that contain all programs, the likelier first.
    fn folders(&self) -> Vec<PathBuf> {
        let versioned = self.versioned.iter().filter_map(|root| std::fs::read_dir(root).ok());
        let mut folders: Vec<_> =
            versioned.flatten().flatten().map(|version| version.path().join("bin")).collect();
        for folder in self.path.iter().flat_map(std::env::split_paths) {
            // Often a symbolic link in /usr/local/bin to only one of the programs.
            let real = folder.join("initdb").canonicalize().ok();
            folders.extend(real.and_then(|program| program.parent().map(Path::to_owned)));
            folders.push(folder);
        }
        folders.retain(|folder| {
            folder.is_absolute() && PROGRAMS.iter().all(|name| folder.join(name).is_file())
        });
        folders
    }
}

/// The server programs of one installed version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries {
    folder: PathBuf,
}

impl Binaries {
    /// Returns the programs for the cluster in `folder`, which the major version `cluster` created, or the newest ones
    /// if there is no cluster.
    pub(super) async fn find(
        places: &SearchPaths,
        folder: &Path,
        cluster: Option<u32>,
    ) -> Result<Self, EmbeddedError> {
        let mut installed = BTreeMap::new();
        for folder in places.folders() {
            if let Some(major) = version_of(&folder.join("postgres")).await {
                installed.entry(major).or_insert(folder);
            }
        }
        choose(installed, folder, cluster)
    }

    pub(super) fn initdb(&self) -> PathBuf {
        self.folder.join("initdb")
    }

    pub(super) fn postgres(&self) -> PathBuf {
        self.folder.join("postgres")
    }

    pub(super) fn pg_ctl(&self) -> PathBuf {
        self.folder.join("pg_ctl")
    }
}

fn choose(
    mut installed: BTreeMap<u32, PathBuf>,
    folder: &Path,
    cluster: Option<u32>,
) -> Result<Binaries, EmbeddedError> {
    let recent = installed.split_off(&MIN_MAJOR_VERSION);
    let newest = recent.last_key_value().ok_or_else(|| EmbeddedError::NotInstalled {
        searched: match installed.last_key_value() {
            Some((old, folder)) => format!("version {old} in {} is too old", folder.display()),
            None => "looked below /usr/lib/postgresql and on the PATH".to_owned(),
        },
    })?;
    let Some(cluster) = cluster else {
        return Ok(Binaries { folder: newest.1.clone() });
    };
    recent.get(&cluster).map(|folder| Binaries { folder: folder.clone() }).ok_or_else(|| {
        let found: Vec<_> = recent.keys().map(u32::to_string).collect();
        let folder = folder.to_owned();
        EmbeddedError::OtherVersion { folder, cluster, found: found.join(" and ") }
    })
}

/// Returns the major version of the server program at `postgres`, if it runs.
async fn version_of(postgres: &Path) -> Option<u32> {
    let output = Command::new(postgres).arg("--version").output().await.ok()?;
    major(&String::from_utf8_lossy(&output.stdout))
}

/// Parses the major version in `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)`.
fn major(version: &str) -> Option<u32> {
    let number = version.split_once("(PostgreSQL)")?.1.trim_start();
    let digits = number.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installed(majors: &[u32]) -> BTreeMap<u32, PathBuf> {
        majors.iter().map(|major| (*major, PathBuf::from(format!("/pg/{major}/bin")))).collect()
    }

    #[test]
    fn parses_versions_of_distributions_and_betas() {
        assert_eq!(major("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n"), Some(15));
        assert_eq!(major("postgres (PostgreSQL) 18beta2\n"), Some(18));
        assert_eq!(major("something else 12"), None);
    }

    #[test]
    fn a_new_cluster_uses_the_newest_programs() {
        let chosen = choose(installed(&[13, 14, 16]), Path::new("/data"), None).unwrap();
        assert_eq!(chosen.postgres(), Path::new("/pg/16/bin/postgres"));
    }

    #[test]
    fn an_old_cluster_uses_the_programs_of_its_version() {
        let chosen = choose(installed(&[15, 17]), Path::new("/data"), Some(15)).unwrap();
        assert_eq!(chosen.initdb(), Path::new("/pg/15/bin/initdb"));
    }

    #[test]
    fn explains_which_version_an_old_cluster_needs() {
        let error = choose(installed(&[16, 17]), Path::new("/data"), Some(15)).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("created by PostgreSQL 15"), "{text}");
        assert!(text.contains("16 and 17"), "{text}");
    }

    #[test]
    fn explains_a_version_that_is_too_old() {
        let error = choose(installed(&[11]), Path::new("/data"), None).unwrap_err();
        assert!(error.to_string().contains("version 11 in /pg/11/bin is too old"), "{error}");
    }
}
