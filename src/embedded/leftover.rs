//! What an earlier run left behind: a server that is still stopping, or that nobody stops any more,
//! and the files of one that was killed.
//!
//! A process id in a file proves nothing, as the number may belong to another program by now. So the
//! processes are asked for the cluster that they serve: it stands in the title of each.

use std::fs;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::EmbeddedError;
use super::account::Account;
use super::binaries::Binaries;
use super::folders::Folders;

/// How long the guard of an earlier server may take before we stop that server ourselves.
const GUARD_MAY_TAKE: Duration = Duration::from_secs(3);
const STOP_MAY_TAKE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

/// Waits for the end of earlier servers of this cluster, ends them if need be, and clears away
/// their files. Only for the holder of the lock.
pub(super) async fn clear(
    folders: &Folders,
    account: &Account,
    binaries: &Binaries,
) -> Result<(), EmbeddedError> {
    if !gone_within(folders, GUARD_MAY_TAKE).await {
        stop(folders, account, binaries, "fast").await?;
        if !gone_within(folders, STOP_MAY_TAKE).await {
            let processes: Vec<_> = processes(folders).iter().map(u32::to_string).collect();
            let processes = processes.join(", ");
            return Err(EmbeddedError::StillRunning { folder: folders.cluster.clone(), processes });
        }
    }
    remove_stale_pid_file(folders);
    folders.clear_socket();
    Ok(())
}

/// Tells the server to stop; `mode` is one of `pg_ctl`'s. No server is no error.
pub(super) async fn stop(
    folders: &Folders,
    account: &Account,
    binaries: &Binaries,
    mode: &str,
) -> Result<(), EmbeddedError> {
    let program = binaries.pg_ctl();
    let mut command = account.command(&program);
    command.args(["stop", "--silent", "--no-wait", "--mode", mode, "--pgdata"]);
    let output = command.arg(&folders.cluster).output().await;
    output.map(drop).map_err(|source| account.cannot_run(program, source))
}

async fn gone_within(folders: &Folders, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    while !processes(folders).is_empty() {
        if Instant::now() >= deadline {
            return false;
        }
        sleep(POLL).await;
    }
    true
}

/// A file that names a living process stops PostgreSQL from starting, whatever that process is.
fn remove_stale_pid_file(folders: &Folders) {
    let path = folders.cluster.join("postmaster.pid");
    let Ok(text) = fs::read_to_string(&path) else {
        return;
    };
    let process = text.lines().next().and_then(|line| line.trim().parse::<u32>().ok());
    // Without /proc we know nothing, and PostgreSQL decides.
    let other = process.and_then(command_line).is_some_and(|line| !serves(&line, folders));
    if other {
        let _ = fs::remove_file(path);
    }
}

/// The living processes of this cluster: guard, server, and the server's own.
fn processes(folders: &Folders) -> Vec<u32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|process| command_line(*process).is_some_and(|line| serves(&line, folders)))
        .collect()
}

fn command_line(process: u32) -> Option<Vec<u8>> {
    fs::read(format!("/proc/{process}/cmdline")).ok()
}

/// Whether a process with this command line (arguments that end with a zero byte) belongs to the
/// cluster. The last case is a server that somebody started by hand.
fn serves(command_line: &[u8], folders: &Folders) -> bool {
    use std::os::unix::ffi::OsStrExt;

    let arguments = || command_line.split(|byte| *byte == 0);
    let program = arguments().next().unwrap_or_default();
    let setting = format!("cluster_name={}", folders.tag);
    let title = format!("postgres: {}: ", folders.tag);
    let cluster = folders.cluster.as_os_str().as_bytes();
    arguments().any(|argument| argument == setting.as_bytes())
        || program.starts_with(title.as_bytes())
        || program.ends_with(b"postgres") && arguments().any(|argument| argument == cluster)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_processes_of_a_cluster_are_told_from_others() {
        let dir = tempfile::tempdir().unwrap();
        let folders = Folders::open(dir.path()).unwrap();
        let serves = |line: String| serves(line.as_bytes(), &folders);
        let (tag, cluster) = (&folders.tag, folders.cluster.display());
        assert!(serves(format!("/bin/postgres\0-D\0/x\0-c\0cluster_name={tag}\0")));
        assert!(serves(format!("postgres: {tag}: checkpointer \0\0")));
        assert!(serves(format!("/usr/lib/postgresql/15/bin/postgres\0-D\0{cluster}\0")));
        assert!(!serves(format!("vi\0{cluster}\0")));
        assert!(!serves(format!("postgres: {tag}0: checkpointer\0")));
        assert!(!serves("/bin/postgres\0-D\0/elsewhere\0".to_owned()));
        assert!(!serves(String::new()));
    }

    #[test]
    fn a_pid_file_goes_only_when_its_number_is_another_programs() {
        let dir = tempfile::tempdir().unwrap();
        let folders = Folders::open(dir.path()).unwrap();
        fs::create_dir(&folders.cluster).unwrap();
        let path: &Path = &folders.cluster.join("postmaster.pid");
        fs::write(path, "4194999\n").unwrap();
        remove_stale_pid_file(&folders);
        assert!(path.exists(), "no such process: PostgreSQL sees to it");
        fs::write(path, format!("{}\n", std::process::id())).unwrap();
        remove_stale_pid_file(&folders);
        assert!(!path.exists(), "the number is ours");
    }
}
