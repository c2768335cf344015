//! Checks Redis, if rate limits are shared through it.

use super::report::DoctorReport;
use crate::config::{LimitBackend, LimitSettings};
use crate::limit::{RedisCheckError, check_redis};

const NAME: &str = "redis";

pub(super) async fn check(limits: &LimitSettings, report: &mut DoctorReport) {
    match limits.backend {
        LimitBackend::Local => {
            report.ok(NAME, "not used: limits.backend is \"local\", right for one gateway");
        }
        LimitBackend::Redis => report_redis(limits, report).await,
    }
}

async fn report_redis(limits: &LimitSettings, report: &mut DoctorReport) {
    // An unreadable file is reported with the settings.
    let Ok(url) = limits.redis_url() else { return };
    let needed = "start Redis or correct limits.redis_url; meanwhile each gateway uses its share of the rates";
    match check_redis(&url).await {
        Err(error @ RedisCheckError::InvalidUrl(_)) => {
            report.fail(NAME, error.to_string(), "correct limits.redis_url");
        }
        Err(RedisCheckError::Failed(reason)) => {
            report.fail(NAME, format!("unreachable: {reason}"), needed);
        }
        Ok(facts) => {
            let ms = facts.round_trip.as_secs_f64() * 1_000.0;
            let (version, kind) =
                (facts.version, if facts.is_cluster { "Redis Cluster" } else { "Redis" });
            let found = format!("{kind} {version} runs a script in {ms:.1} ms");
            let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
            if major.is_some_and(|major| major < 6) {
                report.fail(NAME, found, "upgrade Redis to version 6 or newer, or use Valkey");
            } else {
                report.ok(NAME, found);
            }
        }
    }
}
