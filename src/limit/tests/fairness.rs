//! Tests of the order in which calls are admitted.

use std::sync::Mutex;

use super::*;

const TIER_2: Rate = Rate { per_minute: 20.0, burst: 6 };

/// Returns the order in which calls of these accounts and priorities are admitted, all requested together after the
/// burst has been used up.
async fn order(rate: Rate, calls: &[(u64, Priority)]) -> Vec<(u64, Priority)> {
    let (limiter, cost, order) =
        (FairLimiter::local(), cost(&[("a", rate)]), Mutex::new(Vec::new()));
    while acquire(&limiter, &cost, Duration::ZERO).await.is_ok() {}
    join_all(calls.iter().map(|(number, priority)| async {
        let request = AcquireRequest {
            cost: &cost,
            account: account(*number),
            priority: *priority,
            max_wait: MINUTE * 60,
        };
        limiter.acquire(request).await.unwrap();
        order.lock().unwrap().push((*number, *priority));
    }))
    .await;
    order.into_inner().unwrap()
}

#[tokio::test(start_paused = true)]
async fn accounts_are_served_round_robin() {
    let priority = Priority::Interactive;
    let calls: Vec<_> = [1, 1, 1, 1, 1, 2, 2, 3].map(|number| (number, priority)).into();
    let order: Vec<_> = order(SLOW, &calls).await.into_iter().map(|(number, _)| number).collect();
    assert_eq!(order, [1, 2, 3, 1, 2, 1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn interactive_calls_go_first_and_background_calls_do_not_starve() {
    let (interactive, background) = (Priority::Interactive, Priority::Background);
    let mut calls = vec![(1, background); 3];
    calls.extend(vec![(2, interactive); 30]);
    let order = order(SLOW, &calls).await;
    let positions: Vec<_> = (0..order.len()).filter(|at| order[*at].1 == background).collect();
    // Every tenth permit is theirs.
    assert_eq!(positions, [9, 19, 29]);
}

#[tokio::test(start_paused = true)]
async fn calls_of_one_account_are_first_in_first_out() {
    let (limiter, cost, order) =
        (FairLimiter::local(), cost(&[("a", SLOW)]), Mutex::new(Vec::new()));
    join_all((0..9).map(|number| {
        let (limiter, cost, order) = (&limiter, &cost, &order);
        async move {
            acquire(limiter, cost, MINUTE).await.unwrap();
            order.lock().unwrap().push(number);
        }
    }))
    .await;
    assert_eq!(order.into_inner().unwrap(), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_wait_loses_no_permit() {
    let (limiter, cost) = (FairLimiter::local(), cost(&[("a", SLOW)]));
    while acquire(&limiter, &cost, Duration::ZERO).await.is_ok() {}
    let start = Instant::now();
    let cancelled = |ms| {
        let waits = acquire(&limiter, &cost, MINUTE);
        let ended = tokio::time::timeout(Duration::from_millis(ms), waits);
        async { ended.await.unwrap_err() }
    };
    let completed = async {
        acquire(&limiter, &cost, MINUTE).await.unwrap();
        start.elapsed()
    };
    // The head is cancelled first, then the next one, then one in the middle.
    let (_, _, completed, _) =
        tokio::join!(cancelled(300), cancelled(700), completed, cancelled(900));
    assert_eq!(completed.as_millis(), 1_000);
    assert_eq!(limiter.stats().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn queues_that_share_a_bucket_are_served_round_robin() {
    let limiter = FairLimiter::local();
    let fast = Rate { per_minute: 600.0, burst: 5 };
    let queues = [
        cost(&[("one", fast), ("all", SLOW)]),
        cost(&[("two", fast), ("all", SLOW)]),
        cost(&[("all", SLOW)]),
    ];
    while acquire(&limiter, &queues[2], Duration::ZERO).await.is_ok() {}
    let order = Mutex::new(Vec::new());
    let calls = (0..3).flat_map(|queue| std::iter::repeat_n(queue, 4)).map(|queue| {
        let (limiter, order, cost) = (&limiter, &order, &queues[queue]);
        async move {
            acquire(limiter, cost, MINUTE).await.unwrap();
            order.lock().unwrap().push(queue);
        }
    });
    join_all(calls).await;
    let order = order.into_inner().unwrap();
    for round in order.chunks(3) {
        let mut queues = round.to_vec();
        queues.sort_unstable();
        assert_eq!(queues, [0, 1, 2], "{order:?}");
    }
}

/// While a background job uses a bucket at its rate, an occasional interactive call waits at most two periods at the
/// 99th percentile.
#[tokio::test(start_paused = true)]
async fn interactive_calls_wait_at_most_two_periods_during_a_job() {
    for rate in [Rate { per_minute: 1.0, burst: 1 }, TIER_2, Rate { per_minute: 180.0, burst: 20 }]
    {
        let (limiter, cost) = (FairLimiter::local(), cost(&[("a", rate)]));
        let (limiter, cost, period) = (&limiter, &cost, rate.period());
        let job = join_all((0..900).map(|number| async move {
            let (priority, max_wait) = (Priority::Background, period * 2_000);
            let account = account(number % 3);
            limiter.acquire(AcquireRequest { cost, account, priority, max_wait }).await.unwrap();
        }));
        let interactive = async {
            let mut waits = Vec::new();
            for number in 0..100_u32 {
                tokio::time::sleep(period * (3 + number % 7) / 2).await;
                let start = Instant::now();
                acquire(limiter, cost, MINUTE * 60).await.unwrap();
                waits.push(start.elapsed());
            }
            waits
        };
        tokio::pin!(job, interactive);
        let mut waits = tokio::select! {
            _ = &mut job => panic!("the job ended before the interactive calls"),
            waits = &mut interactive => waits,
        };
        waits.sort_unstable();
        let p99 = waits[98];
        assert!(p99 <= period * 2, "{rate:?}: {p99:?} of {period:?}");
        job.await;
    }
}
