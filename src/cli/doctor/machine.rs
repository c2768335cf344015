//! What the machine lets us have: open files and memory. Linux tells; elsewhere nothing is checked.

use std::fs;

use super::report::Report;
use crate::config::Config;

/// A caller and the provider it waits for are two open files; so many are too few for a busy gateway.
const FEW_FILES: u64 = 4_096;
/// What a gateway takes before it keeps anything, in MiB.
const IDLE_MIB: u64 = 64;
/// What an account, its keys and its tokens take in memory, in bytes. Measured: docs/BENCHMARKS.md.
const ACCOUNT_BYTES: u64 = 1_500;
const MIB: u64 = 1 << 20;

pub(super) fn check(config: &Config, report: &mut Report) {
    if let Some(limit) = fs::read_to_string("/proc/self/limits").ok().as_deref().and_then(files) {
        let found = format!("{limit} may be open at once");
        if limit < FEW_FILES {
            let fix =
                "raise the limit to 65536: ulimit -n, LimitNOFILE= of systemd, ulimits of Docker";
            report.warn("open files", found, fix);
        } else {
            report.ok("open files", found);
        }
    }
    if let Some(memory) = memory_mib() {
        let accounts = u64::try_from(config.cache.accounts).unwrap_or(u64::MAX);
        let needed = IDLE_MIB + accounts.saturating_mul(ACCOUNT_BYTES) / MIB;
        let found = format!("{memory} MiB; a full cache of {accounts} accounts wants {needed} MiB");
        if memory < needed {
            report.warn("memory", found, "give it more, or lower cache.accounts");
        } else {
            report.ok("memory", found);
        }
    }
}

/// The soft limit of open files.
fn files(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
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
    fn the_kernels_tables_are_read() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max open files            1024                 524288               files\n";
        assert_eq!(files(limits), Some(1_024));
        assert_eq!(files("Max open files   unlimited   unlimited   files"), Some(u64::MAX));
        assert_eq!(available("MemTotal: 99 kB\nMemAvailable:    2097152 kB\n"), Some(2_048));
    }
}
