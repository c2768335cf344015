//! The limits of a worker, set by itself before it reads anything.
//!
//! They are set, and then the program executes itself once more: an allocator reserves memory at its start, so
//! only what is limited before the first instruction is limited at all.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, nice, setrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::process::WorkerProgram;

/// The argument behind the limit of memory that says that it is in force.
pub(super) const LIMITED: &str = "limited";

/// The stack, in bytes.
const STACK: u64 = 8 * 1024 * 1024;
/// The address space beyond the limit of memory: the program itself, and its libraries.
const PROGRAM: u64 = 512 * 1024 * 1024;
/// How much processor time one evaluation has at least. The system counts whole seconds: it has up to one more.
const MIN_CPU: Duration = Duration::from_millis(500);
/// All files of a worker: its two pipes, and nothing in place of standard error.
const FILES: u64 = 3;
/// Under pressure the gateway gets the processor first.
const NICE: i32 = 5;

/// Limits a worker that has just started, and executes it again; returns in the worker that began under its limits.
pub(super) fn confine(memory: u64, is_limited: bool) -> io::Result<()> {
    if is_limited {
        let most = getrlimit(Resource::Data).maximum;
        if most.is_none_or(|most| most > memory) {
            return Err(io::Error::other("the limits of the worker are not in force"));
        }
        limit(Resource::Nofile, FILES)?;
        renew_cpu_limit();
        return Ok(());
    }
    // The kernel's first choice when memory runs out is a worker, never the gateway.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    let _ = nice(NICE);
    #[cfg(target_os = "linux")]
    rustix::thread::set_no_new_privs(true)?;
    std::env::set_current_dir("/")?;
    limit(Resource::Core, 0)?;
    limit(Resource::Fsize, 0)?;
    limit(Resource::Stack, STACK)?;
    limit(Resource::Data, memory)?;
    limit(Resource::As, memory + STACK + PROGRAM)?;
    // What the gateway was started with may be open here too.
    close_fds::set_fds_cloexec(3, &[]);
    Err(WorkerProgram::this().command(memory).arg(LIMITED).exec())
}

/// Gives the next evaluation its processor time; returns what was used before.
pub(super) fn renew_cpu_limit() -> Duration {
    let used = cpu_time();
    let current = Some((used + MIN_CPU).as_secs() + 1);
    let limit = getrlimit(Resource::Cpu);
    if limit.current != current {
        let _ = setrlimit(Resource::Cpu, Rlimit { current, ..limit });
    }
    used
}

fn limit(resource: Resource, most: u64) -> io::Result<()> {
    // What an administrator has set lower stays.
    let most = getrlimit(resource).maximum.map_or(most, |already| already.min(most));
    setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    Ok(())
}

/// The processor time that this process has taken.
pub(super) fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(now).unwrap_or_default()
}
