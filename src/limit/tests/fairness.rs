//! Who goes before whom.

use std::sync::Mutex;

use super::*;

const TIER_2: Rate = Rate { per_minute: 20.0, burst: 6 };

/// The order in which calls of these accounts and classes have their turns, all asked at once after the
/// burst has been used up.
async fn order(rate: Rate, calls: &[(u64, Class)]) -> Vec<(u64, Class)> {
    let (limiter, price, order) =
        (FairLimiter::local(), price(&[("a", rate)]), Mutex::new(Vec::new()));
    while ask(&limiter, &price, Duration::ZERO).await.is_ok() {}
    join_all(calls.iter().map(|(number, class)| async {
        let claim = Claim {
            price: &price,
            account: account(*number),
            class: *class,
            max_wait: MINUTE * 60,
        };
        limiter.acquire(claim).await.unwrap();
        order.lock().unwrap().push((*number, *class));
    }))
    .await;
    order.into_inner().unwrap()
}

#[tokio::test(start_paused = true)]
async fn accounts_take_turns_however_much_one_of_them_asks() {
    let class = Class::Interactive;
    let calls: Vec<_> = [1, 1, 1, 1, 1, 2, 2, 3].map(|number| (number, class)).into();
    let order: Vec<_> = order(SLOW, &calls).await.into_iter().map(|(number, _)| number).collect();
    assert_eq!(order, [1, 2, 3, 1, 2, 1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn people_go_before_bulk_work_and_bulk_work_is_not_forgotten() {
    let (people, bulk) = (Class::Interactive, Class::Background);
    let mut calls = vec![(1, bulk); 3];
    calls.extend(vec![(2, people); 30]);
    let order = order(SLOW, &calls).await;
    let places: Vec<_> = (0..order.len()).filter(|at| order[*at].1 == bulk).collect();
    // Every tenth turn is theirs.
    assert_eq!(places, [9, 19, 29]);
}

#[tokio::test(start_paused = true)]
async fn an_accounts_own_calls_go_in_the_order_of_asking() {
    let (limiter, price, order) =
        (FairLimiter::local(), price(&[("a", SLOW)]), Mutex::new(Vec::new()));
    join_all((0..9).map(|number| {
        let (limiter, price, order) = (&limiter, &price, &order);
        async move {
            ask(limiter, price, MINUTE).await.unwrap();
            order.lock().unwrap().push(number);
        }
    }))
    .await;
    assert_eq!(order.into_inner().unwrap(), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
}

#[tokio::test(start_paused = true)]
async fn who_stops_waiting_costs_nobody_a_turn() {
    let (limiter, price) = (FairLimiter::local(), price(&[("a", SLOW)]));
    while ask(&limiter, &price, Duration::ZERO).await.is_ok() {}
    let start = Instant::now();
    let gone = |ms| {
        let waits = ask(&limiter, &price, MINUTE);
        let ended = tokio::time::timeout(Duration::from_millis(ms), waits);
        async { ended.await.unwrap_err() }
    };
    let stays = async {
        ask(&limiter, &price, MINUTE).await.unwrap();
        start.elapsed()
    };
    // The head goes first, then the next one, then one in the middle.
    let (_, _, stays, _) = tokio::join!(gone(300), gone(700), stays, gone(900));
    assert_eq!(stays.as_millis(), 1_000);
    assert_eq!(limiter.figures().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn lanes_that_share_a_budget_take_turns_at_it() {
    let limiter = FairLimiter::local();
    let fast = Rate { per_minute: 600.0, burst: 5 };
    let lanes = [
        price(&[("one", fast), ("all", SLOW)]),
        price(&[("two", fast), ("all", SLOW)]),
        price(&[("all", SLOW)]),
    ];
    while ask(&limiter, &lanes[2], Duration::ZERO).await.is_ok() {}
    let order = Mutex::new(Vec::new());
    let calls = (0..3).flat_map(|lane| std::iter::repeat_n(lane, 4)).map(|lane| {
        let (limiter, order, price) = (&limiter, &order, &lanes[lane]);
        async move {
            ask(limiter, price, MINUTE).await.unwrap();
            order.lock().unwrap().push(lane);
        }
    });
    join_all(calls).await;
    let order = order.into_inner().unwrap();
    for round in order.chunks(3) {
        let mut lanes = round.to_vec();
        lanes.sort_unstable();
        assert_eq!(lanes, [0, 1, 2], "{order:?}");
    }
}

/// While a job keeps a budget at its limit, whoever asks now and then waits two periods at the most in
/// ninety-nine of a hundred cases.
#[tokio::test(start_paused = true)]
async fn people_wait_two_periods_at_the_most_while_a_job_runs() {
    for rate in [Rate { per_minute: 1.0, burst: 1 }, TIER_2, Rate { per_minute: 180.0, burst: 20 }]
    {
        let (limiter, price) = (FairLimiter::local(), price(&[("a", rate)]));
        let (limiter, price, period) = (&limiter, &price, rate.period());
        let job = join_all((0..900).map(|number| async move {
            let (class, max_wait) = (Class::Background, period * 2_000);
            let account = account(number % 3);
            limiter.acquire(Claim { price, account, class, max_wait }).await.unwrap();
        }));
        let people = async {
            let mut waits = Vec::new();
            for number in 0..100_u32 {
                tokio::time::sleep(period * (3 + number % 7) / 2).await;
                let start = Instant::now();
                ask(limiter, price, MINUTE * 60).await.unwrap();
                waits.push(start.elapsed());
            }
            waits
        };
        tokio::pin!(job, people);
        let mut waits = tokio::select! {
            _ = &mut job => panic!("the job ended before the people"),
            waits = &mut people => waits,
        };
        waits.sort_unstable();
        let p99 = waits[98];
        assert!(p99 <= period * 2, "{rate:?}: {p99:?} of {period:?}");
        job.await;
    }
}
