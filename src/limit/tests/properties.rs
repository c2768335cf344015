//! What holds for any calls: budgets, rates, classes, accounts, and who stops waiting when.

use std::sync::Mutex;

use proptest::prelude::*;

use super::super::gcra::{Debt, Pace};
use super::*;

/// A call of a scenario.
#[derive(Debug, Clone)]
struct Call {
    at_ms: u64,
    /// Which of the prices it has.
    price: usize,
    account: u64,
    class: Class,
    /// When it stops waiting.
    gone_after_ms: Option<u64>,
}

/// Rates of three budgets, and calls.
#[derive(Debug, Clone)]
struct Scenario {
    rates: [Rate; 3],
    calls: Vec<Call>,
}

fn rate() -> impl Strategy<Value = Rate> {
    (1_u32..600, 1_u32..9)
        .prop_map(|(per_minute, burst)| Rate { per_minute: per_minute.into(), burst })
}

fn call() -> impl Strategy<Value = Call> {
    let class = prop_oneof![Just(Class::Interactive), Just(Class::Background)];
    let gone = prop::option::weighted(0.3, 0_u64..60_000);
    (0_u64..60_000, 0_usize..5, 0_u64..4, class, gone).prop_map(
        |(at_ms, price, account, class, gone_after_ms)| Call {
            at_ms,
            price,
            account,
            class,
            gone_after_ms,
        },
    )
}

fn scenario() -> impl Strategy<Value = Scenario> {
    let rates = [rate(), rate(), rate()];
    let calls = prop::collection::vec(call(), 1..60);
    (rates, calls).prop_map(|(rates, calls)| Scenario { rates, calls })
}

/// Each budget alone, and two with the one that they share.
fn prices(rates: &[Rate; 3]) -> Vec<Price> {
    let [one, two, all] = [("one", rates[0]), ("two", rates[1]), ("all", rates[2])];
    vec![price(&[one]), price(&[two]), price(&[all]), price(&[one, all]), price(&[two, all])]
}

/// What came of a scenario.
struct Played {
    start: Instant,
    /// When each call had its turn, and its price.
    turns: Vec<(Instant, usize)>,
    ended: Instant,
    /// When each budget is full again, blocked as it is for a minute.
    full_after: Vec<Duration>,
}

/// Plays a scenario.
async fn play(scenario: &Scenario) -> Played {
    let (limiter, prices) = (FairLimiter::local(), prices(&scenario.rates));
    let (start, turns) = (Instant::now(), Mutex::new(Vec::new()));
    join_all(scenario.calls.iter().map(|call| {
        let (limiter, turns) = (&limiter, &turns);
        let (price, account, class) = (&prices[call.price], account(call.account), call.class);
        async move {
            tokio::time::sleep_until(start + Duration::from_millis(call.at_ms)).await;
            let claim = Claim { price, account, class, max_wait: MINUTE * 6_000 };
            let turn = limiter.acquire(claim);
            let came = match call.gone_after_ms {
                Some(ms) => tokio::time::timeout(Duration::from_millis(ms), turn).await.is_ok(),
                None => turn.await.is_ok(),
            };
            if came {
                turns.lock().unwrap().push((Instant::now(), call.price));
            }
            assert!(came || call.gone_after_ms.is_some(), "who waits has its turn");
        }
    }))
    .await;
    assert_eq!(limiter.figures().waiting, 0);
    let ended = Instant::now();
    let mut full_after = Vec::new();
    for price in &prices[..3] {
        limiter.block(price, MINUTE);
        let refused = ask(&limiter, price, Duration::ZERO).await.unwrap_err();
        full_after.push(refused.standings.first().unwrap().reset);
    }
    Played { start, turns: turns.into_inner().unwrap(), ended, full_after }
}

fn takes(price: usize, budget: usize) -> bool {
    price == budget || (price == 3 && budget != 1) || (price == 4 && budget != 0)
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn no_time_holds_more_turns_than_its_rate_and_one_burst(scenario in scenario()) {
        let Played { start, turns, ended, full_after } = run(play(&scenario));
        for (budget, rate) in scenario.rates.iter().enumerate() {
            let at: Vec<Instant> =
                turns.iter().filter(|turn| takes(turn.1, budget)).map(|turn| turn.0).collect();
            let pace = Pace::new(*rate, Class::Interactive);
            // Told by the limiter's own arithmetic, and by counting.
            let mut debt = Debt { paid_at: start };
            for (index, last) in at.iter().enumerate() {
                prop_assert!(debt.wait(pace, *last, Duration::ZERO, 0).is_zero());
                debt.charge(pace, *last);
                for (before, first) in at[..=index].iter().enumerate() {
                    let time = last.duration_since(*first).as_secs_f64();
                    let most = f64::from(rate.burst) + time * rate.per_minute / 60.0 + 1e-6;
                    let count = f64::from(u32::try_from(index - before + 1).unwrap());
                    prop_assert!(count <= most, "{} in {} s at {:?}", count, time, rate);
                }
            }
            // Nothing was taken but for calls that went.
            prop_assert_eq!(full_after[budget], debt.owed(ended).max(MINUTE));
        }
    }

    #[test]
    fn everybody_who_waits_has_a_turn_in_time(scenario in scenario()) {
        let Played { start, ended, .. } = run(play(&scenario));
        let prices = prices(&scenario.rates);
        let all: Duration = scenario.calls.iter().map(|call| {
            prices[call.price].rates.iter().map(|rate| rate.period()).max().unwrap_or_default()
        }).sum();
        // As if each waited for the slowest of its budgets, one after the other, after the last came.
        prop_assert!(ended - start <= MINUTE + all + Duration::from_millis(100));
    }
}
