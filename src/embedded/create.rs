//! A new cluster, made aside and moved into its place when complete, so that a crash in the middle
//! leaves nothing that looks like a cluster.

use std::fs::{self, File};
use std::path::Path;

use super::account::Account;
use super::binaries::Binaries;
use super::folders::{Folders, last_lines, make_private};
use super::{EmbeddedError, Options};

/// The name of the database's superuser, and of the database.
pub(super) const NAME: &str = "switchboard";
const UNFINISHED: &str = "postgres.new-";
/// Byte order with Unicode letters; older systems have only the plain one.
const LOCALES: [&str; 2] = ["C.UTF-8", "C"];

/// The major version that made the cluster; none when there is no cluster yet.
pub(super) fn version(folders: &Folders) -> Result<Option<u32>, EmbeddedError> {
    if !folders.cluster.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(folders.cluster.join("PG_VERSION")).unwrap_or_default();
    let major = text.trim().parse().ok();
    major.map(Some).ok_or_else(|| EmbeddedError::NotACluster { folder: folders.cluster.clone() })
}

/// Makes the cluster.
pub(super) async fn cluster(
    folders: &Folders,
    account: &Account,
    binaries: &Binaries,
    options: &Options,
) -> Result<(), EmbeddedError> {
    remove_unfinished(folders);
    // A name that no earlier attempt had: killing us does not kill its initdb, which may still be
    // writing into its own folder.
    let aside = folders.home.join(format!("{UNFINISHED}{:016x}", rand::random::<u64>()));
    let mut said = String::new();
    for locale in LOCALES {
        make_private(&aside)?;
        account.give(&aside)?;
        match initdb(&aside, locale, account, binaries, options).await? {
            Ok(()) => return move_into_place(&aside, folders, options),
            Err(output) => said = output,
        }
        fs::remove_dir_all(&aside).map_err(EmbeddedError::file("remove", &aside))?;
    }
    Err(EmbeddedError::Init { folder: folders.cluster.clone(), output: said })
}

/// Fails with what `initdb` said.
async fn initdb(
    folder: &Path,
    locale: &str,
    account: &Account,
    binaries: &Binaries,
    options: &Options,
) -> Result<Result<(), String>, EmbeddedError> {
    let program = binaries.initdb();
    let mut command = account.command(&program);
    command
        .arg("--pgdata")
        .arg(folder)
        .args(["--username", NAME, "--encoding", "UTF8", "--locale", locale])
        .args(["--auth-local", "trust", "--auth-host", "reject", "--no-instructions"])
        .kill_on_drop(true);
    if !options.durable {
        command.arg("--no-sync");
    }
    let output = command.output().await.map_err(|source| account.cannot_run(program, source))?;
    let said = if output.stderr.is_empty() { &output.stdout } else { &output.stderr };
    Ok(if output.status.success() { Ok(()) } else { Err(last_lines(said)) })
}

fn move_into_place(
    aside: &Path,
    folders: &Folders,
    options: &Options,
) -> Result<(), EmbeddedError> {
    fs::rename(aside, &folders.cluster).map_err(EmbeddedError::file("rename", aside))?;
    if options.durable {
        let parent = &folders.home;
        let written = File::open(parent).and_then(|folder| folder.sync_all());
        written.map_err(EmbeddedError::file("write", parent))?;
    }
    Ok(())
}

/// Removes what interrupted attempts left; what resists is left to the next start.
fn remove_unfinished(folders: &Folders) {
    for entry in fs::read_dir(&folders.home).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED)
            && let Err(error) = fs::remove_dir_all(entry.path())
        {
            tracing::debug!(%error, "an unfinished cluster could not be removed");
        }
    }
}
