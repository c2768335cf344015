//! Malicious expressions of tenants: each loses its own value and affects neither the gateway, other tenants nor lists.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::future::{join_all, try_join_all};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{ApiResponse, Client, TestApp};

/// Expressions without a bound on memory, in several ways: the defence is not a list of functions.
const UNBOUNDED_MEMORY: [&str; 6] = [
    "$pad('x', 1000000000)",
    "$join([1..9999].($join([1..9999].($join([1..9999].('xxxxxxxxxx'))))))",
    "($d := function($s, $n){$n = 0 ? $s : $d($s & $s, $n - 1)}; $d('xxxxxxxx', 40))",
    "$map([1..9999], function($i){$pad('x', 1000000)})",
    "$split($pad('x', 30000000), '')",
    "$formatNumber(1, $pad('0', 900000000))",
];
/// Expressions without a bound on time or depth, or with a value that is too large.
const UNBOUNDED_TIME: [&str; 6] = [
    "($f := function($x){$f($x)}; $f(1))",
    "($f := function($x){1 + $f($x)}; $f(1))",
    "$sum([1..9999999])",
    "[1..9999].([1..9999].([1..9999].(1)))",
    "$pad('x', 65535) & 'xx'",
    "($f := function($n){$n = 0 ? 1 : [[$f($n - 1)]]}; $f(60))",
];

async fn preview(client: &Client, expression: &str) -> anyhow::Result<ApiResponse> {
    client.post("mappings/preview", &json!({"expression": expression})).await
}

async fn mapped(admin: &Client, field: &str, expression: &str) -> anyhow::Result<()> {
    let wanted = json!({"resource": "users", "field": field, "expression": expression});
    admin.post("mappings", &wanted).await?.created()?;
    Ok(())
}

/// Returns a value of `/proc/self/status` in KiB: the gateway runs in this process.
fn memory(name: &str) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)).context("no such line")?;
    let figure = line.trim_matches([':', '\t', ' ', 'k', 'B']);
    Ok(figure.parse()?)
}

