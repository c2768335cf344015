//! `server.pin_threads`: which processors the threads that attend to callers may use, as `/proc` tells it.

use std::collections::BTreeSet;
use std::fs;

use anyhow::Context as _;
use tokio::net::TcpStream;

use super::home::Home;
use super::serve::{ask_again, serve, settings};

/// The processors of a thread, as the system lists them: `0-3`, `5`.
fn allowed(status: &str) -> anyhow::Result<String> {
    let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    Ok(line.context("no list of processors")?.trim().to_owned())
}

/// How many such a list names.
fn number(list: &str) -> anyhow::Result<usize> {
    let ranges = list.split(',').map(|range| {
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        Ok(to.parse::<usize>()? - from.parse::<usize>()? + 1)
    });
    ranges.sum()
}

/// The processors of each thread of a gateway with these settings that attends to callers, once all have answered.
async fn threads(home: &Home, count: usize, are_pinned: bool) -> anyhow::Result<Vec<String>> {
    let config = settings(home)?;
    let text = fs::read_to_string(&config)?;
    let lines = format!("[server]\nthreads = {count}\npin_threads = {are_pinned}\n");
    fs::write(&config, text.replace("[server]\n", &lines))?;
    let (mut gateway, url) = serve(home, &config).await?;
    // One each: a connection goes to the thread with the fewest.
    let mut kept = Vec::new();
    for _ in 0..count {
        let mut stream = TcpStream::connect(url.trim_start_matches("http://")).await?;
        let answer = ask_again(&mut stream).await?;
        anyhow::ensure!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        kept.push(stream);
    }
    let mut all = Vec::new();
    for task in fs::read_dir(format!("/proc/{}/task", gateway.pid()))? {
        let task = task?.path();
        // One that has nothing to do may have ended meanwhile.
        let Ok(name) = fs::read_to_string(task.join("comm")) else { continue };
        if name.starts_with("edge-") {
            all.push(allowed(&fs::read_to_string(task.join("status"))?)?);
        }
    }
    drop(kept);
    gateway.stop().await?;
    Ok(all)
}

#[tokio::test]
async fn threads_stay_on_a_processor_each_where_there_is_one_for_each() -> anyhow::Result<()> {
    let home = Home::new()?;
    let ours = allowed(&fs::read_to_string("/proc/self/status")?)?;
    let count = number(&ours)?;
    let pinned = threads(&home, count, true).await?;
    assert_eq!(pinned.len(), count);
    assert_eq!(pinned.iter().collect::<BTreeSet<_>>().len(), count, "two share one: {pinned:?}");
    assert!(pinned.iter().all(|list| list.parse::<usize>().is_ok()), "not one each: {pinned:?}");

    assert_eq!(threads(&home, count, false).await?, vec![ours.clone(); count]);
    assert_eq!(threads(&home, count + 1, true).await?, vec![ours; count + 1]);
    Ok(())
}
