//! Micro benchmarks of a call: permit, cursor, user, custom field. `make bench` runs it after the
//! parts that have budgets; `cargo bench --bench micro -- cursor` runs the benchmarks with that name.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Bencher, Criterion};
use serde_json::{Map, Value, json};
use switchboard::connectors::PageToken;
use switchboard::connectors::paging::PageHistory;
use switchboard::connectors::slack_enterprise::parse_admin_list_user;
use switchboard::domain::clock::{Clock as _, SystemClock};
use switchboard::domain::entropy::SystemEntropy;
use switchboard::domain::ids::{EnvironmentId, IntegratedAccountId, MappingId};
use switchboard::domain::mapping::{MappedResource, Mapping};
use switchboard::domain::provider::Provider;
use switchboard::expressions::{ExpressionPool, WorkerLimits, WorkerProgram};
use switchboard::limit::{
    AcquireRequest, BucketKey, Cost, FairLimiter, Limiter as _, Priority, Rate,
};
use switchboard::unified::{cursor, mapping};
use switchboard::vault::Signer;
use tokio::runtime::{Builder, Runtime};

/// A budget that is always full: it refills faster than anybody calls.
const UNLIMITED: Rate = Rate { per_minute: 1e11, burst: 1_000 };
/// Budgets to alternate between.
const KEYS: usize = 1_000;
/// Rows per page.
const ROWS: usize = 100;

fn main() -> anyhow::Result<()> {
    let (warm_up, measure) = (Duration::from_secs(1), Duration::from_secs(3));
    let criterion = Criterion::default().warm_up_time(warm_up).measurement_time(measure);
    let mut criterion = criterion.configure_from_args();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    permits(&mut criterion, &runtime);
    cursors(&mut criterion);
    users(&mut criterion);
    custom_fields(&mut criterion, &runtime);
    criterion.final_summary();
    Ok(())
}

fn account() -> IntegratedAccountId {
    IntegratedAccountId::generate(&SystemClock, &SystemEntropy)
}

fn permits(criterion: &mut Criterion, runtime: &Runtime) {
    let price = |number: usize| {
        let organization = format!("E{number:09}").into();
        Cost::new([(BucketKey { app: None, organization, bucket: "users.info".into() }, UNLIMITED)])
    };
    for (name, keys) in [("one budget", 1), ("a thousand budgets", KEYS)] {
        let (limiter, account) = (FairLimiter::local(), account());
        let prices: Vec<Cost> = (0..keys).map(price).collect();
        let turn = async |number| {
            let price = prices.get(number % keys)?;
            let max_wait = Duration::ZERO;
            let claim =
                AcquireRequest { cost: price, account, priority: Priority::Interactive, max_wait };
            limiter.acquire(claim).await.ok()
        };
        criterion.bench_function(&format!("limiter: an immediate permit of {name}"), |bencher| {
            repeat(bencher, runtime, async |number| drop(black_box(turn(number).await)));
        });
    }
}

fn cursors(criterion: &mut Criterion) {
    let keys = [("bench".to_owned(), [7; 32].into())];
    let signer = Signer::derive(&keys, "cursors");
    let question = r#"[{"status":"active","workspace":{"id":"T0000000001"}},[],{}]"#.to_owned();
    let list = cursor::ListScope { account: account(), resource: "users", query: question };
    let position = PageToken(r#"{"Pass":{"i":false,"c":"dXNlcjpVMDAwMDAwMTIzNA=="}}"#.to_owned());
    let trail = PageHistory::default();
    let sealed = list.seal(&signer, &position, &trail);
    criterion.bench_function("cursor: seal", |bencher| {
        bencher.iter(|| list.seal(&signer, black_box(&position), &trail));
    });
    criterion.bench_function("cursor: open", |bencher| {
        bencher.iter(|| list.open(&signer, black_box(&sealed)).is_ok());
    });
}

/// A row of `admin.users.list`.
fn row() -> Value {
    json!({"id": "U00000000A1", "email": "ada@example.test", "username": "ada", "full_name": "Ada Lovelace",
        "is_admin": false, "is_owner": false, "is_primary_owner": false, "is_restricted": false,
        "is_ultra_restricted": false, "is_bot": false, "is_active": true, "expiration_ts": 0,
        "date_created": 1_700_000_000, "deactivated_ts": 0, "last_active_ts": 1_760_000_000, "has_2fa": true,
        "has_sso": true, "roles": [], "workspaces": ["T0000000001", "T0000000002"]})
}

fn users(criterion: &mut Criterion) {
    let organization = "E0000000001".into();
    let row = row().to_string();
    criterion.bench_function("mapping: a row of Slack to a unified user", |bencher| {
        bencher.iter(|| parse_admin_list_user(black_box(&row), &organization).is_ok());
    });
}

fn custom_fields(criterion: &mut Criterion, runtime: &Runtime) {
    let (now, remote) = (SystemClock.now(), row());
    let expression = "$uppercase(unified.name) & ' <' & remote.email & '>'".to_owned();
    let mappings = [Mapping {
        id: MappingId::generate(&SystemClock, &SystemEntropy),
        integrated_account_id: None,
        provider: Provider::SlackEnterprise,
        resource: MappedResource::Users,
        field: "card".to_owned(),
        expression,
        created_at: now,
        updated_at: now,
    }];
    let user = parse_admin_list_user(&remote.to_string(), &"E0000000001".into()).ok();
    let user = serde_json::to_value(user).unwrap_or_default();
    let unified: Map<String, Value> = user.as_object().cloned().unwrap_or_default();
    let page = vec![(unified, Some(remote)); ROWS];
    let program = WorkerProgram::at(env!("CARGO_BIN_EXE_switchboard"));
    let limits = WorkerLimits { count: 2, memory: 48 * 1024 * 1024 };
    let expressions = ExpressionPool::new(program, limits);
    let environment = EnvironmentId::generate(&SystemClock, &SystemEntropy);
    criterion.bench_function(&format!("mapping: a JSONata field of {ROWS} users"), |bencher| {
        repeat(bencher, runtime, async |_| {
            let mappings: Vec<&Mapping> = mappings.iter().collect();
            drop(black_box(mapping::apply(&expressions, environment, &mappings, &page).await));
        });
    });
}

/// Times an async function without the start of a runtime.
fn repeat(bencher: &mut Bencher<'_>, runtime: &Runtime, work: impl AsyncFn(usize)) {
    bencher.iter_custom(|times| {
        runtime.block_on(async {
            let began = Instant::now();
            for number in 0..usize::try_from(times).unwrap_or(usize::MAX) {
                work(number).await;
            }
            began.elapsed()
        })
    });
}
