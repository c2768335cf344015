//! Redis, when the limits are shared through it.

use super::report::Report;
use crate::config::{LimitBackend, Limits};
use crate::limit::{RedisAway, probe_redis};

const NAME: &str = "redis";

pub(super) async fn check(limits: &Limits, report: &mut Report) {
    match limits.backend {
        LimitBackend::Local => {
            report.ok(NAME, "not used: limits.backend is \"local\", right for one gateway");
        }
        LimitBackend::Redis => probe(limits, report).await,
    }
}

async fn probe(limits: &Limits, report: &mut Report) {
    // A file that can't be read is told with the settings.
    let Ok(url) = limits.redis_url() else { return };
    let needed =
        "start Redis or correct limits.redis_url; meanwhile each gateway keeps to its share";
    match probe_redis(&url).await {
        Err(error @ RedisAway::Address(_)) => {
            report.fail(NAME, error.to_string(), "correct limits.redis_url");
        }
        Err(RedisAway::Failed(reason)) => {
            report.fail(NAME, format!("can't be asked: {reason}"), needed);
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
