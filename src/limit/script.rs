//! The calls of the script that keeps the budgets in Redis.

use std::time::Duration;

use redis::{Script, ScriptInvocation};

use super::gcra::Pace;
use super::ledger::Known;
use super::{Class, LimitKey, Price};

const SCRIPT: &str = include_str!("shared.lua");

/// The script.
pub(super) struct Budgets(Script);

impl Budgets {
    /// The script, not yet sent to any server.
    pub(super) fn new() -> Self {
        Self(Script::new(SCRIPT))
    }

    /// A call that does `task` with `number` to the budgets of `price`. `untold` is what the server may have
    /// forgotten of each.
    pub(super) fn call(
        &self,
        task: &str,
        number: Duration,
        price: &Price,
        goes_as: Class,
        untold: &[Known],
    ) -> ScriptInvocation<'_> {
        let mut invocation = self.0.prepare_invoke();
        invocation.arg(task).arg(micros(number));
        for (at, (key, rate)) in price.keys.iter().zip(&price.rates).enumerate() {
            let (pace, widest) = (Pace::new(*rate, goes_as), Pace::new(*rate, Class::Interactive));
            let known = untold.get(at);
            invocation
                .key(name(key))
                .arg(micros(pace.period))
                .arg(micros(pace.room))
                .arg(micros(known.map_or(Duration::ZERO, |known| known.owed)))
                .arg(micros(known.map_or(Duration::ZERO, |known| known.blocked)))
                .arg(micros(widest.room + widest.period));
        }
        invocation
    }

    /// A call that counts the processes of the list at `key`, each for the time `counts_for`, and `process`
    /// among them.
    pub(super) fn count(
        &self,
        key: &str,
        counts_for: Duration,
        process: &str,
    ) -> ScriptInvocation<'_> {
        let mut invocation = self.0.prepare_invoke();
        invocation.key(key).arg("count").arg(micros(counts_for)).arg(process);
        invocation
    }
}

/// The name of a budget. Those of an organization are kept on one server of a cluster.
fn name(key: &LimitKey) -> String {
    let LimitKey { app, organization, bucket } = key;
    let organization = organization.replace(['{', '}'], "_");
    match app {
        Some(app) => format!("switchboard:limit:{{{organization}}}:{app}:{bucket}"),
        None => format!("switchboard:limit:{{{organization}}}:all:{bucket}"),
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budgets_of_an_organization_have_one_hash_tag() {
        let key = |organization: &str, bucket: &str| {
            name(&LimitKey {
                app: None,
                organization: organization.into(),
                bucket: bucket.to_owned().into(),
            })
        };
        assert_eq!(key("E1", "scim.read"), "switchboard:limit:{E1}:all:scim.read");
        assert_eq!(key("a}b{c", "x"), "switchboard:limit:{a_b_c}:all:x");
    }
}
