//! Resource limits of a worker, set by the worker itself before it reads anything.
//!
//! After setting them the program executes itself again: an allocator reserves memory at start-up, so limits only work
//! if they are in force before the first instruction.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, nice, setrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::process::WorkerProgram;

/// Argument after the memory limit which states that the limits are in force.
pub(super) const LIMITED_ARGUMENT: &str = "limited";

/// Maximum stack size, in bytes.
const STACK_BYTES: u64 = 8 * 1024 * 1024;
/// Address space beyond the memory limit, in bytes: for the program and its libraries.
const PROGRAM_BYTES: u64 = 512 * 1024 * 1024;
/// Minimum CPU time of one evaluation. The kernel counts whole seconds, so it may be up to one more.
const MIN_CPU: Duration = Duration::from_millis(500);
/// Maximum number of open files of a worker: two pipes, and `/dev/null` for standard error.
const MAX_FILES: u64 = 3;
/// Nice value: under load the gateway runs first.
const NICE: i32 = 5;

/// Sets the limits of a worker that has just started and executes it again; returns in the second run.
pub(super) fn confine(memory: u64, is_limited: bool) -> io::Result<()> {
    if is_limited {
        let most = getrlimit(Resource::Data).maximum;
        if most.is_none_or(|most| most > memory) {
            return Err(io::Error::other("the limits of the worker are not in force"));
        }
        limit(Resource::Nofile, MAX_FILES)?;
        renew_cpu_limit();
        return Ok(());
    }
    // When memory runs out, the kernel kills a worker first, not the gateway.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    let _ = nice(NICE);
    #[cfg(target_os = "linux")]
    rustix::thread::set_no_new_privs(true)?;
    std::env::set_current_dir("/")?;
    limit(Resource::Core, 0)?;
    limit(Resource::Fsize, 0)?;
    limit(Resource::Stack, STACK_BYTES)?;
    limit(Resource::Data, memory)?;
    limit(Resource::As, memory + STACK_BYTES + PROGRAM_BYTES)?;
    // Files inherited from the gateway's parent may be open here too.
    close_fds::set_fds_cloexec(3, &[]);
    Err(WorkerProgram::current().command(memory).arg(LIMITED_ARGUMENT).exec())
}

/// Grants the next evaluation its CPU time; returns the time used before.
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
    // A lower limit set by an administrator stays.
    let most = getrlimit(resource).maximum.map_or(most, |already| already.min(most));
    setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    Ok(())
}

/// Returns the CPU time used by this process.
pub(super) fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(now).unwrap_or_default()
}
