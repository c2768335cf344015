//! Creation of a cluster. It is prepared in another directory and renamed when complete, so that a crash leaves nothing
//! that looks like a cluster.

use std::fs::{self, File};
use std::path::Path;

use super::binaries::Binaries;
use super::folders::{DataFolders, last_lines, make_private};
use super::os_user::OsUser;
use super::{EmbeddedError, EmbeddedOptions};

/// Name of the database and of its superuser.
pub(super) const DATABASE_NAME: &str = "switchboard";
const UNFINISHED_PREFIX: &str = "postgres.new-";
/// Byte order with Unicode letters; older systems only have plain `C`.
const LOCALES: [&str; 2] = ["C.UTF-8", "C"];

/// Returns the major version that created the cluster; `None` if there is no cluster.
pub(super) fn version(folders: &DataFolders) -> Result<Option<u32>, EmbeddedError> {
    if !folders.cluster.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(folders.cluster.join("PG_VERSION")).unwrap_or_default();
    let major = text.trim().parse().ok();
    major.map(Some).ok_or_else(|| EmbeddedError::NotACluster { folder: folders.cluster.clone() })
}

/// Creates the cluster.
pub(super) async fn cluster(
    folders: &DataFolders,
    user: &OsUser,
    binaries: &Binaries,
    options: &EmbeddedOptions,
) -> Result<(), EmbeddedError> {
    remove_unfinished(folders);
    // A name that no earlier attempt used: killing us does not kill its initdb, which may still write into its own
    // directory.
    let aside = folders.home.join(format!("{UNFINISHED_PREFIX}{:016x}", rand::random::<u64>()));
    let mut output = String::new();
    for locale in LOCALES {
        make_private(&aside)?;
        user.chown(&aside)?;
        match initdb(&aside, locale, user, binaries, options).await? {
            Ok(()) => return move_into_place(&aside, folders, options),
            Err(text) => output = text,
        }
        fs::remove_dir_all(&aside).map_err(EmbeddedError::file("remove", &aside))?;
    }
    Err(EmbeddedError::Init { folder: folders.cluster.clone(), output })
}

/// Runs `initdb`; the inner error is its output.
async fn initdb(
    folder: &Path,
    locale: &str,
    user: &OsUser,
    binaries: &Binaries,
    options: &EmbeddedOptions,
) -> Result<Result<(), String>, EmbeddedError> {
    let program = binaries.initdb();
    let mut command = user.command(&program);
    command
        .arg("--pgdata")
        .arg(folder)
        .args(["--username", DATABASE_NAME, "--encoding", "UTF8", "--locale", locale])
        .args(["--auth-local", "trust", "--auth-host", "reject", "--no-instructions"])
        .kill_on_drop(true);
    if !options.durable {
        command.arg("--no-sync");
    }
    let output = command.output().await.map_err(|source| user.cannot_run(program, source))?;
    let text = if output.stderr.is_empty() { &output.stdout } else { &output.stderr };
    Ok(if output.status.success() { Ok(()) } else { Err(last_lines(text)) })
}

fn move_into_place(
    aside: &Path,
    folders: &DataFolders,
    options: &EmbeddedOptions,
) -> Result<(), EmbeddedError> {
    fs::rename(aside, &folders.cluster).map_err(EmbeddedError::file("rename", aside))?;
    if options.durable {
        let parent = &folders.home;
        let written = File::open(parent).and_then(|folder| folder.sync_all());
        written.map_err(EmbeddedError::file("write", parent))?;
    }
    Ok(())
}

/// Removes remains of interrupted attempts; what can't be removed is left to the next start.
fn remove_unfinished(folders: &DataFolders) {
    for entry in fs::read_dir(&folders.home).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED_PREFIX)
            && let Err(error) = fs::remove_dir_all(entry.path())
        {
            tracing::debug!(%error, "an unfinished cluster could not be removed");
        }
    }
}
