//! The refresh held against a model: random sequences of calls, faults, clocks and gateways that die.

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

/// Sequences that are tried with each grace of the provider.
const CASES: usize = 24;
/// The longest sequence.
const STEPS: usize = 14;
/// How often a sequence that fails is made shorter.
const SHORTER: usize = 60;

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// So many seconds pass.
    Pass(i64),
    /// So many seconds pass for the provider alone.
    Age(i64),
    /// So many calls at each of the gateways, all at once.
    Calls(usize, usize),
    /// One of the gateways looks for tokens that end soon.
    LookAhead(usize),
    /// Somebody asks one of the gateways for new tokens.
    Renew(usize),
    /// The next calls of the provider's token endpoint go wrong.
    Fault(FaultKind, u32),
    /// One of the gateways dies.
    Die(usize, Moment),
    /// The customer links again.
    LinkAgain,
}

/// When a gateway dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// It asks for new tokens, and the provider has done nothing yet.
    Asking,
    /// The provider has answered, and nothing is stored yet.
    Answered,
    /// The tokens are stored, and the call that wanted them is out.
    Stored,
}

/// Around every border: the pauses, the grace, the lead of the look ahead, the end of a token.
const SECONDS: [i64; 10] = [1, 5, 30, 59, 60, 61, 42_300, 43_150, 43_200, 46_800];
const FAULTS: [FaultKind; 5] = [
    FaultKind::ServerError,
    FaultKind::Html,
    FaultKind::RateLimited,
    FaultKind::LostAnswer,
    FaultKind::CutBody,
];
const MOMENTS: [Moment; 3] = [Moment::Asking, Moment::Answered, Moment::Stored];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => select(&SECONDS).prop_map(Step::Pass),
        2 => select(&SECONDS[6..]).prop_map(Step::Age),
        6 => (0..4_usize, 1..4_usize).prop_map(|(here, there)| Step::Calls(here, there)),
        2 => (0..2_usize).prop_map(Step::LookAhead),
        2 => (0..2_usize).prop_map(Step::Renew),
        3 => (select(&FAULTS), 1..5_u32).prop_map(|(kind, count)| Step::Fault(kind, count)),
        3 => (0..2_usize, select(&MOMENTS)).prop_map(|(who, when)| Step::Die(who, when)),
        1 => Just(Step::LinkAgain),
    ]
}

/// Draws sequences and shortens one that fails.
async fn holds(pool: &PgPool, grace: i64) -> anyhow::Result<()> {
    let seed = [u8::try_from(grace)?; 32];
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let steps = vec(step(), 1..=STEPS);
    for case in 0..CASES {
        let mut tree = steps.new_tree(&mut runner).map_err(|why| anyhow::anyhow!("{why}"))?;
        let Err(why) = run(pool, grace, &tree.current()).await else { continue };
        let mut worst = (tree.current(), why);
        for _ in 0..SHORTER {
            let before = tree.current();
            match run(pool, grace, &before).await {
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
async fn refreshes_keep_to_the_model_with_a_grace(pool: PgPool) -> anyhow::Result<()> {
    holds(&pool, 60).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn refreshes_keep_to_the_model_without_a_grace(pool: PgPool) -> anyhow::Result<()> {
    holds(&pool, 0).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_pair_that_another_gateway_renewed_is_used_at_once(pool: PgPool) -> anyhow::Result<()> {
    let steps = [
        Step::Pass(43_200),
        Step::LookAhead(0),
        Step::Age(43_150),
        Step::Calls(1, 1),
        Step::Pass(61),
        Step::Calls(3, 3),
    ];
    for _ in 0..3 {
        run(&pool, 0, &steps).await?;
    }
    Ok(())
}
