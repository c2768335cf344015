//! `switchboard doctor` and `switchboard healthcheck`, as an operator runs them.

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sqlx::{ConnectOptions as _, PgPool};

use super::START_TIMEOUT;
use super::program::{Finished, Program, run};
use super::serve::{keys, serve, settings};
use super::test_dir::TestDir;
use crate::support::{PgBouncer, RedisCluster, RedisServer, TestApp};

/// The output of the doctor.
struct DoctorReport {
    code: Option<i32>,
    whole: String,
    report: Value,
}

impl DoctorReport {
    /// Returns the checks of that name: result, finding and fix.
    fn of(&self, name: &str) -> Vec<(String, String)> {
        let checks = self.report.get("checks").and_then(Value::as_array).into_iter().flatten();
        let named = checks.filter(|check| check["name"] == name);
        let text =
            |check: &Value, field: &str| check[field].as_str().unwrap_or_default().to_owned();
        named
            .map(|check| {
                let reported = format!("{} fix: {}", text(check, "found"), text(check, "fix"));
                (text(check, "status"), reported)
            })
            .collect()
    }

    /// Checks that one check of that name has this result, and that its text contains `words`.
    fn expect(&self, name: &str, status: &str, words: &str) {
        let found = self.of(name);
        let is_so =
            |(ended, reported): &(String, String)| ended == status && reported.contains(words);
        assert!(found.iter().any(is_so), "{name} is not {status} {words:?}: {}", self.whole);
    }
}

async fn doctor(home: &TestDir, config: &str) -> anyhow::Result<DoctorReport> {
    let Finished { code, stdout, stderr } =
        run(home, &["doctor", "--json", "--config", config]).await?;
    let report = serde_json::from_str(&stdout).with_context(|| format!("{stdout}\n{stderr}"))?;
    Ok(DoctorReport { code, whole: format!("{stdout}\n{stderr}"), report })
}

