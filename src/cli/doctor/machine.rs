//! Checks the limits of the machine: open files, and on Linux memory.

use std::fs;

use super::report::DoctorReport;
use crate::cli::rlimit;
use crate::config::Config;

/// Minimum open files for a busy gateway: a call needs two, for its caller and for the provider.
const MIN_OPEN_FILES: u64 = 4_096;
/// Memory of an idle gateway, in MiB.
const IDLE_MIB: u64 = 64;
/// Memory of a cached account with its keys and tokens, in bytes. Measured: docs/BENCHMARKS.md.
const ACCOUNT_BYTES: u64 = 1_500;
const MIB: u64 = 1 << 20;

pub(super) fn check(config: &Config, report: &mut DoctorReport) {
    let limit = rlimit::hard_limit();
    let found = format!("the limit is {limit}");
    if limit < MIN_OPEN_FILES {
        let fix =
            "raise the hard limit to 65536: ulimit -Hn, LimitNOFILE= of systemd, ulimits of Docker";
        report.warn("open files", found, fix);
    } else {
        report.ok("open files", found);
    }
    if let Some(memory) = memory_mib() {
        let accounts = u64::try_from(config.cache.accounts).unwrap_or(u64::MAX);
        let workers = u64::try_from(config.mappings.workers).unwrap_or(u64::MAX);
        let workers = workers.saturating_mul(config.mappings.worker_memory_mb);
        let cache = accounts.saturating_mul(ACCOUNT_BYTES) / MIB;
        let needed = IDLE_MIB.saturating_add(cache).saturating_add(workers);
        let found = format!(
            "{memory} MiB; a full cache of {accounts} accounts and the workers of mappings need {needed} MiB"
        );
        if memory < needed {
            report.warn("memory", found, "add memory, or lower cache.accounts");
        } else {
            report.ok("memory", found);
        }
    }
}

/// Returns the usable memory: the limit of the container, else what the machine has available.
fn memory_mib() -> Option<u64> {
    let of_group = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        .iter()
        .find_map(|path| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok());
    let left = fs::read_to_string("/proc/meminfo").ok().as_deref().and_then(available);
    match (of_group.map(|bytes| bytes / MIB), left) {
        (Some(group), Some(left)) => Some(group.min(left)),
        (group, left) => group.or(left),
    }
}

fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib / 1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_available_memory() {
        assert_eq!(available("MemTotal: 99 kB\nMemAvailable:    2097152 kB\n"), Some(2_048));
    }
}
