//! Recovery from an earlier run: stops a server that still runs, and removes the files of one that was killed.
//!
//! A process id in a file proves nothing, because another program may have the number by now. Instead the title of each
//! process shows which cluster it serves.

use std::fs;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::EmbeddedError;
use super::binaries::Binaries;
use super::folders::DataFolders;
use super::os_user::OsUser;

/// How long the guard of an earlier server may take before we stop that server.
const GUARD_TIMEOUT: Duration = Duration::from_secs(3);
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Waits until earlier servers of this cluster have ended, stops them if necessary, and removes their files. The caller
/// must hold the lock.
pub(super) async fn recover(
    folders: &DataFolders,
    user: &OsUser,
    binaries: &Binaries,
) -> Result<(), EmbeddedError> {
    if !wait_for_exit(folders, GUARD_TIMEOUT).await {
        stop(folders, user, binaries, "fast").await?;
        if !wait_for_exit(folders, STOP_TIMEOUT).await {
            let processes: Vec<_> = processes(folders).iter().map(u32::to_string).collect();
            let processes = processes.join(", ");
            return Err(EmbeddedError::StillRunning { folder: folders.cluster.clone(), processes });
        }
    }
    remove_stale_pid_file(folders);
    folders.clear_socket();
    Ok(())
}

/// Sends the server the order to stop; `mode` is one of `pg_ctl`'s. Succeeds if no server runs.
pub(super) async fn stop(
    folders: &DataFolders,
    user: &OsUser,
    binaries: &Binaries,
    mode: &str,
) -> Result<(), EmbeddedError> {
    let program = binaries.pg_ctl();
    let mut command = user.command(&program);
    command.args(["stop", "--silent", "--no-wait", "--mode", mode, "--pgdata"]);
    let output = command.arg(&folders.cluster).output().await;
    output.map(drop).map_err(|source| user.cannot_run(program, source))
}

async fn wait_for_exit(folders: &DataFolders, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    while !processes(folders).is_empty() {
        if Instant::now() >= deadline {
            return false;
        }
        sleep(POLL_INTERVAL).await;
    }
    true
}

/// Removes the pid file if its process is no server of this cluster: otherwise PostgreSQL would not start.
fn remove_stale_pid_file(folders: &DataFolders) {
    let path = folders.cluster.join("postmaster.pid");
    let Ok(text) = fs::read_to_string(&path) else {
        return;
    };
    let process = text.lines().next().and_then(|line| line.trim().parse::<u32>().ok());
    // Without /proc nothing is known, and PostgreSQL decides.
    let other = process.and_then(command_line).is_some_and(|line| !serves(&line, folders));
    if other {
        let _ = fs::remove_file(path);
    }
}

/// Returns the running processes of this cluster: guard, server, and the server's children.
fn processes(folders: &DataFolders) -> Vec<u32> {
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

/// Returns whether a process with this command line (arguments separated by zero bytes) belongs to the cluster. The
/// last case is a server that was started by hand.
fn serves(command_line: &[u8], folders: &DataFolders) -> bool {
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
    fn recognizes_the_processes_of_a_cluster() {
        let dir = tempfile::tempdir().unwrap();
        let folders = DataFolders::open(dir.path()).unwrap();
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
    fn removes_a_pid_file_only_if_its_number_is_another_programs() {
        let dir = tempfile::tempdir().unwrap();
        let folders = DataFolders::open(dir.path()).unwrap();
        fs::create_dir(&folders.cluster).unwrap();
        let path: &Path = &folders.cluster.join("postmaster.pid");
        fs::write(path, "4194999\n").unwrap();
        remove_stale_pid_file(&folders);
        assert!(path.exists(), "no such process: left to PostgreSQL");
        fs::write(path, format!("{}\n", std::process::id())).unwrap();
        remove_stale_pid_file(&folders);
        assert!(!path.exists(), "the number is ours");
    }
}
