//! Properties that hold for arbitrary calls: buckets, rates, priorities, accounts and cancellations.

use std::sync::Mutex;

use proptest::prelude::*;

use super::super::gcra::{GcraQuota, GcraState};
use super::*;

/// A call of a scenario.
#[derive(Debug, Clone)]
struct TestCall {
    at_ms: u64,
    /// The index of its cost.
    cost: usize,
    account: u64,
    priority: Priority,
    /// When it is cancelled.
    cancelled_after_ms: Option<u64>,
}

/// The rates of three buckets, and calls.
#[derive(Debug, Clone)]
struct Scenario {
    rates: [Rate; 3],
    calls: Vec<TestCall>,
}

fn rate() -> impl Strategy<Value = Rate> {
    (1_u32..600, 1_u32..9)
        .prop_map(|(per_minute, burst)| Rate { per_minute: per_minute.into(), burst })
}

fn call() -> impl Strategy<Value = TestCall> {
    let priority = prop_oneof![Just(Priority::Interactive), Just(Priority::Background)];
    let cancelled = prop::option::weighted(0.3, 0_u64..60_000);
    (0_u64..60_000, 0_usize..5, 0_u64..4, priority, cancelled).prop_map(
        |(at_ms, cost, account, priority, gone_after_ms)| TestCall {
            at_ms,
            cost,
            account,
            priority,
            cancelled_after_ms: gone_after_ms,
        },
    )
}

fn scenario() -> impl Strategy<Value = Scenario> {
    let rates = [rate(), rate(), rate()];
    let calls = prop::collection::vec(call(), 1..60);
    (rates, calls).prop_map(|(rates, calls)| Scenario { rates, calls })
}

/// Each bucket alone, and two with the one that they share.
fn costs(rates: &[Rate; 3]) -> Vec<Cost> {
    let [one, two, all] = [("one", rates[0]), ("two", rates[1]), ("all", rates[2])];
    vec![cost(&[one]), cost(&[two]), cost(&[all]), cost(&[one, all]), cost(&[two, all])]
}

/// The result of a scenario.
struct ScenarioResult {
    start: Instant,
    /// When each call was admitted, and the index of its cost.
    admissions: Vec<(Instant, usize)>,
    ended: Instant,
    /// When each bucket is full again, after a block of a minute.
    full_after: Vec<Duration>,
}

/// Runs a scenario.
async fn run_scenario(scenario: &Scenario) -> ScenarioResult {
    let (limiter, costs) = (FairLimiter::local(), costs(&scenario.rates));
    let (start, permits) = (Instant::now(), Mutex::new(Vec::new()));
    join_all(scenario.calls.iter().map(|call| {
        let (limiter, permits) = (&limiter, &permits);
        let (cost, account, priority) = (&costs[call.cost], account(call.account), call.priority);
        async move {
            tokio::time::sleep_until(start + Duration::from_millis(call.at_ms)).await;
            let request = AcquireRequest { cost, account, priority, max_wait: MINUTE * 6_000 };
            let permit = limiter.acquire(request);
            let admitted = match call.cancelled_after_ms {
                Some(ms) => tokio::time::timeout(Duration::from_millis(ms), permit).await.is_ok(),
                None => permit.await.is_ok(),
            };
            if admitted {
                permits.lock().unwrap().push((Instant::now(), call.cost));
            }
            assert!(admitted || call.cancelled_after_ms.is_some(), "a waiting call is admitted");
        }
    }))
    .await;
    assert_eq!(limiter.stats().waiting, 0);
    let ended = Instant::now();
    let mut full_after = Vec::new();
    for cost in &costs[..3] {
        limiter.block(cost, MINUTE);
        let rejected = acquire(&limiter, cost, Duration::ZERO).await.unwrap_err();
        full_after.push(rejected.statuses.first().unwrap().reset);
    }
    ScenarioResult { start, admissions: permits.into_inner().unwrap(), ended, full_after }
}

fn takes(cost: usize, bucket: usize) -> bool {
    cost == bucket || (cost == 3 && bucket != 1) || (cost == 4 && bucket != 0)
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn no_window_admits_more_than_the_rate_and_one_burst(scenario in scenario()) {
        let ScenarioResult { start, admissions: permits, ended, full_after } = run(run_scenario(&scenario));
        for (bucket, rate) in scenario.rates.iter().enumerate() {
            let at: Vec<Instant> =
                permits.iter().filter(|permit| takes(permit.1, bucket)).map(|permit| permit.0).collect();
            let quota = GcraQuota::new(*rate, Priority::Interactive);
            // By the limiter's own arithmetic, and by counting.
            let mut state = GcraState { tat: start };
            for (index, last) in at.iter().enumerate() {
                prop_assert!(state.wait(quota, *last, Duration::ZERO, 0).is_zero());
                state.charge(quota, *last);
                for (before, first) in at[..=index].iter().enumerate() {
                    let time = last.duration_since(*first).as_secs_f64();
                    let max = f64::from(rate.burst) + time * rate.per_minute / 60.0 + 1e-6;
                    let count = f64::from(u32::try_from(index - before + 1).unwrap());
                    prop_assert!(count <= max, "{} in {} s at {:?}", count, time, rate);
                }
            }
            // Nothing was taken except by admitted calls.
            prop_assert_eq!(full_after[bucket], state.backlog(ended).max(MINUTE));
        }
    }

    #[test]
    fn every_waiting_call_is_admitted_in_time(scenario in scenario()) {
        let ScenarioResult { start, ended, .. } = run(run_scenario(&scenario));
        let costs = costs(&scenario.rates);
        let all: Duration = scenario.calls.iter().map(|call| {
            costs[call.cost].rates.iter().map(|rate| rate.period()).max().unwrap_or_default()
        }).sum();
        // As if each call waited for its slowest bucket, one after the other, after the last one arrived.
        prop_assert!(ended - start <= MINUTE + all + Duration::from_millis(100));
    }
}
