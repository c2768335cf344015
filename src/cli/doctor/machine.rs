//! What the machine lets us have: open files and memory. Of memory only Linux tells.

use std::fs;

use super::report::Report;
use crate::cli::files;
use crate::config::Config;

/// A caller and the provider it waits for are two open files; so many are too few for a busy gateway.
const FEW_FILES: u64 = 4_096;
/// What a gateway takes before it keeps anything, in MiB.
const IDLE_MIB: u64 = 64;
/// What an account, its keys and its tokens take in memory, in bytes. Measured: docs/BENCHMARKS.md.
const ACCOUNT_BYTES: u64 = 1_500;
const MIB: u64 = 1 << 20;

pub(super) fn check(config: &Config, report: &mut Report) {
    let limit = files::most();
    let found = format!("{limit} may be open at once");
    if limit < FEW_FILES {
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
            report.warn("memory", found, "give it more, or lower cache.accounts");
        } else {
            report.ok("memory", found);
        }
    }
}

/// What we may use: the limit of the container, else what the machine has left.
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
    fn the_kernels_table_is_read() {
        assert_eq!(available("MemTotal: 99 kB\nMemAvailable:    2097152 kB\n"), Some(2_048));
    }
}
