//! Processes on this machine, read from `/proc`.

use std::fs;
use std::time::Instant;

use super::{POLL_INTERVAL, STOP_TIMEOUT};

/// A process, identified by its id and start time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: u32,
    parent: u32,
    started: u64,
    /// Its command line, or the title it has set.
    pub(super) title: String,
}

/// Returns every running process, without zombies.
fn all() -> anyhow::Result<Vec<Process>> {
    let entries = fs::read_dir("/proc")?.flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(pids.filter_map(read).collect())
}

fn read(pid: u32) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before the last bracket may contain anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<_> = rest.split_whitespace().collect();
    if matches!(*fields.first()?, "Z" | "X") {
        return None;
    }
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let title = String::from_utf8_lossy(&line).replace('\0', " ").trim().to_owned();
    let (parent, started) = (fields.get(1)?.parse().ok()?, fields.get(19)?.parse().ok()?);
    Some(Process { pid, parent, started, title })
}

/// Returns all descendants of `ancestor`.
pub(super) fn descendants(ancestor: u32) -> anyhow::Result<Vec<Process>> {
    let mut rest = all()?;
    let mut found: Vec<Process> = Vec::new();
    loop {
        let is_child = |process: &Process| {
            process.parent == ancestor || found.iter().any(|known| known.pid == process.parent)
        };
        let (children, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(is_child);
        if children.is_empty() {
            return Ok(found);
        }
        found.extend(children);
        rest = others;
    }
}

/// Returns every process with `needle` in its title.
pub(super) fn titled(needle: &str) -> anyhow::Result<Vec<Process>> {
    Ok(all()?.into_iter().filter(|process| process.title.contains(needle)).collect())
}

/// Waits for the end of `processes` until `deadline`.
pub(super) async fn wait_for_end(processes: &[Process], deadline: Instant) -> anyhow::Result<()> {
    loop {
        let running = all()?;
        let left: Vec<_> = processes
            .iter()
            .filter(|one| {
                running.iter().any(|now| now.pid == one.pid && now.started == one.started)
            })
            .collect();
        if left.is_empty() {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < deadline, "still there: {left:#?}");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Waits until no process has `needle` in its title.
pub(super) async fn wait_for_none_titled(needle: &str) -> anyhow::Result<()> {
    let deadline = Instant::now() + STOP_TIMEOUT;
    loop {
        let left = titled(needle)?;
        if left.is_empty() {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < deadline, "still there: {left:#?}");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

#[tokio::test]
async fn finds_descendants_and_detects_their_end() -> anyhow::Result<()> {
    let mut shell = std::process::Command::new("sh").args(["-c", "sleep 60 & wait"]).spawn()?;
    let deadline = Instant::now() + STOP_TIMEOUT;
    let family = loop {
        let family = descendants(shell.id())?;
        if family.iter().any(|process| process.title == "sleep 60") {
            break family;
        }
        anyhow::ensure!(Instant::now() < deadline, "{family:?}");
        tokio::time::sleep(POLL_INTERVAL).await;
    };
    assert!(wait_for_end(&family, Instant::now()).await.is_err(), "it sleeps");
    shell.kill()?;
    shell.wait()?;
    for process in &family {
        super::program::signal(process.pid, "KILL")?;
    }
    wait_for_end(&family, deadline).await
}
