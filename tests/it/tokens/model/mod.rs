//! Token refresh against a model: random sequences of calls, faults, clock changes and killed gateways.

mod gateway;
mod oracle;
mod run;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use sqlx::PgPool;
use switchboard::sandbox::FaultKind;

use self::run::run;

/// Sequences per grace period of the provider.
const CASES: usize = 24;
/// Maximum length of a sequence.
const STEPS: usize = 14;
/// Maximum number of attempts to shrink a failing sequence.
const MAX_SHRINKS: usize = 60;

/// A step of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// So many seconds pass.
    AdvanceClocks(i64),
    /// So many seconds pass for the provider alone.
    AdvanceProviderClock(i64),
    /// So many concurrent calls at each gateway.
    Calls(usize, usize),
    /// A gateway runs the proactive refresh.
    RefreshProactively(usize),
    /// A caller forces a refresh at a gateway.
    ForceRefresh(usize),
    /// The next calls of the provider's token endpoint fail.
    Fault(FaultKind, u32),
    /// A gateway is killed.
    Kill(usize, KillPoint),
    /// The customer links again.
    LinkAgain,
}

/// Moment at which a gateway is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KillPoint {
    /// It has sent the refresh, and the provider has done nothing yet.
    Requested,
    /// The provider has responded, and nothing is stored yet.
    Responded,
    /// The tokens are stored, and the call that needs them is in flight.
    Stored,
}

/// Around every boundary: the backoffs, the grace period, the proactive refresh, the expiry of a token.
const SECONDS: [i64; 10] = [1, 5, 30, 59, 60, 61, 42_300, 43_150, 43_200, 46_800];
const FAULTS: [FaultKind; 5] = [
    FaultKind::ServerError,
    FaultKind::Html,
    FaultKind::RateLimited,
    FaultKind::LostResponse,
    FaultKind::CutBody,
];
const KILL_POINTS: [KillPoint; 3] = [KillPoint::Requested, KillPoint::Responded, KillPoint::Stored];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => select(&SECONDS).prop_map(Step::AdvanceClocks),
        2 => select(&SECONDS[6..]).prop_map(Step::AdvanceProviderClock),
        6 => (0..4_usize, 1..4_usize).prop_map(|(here, there)| Step::Calls(here, there)),
        2 => (0..2_usize).prop_map(Step::RefreshProactively),
        2 => (0..2_usize).prop_map(Step::ForceRefresh),
        3 => (select(&FAULTS), 1..5_u32).prop_map(|(kind, count)| Step::Fault(kind, count)),
        3 => (0..2_usize, select(&KILL_POINTS)).prop_map(|(who, when)| Step::Kill(who, when)),
        1 => Just(Step::LinkAgain),
    ]
}

/// Generates sequences and shrinks a failing one.
async fn holds(pool: &PgPool, grace: i64) -> anyhow::Result<()> {
    let seed = [u8::try_from(grace)?; 32];
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let steps = vec(step(), 1..=STEPS);
    for case in 0..CASES {
        let mut tree = steps.new_tree(&mut runner).map_err(|why| anyhow::anyhow!("{why}"))?;
        let Err(why) = Box::pin(run(pool, grace, &tree.current())).await else { continue };
        let mut worst = (tree.current(), why);
        for _ in 0..MAX_SHRINKS {
            let before = tree.current();
            match Box::pin(run(pool, grace, &before)).await {
                Err(why) => {
                    worst = (before, why);
                    if !tree.simplify() {
                        break;
                    }
                }
                Ok(()) if !tree.complicate() => break,
                Ok(()) => {}
            }
        }
        let (steps, why) = worst;
        anyhow::bail!("case {case} with a grace of {grace} s: {why:#}\n{steps:?}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn refreshes_match_the_model_with_a_grace_period(pool: PgPool) -> anyhow::Result<()> {
    Box::pin(holds(&pool, 60)).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn refreshes_match_the_model_without_a_grace_period(pool: PgPool) -> anyhow::Result<()> {
    Box::pin(holds(&pool, 0)).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_pair_refreshed_by_another_gateway_is_used_immediately(
    pool: PgPool,
) -> anyhow::Result<()> {
    let steps = [
        Step::AdvanceClocks(43_200),
        Step::RefreshProactively(0),
        Step::AdvanceProviderClock(43_150),
        Step::Calls(1, 1),
        Step::AdvanceClocks(61),
        Step::Calls(3, 3),
    ];
    for _ in 0..3 {
        Box::pin(run(&pool, 0, &steps)).await?;
    }
    Ok(())
}