/// Returns the workers of this process.
fn workers() -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for task in std::fs::read_dir("/proc/self/task")? {
        let children = std::fs::read_to_string(task?.path().join("children")).unwrap_or_default();
        let folders = children.split_whitespace().map(|pid| PathBuf::from("/proc").join(pid));
        found.extend(folders.filter(|folder| {
            let line = std::fs::read_to_string(folder.join("cmdline")).unwrap_or_default();
            line.contains("expression-worker")
        }));
    }
    Ok(found)
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_expressions_beyond_any_limit(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| setup.config.mappings.workers = 4).await?;
    let api = &app.home.api;
    let hostile: Vec<&str> = UNBOUNDED_MEMORY.into_iter().chain(UNBOUNDED_TIME).collect();
    let all = join_all(hostile.iter().map(|expression| preview(api, expression))).await;
    for (expression, response) in hostile.iter().zip(all) {
        let response = response?;
        assert_eq!(response.status, 422, "{expression}: {}", response.text);
        response.problem(422, "invalid_body");
        assert_eq!(response.pointers(), ["/expression"], "{expression}");
        assert!(response.text.len() < 2_000, "{expression}");
    }
    for deep in ["(", "[", "-", "{'a':", "function($x){", "$f(", "a.b[", "1 ? ", "$not(", "/a/ & ("]
    {
        let expression = deep.repeat(4_000 / deep.len());
        preview(api, &expression).await?.problem(422, "invalid_body");
    }
    preview(api, &"1+".repeat(4_000)).await?.problem(422, "invalid_body");
    let tried = preview(api, "$sum([1, 2])").await?.success()?;
    assert_eq!(tried["result"], json!({"value": 3, "warning": null}));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn malicious_expressions_affect_neither_memory_nor_other_tenants(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let other = app.tenant("other").await?;
    let account = app.link_in(&other, "acme").await?;
    mapped(&other.admin, "card", "$uppercase(unified.name)").await?;
    let reader = other.api.clone().with("x-integrated-account-id", &account)?;
    reader.get("users?limit=50").await?.success()?;
    let before = memory("VmRSS")?;
    let attacks = (0..100).map(|number| preview(&app.home.api, UNBOUNDED_MEMORY[number % 3]));
    let attacks = async {
        for attack in join_all(attacks).await {
            let response = attack?;
            assert!(matches!(response.status, 422 | 503), "{}: {}", response.status, response.text);
        }
        anyhow::Ok(())
    };
    let reads = async {
        let mut slowest = Duration::ZERO;
        for _ in 0..20 {
            let began = Instant::now();
            let page = reader.get("users?limit=5").await?.success()?;
            slowest = slowest.max(began.elapsed());
            assert_eq!(page.get("warnings"), None, "{page}");
            assert!(page["result"][0]["card"].is_string(), "{page}");
        }
        anyhow::Ok(slowest)
    };
    let ((), slowest) = tokio::try_join!(attacks, reads)?;
    // One worker stays free for other tenants: nothing here waits for an attack to end.
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");
    let grown = memory("VmHWM")?.saturating_sub(before);
    assert!(grown < 64 * 1024, "the gateway grew by {grown} KiB");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn stored_mappings_neither_fail_nor_bloat_a_list(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let admin = &app.home.admin;
    let hostile = [UNBOUNDED_MEMORY[0], UNBOUNDED_TIME[0]];
    for (number, hostile) in hostile.iter().enumerate() {
        mapped(admin, &format!("hostile_{number}"), hostile).await?;
    }
    mapped(admin, "large", "$pad(unified.name, 60000)").await?;
    mapped(admin, "good", "$uppercase(unified.name)").await?;
    let response = api.get("users?limit=120").await?;
    assert!(response.text.len() < 6 * 1024 * 1024, "{} bytes", response.text.len());
    let page = response.success()?;
    let rows = page["result"].as_array().context("no rows")?;
    assert_eq!(rows.len(), 120);
    for row in rows {
        let name = row["name"].as_str().unwrap_or_default().to_uppercase();
        assert_eq!((&row["good"], &row["hostile_0"]), (&json!(name), &Value::Null));
    }
    let large = rows.iter().filter(|row| row["large"].is_string()).count();
    assert!((1..100).contains(&large), "{large}");
    let warnings = page["warnings"].as_array().context("no warnings")?;
    let of = |field: &str| warnings.iter().filter(|one| one["field"] == field).collect::<Vec<_>>();
    assert_eq!((of("hostile_0").len(), of("good").len()), (21, 0));
    assert_eq!(of("hostile_0").last().context("none")?["id"], Value::Null);
    let first = &of("hostile_0")[0]["message"];
    assert!(first.as_str().is_some_and(|message| message.contains("memory")), "{first}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn workers_inherit_no_resources_and_are_replaced(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = &app.home.api;
    assert_eq!(workers()?, Vec::<PathBuf>::new(), "none is started before it is needed");
    for _ in 0..3 {
        preview(api, "1").await?.success()?;
    }
    let [worker] = &workers()?[..] else { anyhow::bail!("{:?}", workers()?) };
    assert_eq!(std::fs::read(worker.join("environ"))?, b"");
    assert_eq!(std::fs::read_link(worker.join("cwd"))?, PathBuf::from("/"));
    let mut open = Vec::new();
    for file in std::fs::read_dir(worker.join("fd"))? {
        let file = file?;
        let target = std::fs::read_link(file.path())?.display().to_string();
        open.push((file.file_name().into_string().unwrap_or_default(), target));
    }
    open.sort();
    let [(_, input), (_, output), (_, errors)] = &open[..] else { anyhow::bail!("{open:?}") };
    assert!(input.starts_with("pipe:") && output.starts_with("pipe:"), "{open:?}");
    assert_eq!(errors, "/dev/null");
    let limits = std::fs::read_to_string(worker.join("limits"))?;
    let limit = |name: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.split_whitespace().nth(1)).unwrap_or_default().to_owned()
    };
    assert_eq!(limit("Max data size"), (48 * 1024 * 1024).to_string(), "{limits}");
    assert_eq!(limit("Max stack size"), (8 * 1024 * 1024).to_string(), "{limits}");
    assert_eq!((limit("Max core file size"), limit("Max file size")), ("0".into(), "0".into()));
    assert_eq!(limit("Max open files"), "3", "{limits}");
    let pid = worker.file_name().context("no pid")?;
    std::process::Command::new("kill").arg("-9").arg(pid).status()?;
    let tried = try_join_all((0..4).map(|_| preview(api, "1 + 1"))).await?;
    for response in tried {
        assert_eq!(response.success()?["result"]["value"], 2);
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn values_outside_json_are_warnings(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let numbers = ["1/0", "0/0", "[1, -1/0]", "{'a': 1e308 * 10}", "$sum([1e308, 1e308])"];
    for expression in numbers.into_iter().chain(["function($x){$x}", "{'f': $sum}"]) {
        let tried = preview(&api, expression).await?.success()?;
        assert_eq!(tried["result"]["value"], Value::Null, "{expression}");
        assert!(tried["result"]["warning"].is_string(), "{expression}: {tried}");
    }
    mapped(&app.home.admin, "ratio", "1 / 0").await?;
    let page = api.get("users?limit=2").await?.success()?;
    assert_eq!(page["warnings"].as_array().map(Vec::len), Some(2), "{page}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn lists_have_a_consistent_form(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let lists = [json!([]), json!([{"email": "a"}]), json!([{"email": "a"}, {"email": "b"}])];
    for (expression, expected) in [
        ("unified.emails.email", [Value::Null, json!("a"), json!(["a", "b"])]),
        ("unified.emails.email[]", [Value::Null, json!(["a"]), json!(["a", "b"])]),
        ("[unified.emails.email]", [json!([]), json!(["a"]), json!(["a", "b"])]),
        (
            "[unified.emails.{'to': email}]",
            [json!([]), json!([{"to": "a"}]), json!([{"to": "a"}, {"to": "b"}])],
        ),
    ] {
        for (emails, expected) in lists.iter().zip(expected) {
            let wanted = json!({"expression": expression, "unified": {"emails": emails}});
            let tried = app.home.api.post("mappings/preview", &wanted).await?.success()?;
            let shown = json!({"value": expected, "warning": null});
            assert_eq!(tried["result"], shown, "{expression} over {emails}");
        }
    }
    Ok(())
}
