//! The machine and its processes: description, processor time and memory.

use std::fs;

use anyhow::Context as _;

/// Clock ticks per second in `/proc` on Linux.
const TICKS_PER_S: f64 = 100.0;
/// Bytes per page of memory.
const PAGE_BYTES: f64 = 4096.0;

/// Describes the machine in one line.
pub(crate) fn description() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unknown processor", |(_, model)| model);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kb =
        memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next());
    let gb = kb.and_then(|kb| kb.parse::<f64>().ok()).unwrap_or_default() / 1024.0 / 1024.0;
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cores} cores of {model}, {gb:.0} GB, Linux {}", kernel.trim())
}

/// Returns the load average; above 1 at the start, other programs were at work, too.
pub(crate) fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or_default().to_owned()
}

/// Returns the processor time that a process has used, in seconds.
pub(crate) fn cpu_s(pid: u32) -> anyhow::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(") ").context("no stat")?;
    let field =
        |number: usize| fields.split(' ').nth(number).and_then(|text| text.parse::<f64>().ok());
    let (user, system) = field(11).zip(field(12)).context("no times")?;
    Ok((user + system) / TICKS_PER_S)
}

/// Returns the memory that a process holds, in megabytes.
pub(crate) fn memory_mb(pid: u32) -> anyhow::Result<f64> {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm"))?;
    let pages: f64 = statm.split(' ').nth(1).context("no statm")?.parse()?;
    Ok(pages * PAGE_BYTES / 1024.0 / 1024.0)
}

/// Resets the peak that [`peak_memory_mb`] returns.
pub(crate) fn reset_peak_memory(pid: u32) -> anyhow::Result<()> {
    Ok(fs::write(format!("/proc/{pid}/clear_refs"), "5")?)
}

/// Returns the peak memory of a process, in megabytes.
pub(crate) fn peak_memory_mb(pid: u32) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kb: f64 =
        line.and_then(|line| line.split_whitespace().next()).context("no peak")?.parse()?;
    Ok(kb / 1024.0)
}