/// Writes a settings file for a test's database and sandbox, with these master keys.
fn on(
    app: &TestApp,
    home: &TestDir,
    master_keys: &[(&str, u8)],
    rest: &str,
) -> anyhow::Result<String> {
    let key = |(id, byte): &(&str, u8)| format!("{id}:{}", STANDARD.encode([*byte; 32]));
    let master_keys: Vec<_> = master_keys.iter().map(key).collect();
    let provider = &app.config.slack_enterprise.web_url;
    // A secret as Docker and Kubernetes mount it.
    let url = app.pool.connect_options().to_url_lossy();
    std::fs::write(home.file("database_url"), format!("{url}\n"))?;
    let text = format!(
        "[database]\nurl_file = '{}'\nmax_connections = 4\n[vault]\nkeys = '{}'\n\
         [slack_enterprise]\nweb_url = '{provider}'\napi_url = '{provider}'\n{rest}",
        home.file("database_url").display(),
        master_keys.join(",")
    );
    let file = home.file("doctor.toml");
    std::fs::write(&file, text)?;
    Ok(file.display().to_string())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn reports_passed_checks_and_decrypts_stored_secrets(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    app.link("acme").await?;
    let home = TestDir::new()?;
    let server = "[server]\npublic_url = 'https://switchboard.example.com'\n";
    let well = doctor(&home, &on(&app, &home, &[("test", 7)], server)?).await?;
    assert_eq!(well.code, Some(0), "{}", well.whole);
    well.expect("settings", "ok", "valid; 6 differ from the defaults");
    well.expect("address", "ok", "https://switchboard.example.com");
    well.expect("database", "ok", "PostgreSQL ");
    well.expect("role", "warn", "superuser");
    well.expect("proxies", "warn", "server.trusted_proxies is empty");
    well.expect("clock", "ok", "apart from the database's");
    well.expect("migrations", "ok", "applied");
    well.expect(
        "changes",
        "ok",
        "are delivered between connections; cached rows are at most 300 s old",
    );
    well.expect("vault", "ok", "\"test\" encrypts");
    well.expect("redis", "ok", "not used");
    well.expect("provider", "ok", "responds");

    let older = doctor(&home, &on(&app, &home, &[("new", 8), ("test", 7)], server)?).await?;
    assert_eq!(older.code, Some(0), "{}", older.whole);
    older.expect("vault", "warn", "secrets rotate");
    let missing = doctor(&home, &on(&app, &home, &[("new", 8)], server)?).await?;
    assert_eq!(missing.code, Some(1));
    missing.expect("vault", "fail", "row(s) need the master key \"test\", which is not configured");
    let other = doctor(&home, &on(&app, &home, &[("test", 8)], server)?).await?;
    assert_eq!(other.code, Some(1));
    other.expect("vault", "fail", "could not be decrypted");
    for reported in [well, older, missing, other] {
        for byte in [7, 8] {
            assert!(!reported.whole.contains(&STANDARD.encode([byte; 32])), "{}", reported.whole);
        }
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn recognizes_migrations_of_another_program(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let home = TestDir::new()?;
    let config = on(&app, &home, &[("test", 7)], "")?;
    let newer =
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
        values (99999999999999, 'of the next version', true, '', 0)";
    sqlx::query(newer).execute(&app.pool).await?;
    doctor(&home, &config).await?.expect("migrations", "warn", "1 of a newer version");
    let lacking = "delete from _sqlx_migrations where version in
        (select version from _sqlx_migrations order by version desc limit 2)";
    sqlx::query(lacking).execute(&app.pool).await?;
    let reported = doctor(&home, &config).await?;
    assert_eq!(reported.code, Some(1));
    reported.expect(
        "migrations",
        "fail",
        "1 missing: the gateway is not ready fix: run `switchboard migrate`",
    );
    sqlx::query("drop table _sqlx_migrations").execute(&app.pool).await?;
    doctor(&home, &config).await?.expect("migrations", "fail", "0 applied");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn warns_of_a_pooler_in_transaction_mode(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool.clone()).await?;
    for (mode, status, words) in [
        (
            "transaction",
            "warn",
            "every call queries the database fix: connect to PostgreSQL directly",
        ),
        ("session", "ok", "are delivered between connections"),
    ] {
        let Some(bouncer) = PgBouncer::start(&pool, mode).await? else { return Ok(()) };
        let home = TestDir::new()?;
        let config = on(&app, &home, &[("test", 7)], "")?;
        std::fs::write(home.file("database_url"), bouncer.url())?;
        doctor(&home, &config).await?.expect("changes", status, words);
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn checks_redis_when_it_is_the_limits_backend(pool: PgPool) -> anyhow::Result<()> {
    let Some(mut redis) = RedisServer::start().await? else { return Ok(()) };
    let app = TestApp::new(pool).await?;
    let home = TestDir::new()?;
    let limits = |url: &str| format!("[limits]\nbackend = 'redis'\nredis_url = '{url}'\n");
    let Some(cluster) = RedisCluster::start().await? else { return Ok(()) };
    let config = on(&app, &home, &[("test", 7)], &limits(&cluster.url()))?;
    doctor(&home, &config).await?.expect("redis", "ok", "Redis Cluster");
    let config = on(&app, &home, &[("test", 7)], &limits(&redis.url()))?;
    doctor(&home, &config).await?.expect("redis", "ok", "runs a script in");
    redis.kill()?;
    let reported = doctor(&home, &config).await?;
    assert_eq!(reported.code, Some(1));
    reported.expect("redis", "fail", "each gateway uses its share");
    Ok(())
}

#[tokio::test]
async fn reports_every_error_with_its_fix_and_without_secrets() -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let file = home.file("bad.toml");
    // No server listens on port 1.
    let text = "[server]\nlisten_on = 1\npublic_url = 'http://switchboard.example.com'\n\
                [database]\nurl = 'postgres://user:hunter2@127.0.0.1:1/db'\n\
                [vault]\nkeys = 'main:hunter2'\n\
                [limits]\nbackend = 'redis'\nredis_url = 'redis://:hunter2@127.0.0.1:1/0'\n\
                [slack_enterprise]\nweb_url = 'http://127.0.0.1:1'\napi_url = 'http://127.0.0.1:1'\n";
    std::fs::write(&file, text)?;
    let config = file.display().to_string();
    let reported = doctor(&home, &config).await?;
    assert_eq!(reported.code, Some(1));
    assert_eq!(reported.report["status"], "fail");
    reported.expect(
        "settings",
        "fail",
        "server.listen_on: is not a setting; did you mean server.listen?",
    );
    reported.expect("settings", "fail", "vault.keys: the key \"main\" is not 32 bytes");
    reported.expect("address", "fail", "has no TLS");
    reported.expect("database", "fail", "unreachable");
    reported.expect("redis", "fail", "unreachable");
    reported.expect("provider", "fail", "http://127.0.0.1:1 is unreachable");
    let people = run(&home, &["doctor", "--config", &config]).await?;
    assert!(people.stdout.lines().any(|line| line.starts_with("fail  database     unreachable")));
    assert!(people.stdout.contains("fix: start PostgreSQL"), "{}", people.stdout);
    assert!(people.stderr.contains("check(s) failed"), "{}", people.stderr);
    for text in [&reported.whole, &people.stdout, &people.stderr] {
        assert!(!text.contains("hunter2"), "{text}");
    }
    Ok(())
}

#[tokio::test]
async fn reports_an_unreadable_file() -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let reported = doctor(&home, "/nowhere/switchboard.toml").await?;
    assert_eq!(reported.code, Some(1));
    reported.expect("settings", "fail", "/nowhere/switchboard.toml is not readable");
    Ok(())
}

#[tokio::test]
async fn a_serving_gateway_is_healthy_and_passes_the_doctor() -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let config = settings(&home)?;
    // A missing database on this machine is no failure.
    doctor(&home, &config).await?.expect("database", "ok", "the first `serve` creates it");
    let (mut gateway, url) = serve(&home, &config).await?;
    keys(&home, &config, &["create"]).await?;
    let reported = doctor(&home, &config).await?;
    reported.expect("database", "ok", "PostgreSQL ");
    reported.expect("vault", "ok", "all decrypted");
    reported.expect("address", "warn", "set server.public_url");

    let address = url.trim_start_matches("http://").to_owned();
    for arguments in [
        &["healthcheck", "--address", &address][..],
        &["healthcheck", "--live", "--address", &address],
    ] {
        let healthy = run(&home, arguments).await?;
        assert_eq!((healthy.code, &*healthy.stdout, &*healthy.stderr), (Some(0), "", ""));
    }
    assert_eq!(gateway.stop().await?.code(), Some(0));
    let removed = run(&home, &["healthcheck", "--address", &address]).await?;
    assert_eq!(removed.code, Some(1));
    assert!(removed.stderr.contains("connection to"), "{}", removed.stderr);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_gateway_without_its_migrations_runs_and_is_not_healthy(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let home = TestDir::new()?;
    sqlx::query("delete from _sqlx_migrations").execute(&app.pool).await?;
    let address = app.base_url.authority().to_owned();
    let variables = [("SWITCHBOARD__SERVER__LISTEN", address.as_str())];
    for (arguments, code) in [(&["healthcheck"][..], 1), (&["healthcheck", "--live"], 0)] {
        let mut program = Program::start(&home, arguments, &variables)?;
        assert_eq!(program.exit(START_TIMEOUT).await?.code(), Some(code), "{}", program.stderr()?);
    }
    Ok(())
}
