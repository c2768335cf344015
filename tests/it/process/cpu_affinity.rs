//! `server.pin_threads`: CPU affinity of the threads that serve connections, as in `/proc`.

use std::collections::BTreeSet;
use std::fs;

use anyhow::Context as _;
use tokio::net::TcpStream;

use super::serve::{request_again, serve, settings};
use super::test_dir::TestDir;

/// Returns the CPUs of a thread in the system's format: `0-3`, `5`.
fn affinity(status: &str) -> anyhow::Result<String> {
    let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    Ok(line.context("no list of processors")?.trim().to_owned())
}

/// Returns how many CPUs such a list names.
fn cpu_count(list: &str) -> anyhow::Result<usize> {
    let ranges = list.split(',').map(|range| {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        Ok(to.parse::<usize>()? - from.parse::<usize>()? + 1)
    });
    ranges.sum()
}

/// Returns the CPUs of each connection thread of a gateway with these settings, once all have served a request.
async fn threads(home: &TestDir, count: usize, are_pinned: bool) -> anyhow::Result<Vec<String>> {
    let config = settings(home)?;
    let text = fs::read_to_string(&config)?;
    let lines = format!("[server]\nthreads = {count}\npin_threads = {are_pinned}\n");
    fs::write(&config, text.replace("[server]\n", &lines))?;
    let (mut gateway, url) = serve(home, &config).await?;
    // One each: a connection goes to the thread with the fewest.
    let mut stored = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(url.trim_start_matches("http://")).await?;
        let response = request_again(&mut stream).await?;
        anyhow::ensure!(response.starts_with("HTTP/1.1 200 "), "{response}");
        stored.push(stream);
    }
    let mut all = Vec::new();
    for task in fs::read_dir(format!("/proc/{}/task", gateway.pid()))? {
        let task = task?.path();
        // An idle one may have ended.
        let Ok(name) = fs::read_to_string(task.join("comm")) else { continue };
        if name.starts_with("worker-") {
            all.push(affinity(&fs::read_to_string(task.join("status"))?)?);
        }
    }
    drop(stored);
    gateway.stop().await?;
    Ok(all)
}

#[tokio::test]
async fn threads_are_pinned_to_one_cpu_each_where_there_are_enough() -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let ours = affinity(&fs::read_to_string("/proc/self/status")?)?;
    let count = cpu_count(&ours)?;
    let pinned = threads(&home, count, true).await?;
    assert_eq!(pinned.len(), count);
    assert_eq!(pinned.iter().collect::<BTreeSet<_>>().len(), count, "two share one: {pinned:?}");
    assert!(pinned.iter().all(|list| list.parse::<usize>().is_ok()), "not one each: {pinned:?}");

    assert_eq!(threads(&home, count, false).await?, vec![ours.clone(); count]);
    assert_eq!(threads(&home, count + 1, true).await?, vec![ours; count + 1]);
    Ok(())
}
