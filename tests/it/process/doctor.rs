//! `switchboard doctor` and `switchboard healthcheck`, as an operator runs them.

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sqlx::{ConnectOptions as _, PgPool};

use super::START;
use super::home::Home;
use super::program::{Finished, Program, run};
use super::serve::{keys, serve, settings};
use crate::support::{PgBouncer, RedisCluster, RedisServer, TestApp};

/// What a run of the doctor told.
struct Told {
    code: Option<i32>,
    whole: String,
    report: Value,
}

impl Told {
    /// The checks of that name: how each ended, what was found and how to fix it.
    fn of(&self, name: &str) -> Vec<(String, String)> {
        let checks = self.report.get("checks").and_then(Value::as_array).into_iter().flatten();
        let named = checks.filter(|check| check["name"] == name);
        let text =
            |check: &Value, field: &str| check[field].as_str().unwrap_or_default().to_owned();
        named
            .map(|check| {
                let told = format!("{} fix: {}", text(check, "found"), text(check, "fix"));
                (text(check, "status"), told)
            })
            .collect()
    }

    /// There is one check of that name; it ended so and its words hold `words`.
    fn expect(&self, name: &str, status: &str, words: &str) {
        let found = self.of(name);
        let is_so = |(ended, told): &(String, String)| ended == status && told.contains(words);
        assert!(found.iter().any(is_so), "{name} is not {status} {words:?}: {}", self.whole);
    }
}

async fn doctor(home: &Home, config: &str) -> anyhow::Result<Told> {
    let Finished { code, stdout, stderr } =
        run(home, &["doctor", "--json", "--config", config]).await?;
    let report = serde_json::from_str(&stdout).with_context(|| format!("{stdout}\n{stderr}"))?;
    Ok(Told { code, whole: format!("{stdout}\n{stderr}"), report })
}

/// A file of settings on a test's database and sandbox, with these master keys.
fn on(
    app: &TestApp,
    home: &Home,
    master_keys: &[(&str, u8)],
    rest: &str,
) -> anyhow::Result<String> {
    let key = |(id, byte): &(&str, u8)| format!("{id}:{}", STANDARD.encode([*byte; 32]));
    let master_keys: Vec<_> = master_keys.iter().map(key).collect();
    let provider = &app.config.slack_enterprise.web_url;
    // A secret as Docker and Kubernetes give it.
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
async fn what_is_well_is_told_and_what_is_stored_is_opened(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    app.link("acme").await?;
    let home = Home::new()?;
    let server = "[server]\npublic_url = 'https://switchboard.example.com'\n";
    let well = doctor(&home, &on(&app, &home, &[("test", 7)], server)?).await?;
    assert_eq!(well.code, Some(0), "{}", well.whole);
    well.expect("settings", "ok", "valid; 6 are not at their defaults");
    well.expect("address", "ok", "https://switchboard.example.com");
    well.expect("database", "ok", "PostgreSQL ");
    well.expect("role", "warn", "superuser");
    well.expect("proxies", "warn", "server.trusted_proxies is empty");
    well.expect("clock", "ok", "apart from the database's");
    well.expect("migrations", "ok", "applied");
    well.expect("changes", "ok", "is delivered to another; no cached row is older than 300 s");
    well.expect("vault", "ok", "\"test\" encrypts");
    well.expect("redis", "ok", "not used");
    well.expect("provider", "ok", "answers");

    let older = doctor(&home, &on(&app, &home, &[("new", 8), ("test", 7)], server)?).await?;
    assert_eq!(older.code, Some(0), "{}", older.whole);
    older.expect("vault", "warn", "secrets rotate");
    let missing = doctor(&home, &on(&app, &home, &[("new", 8)], server)?).await?;
    assert_eq!(missing.code, Some(1));
    missing.expect("vault", "fail", "row(s) need the master key \"test\", which is not configured");
    let other = doctor(&home, &on(&app, &home, &[("test", 8)], server)?).await?;
    assert_eq!(other.code, Some(1));
    other.expect("vault", "fail", "don't open");
    for told in [well, older, missing, other] {
        for byte in [7, 8] {
            assert!(!told.whole.contains(&STANDARD.encode([byte; 32])), "{}", told.whole);
        }
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn migrations_of_another_program_are_told_apart(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let home = Home::new()?;
    let config = on(&app, &home, &[("test", 7)], "")?;
    let newer =
        "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
        values (99999999999999, 'of the next version', true, '', 0)";
    sqlx::query(newer).execute(&app.pool).await?;
    doctor(&home, &config).await?.expect("migrations", "warn", "1 of a newer program");
    let lacking = "delete from _sqlx_migrations where version in
        (select version from _sqlx_migrations order by version desc limit 2)";
    sqlx::query(lacking).execute(&app.pool).await?;
    let told = doctor(&home, &config).await?;
    assert_eq!(told.code, Some(1));
    told.expect(
        "migrations",
        "fail",
        "1 lacking: the gateway is not ready fix: run `switchboard migrate`",
    );
    sqlx::query("drop table _sqlx_migrations").execute(&app.pool).await?;
    doctor(&home, &config).await?.expect("migrations", "fail", "0 applied");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_pooler_that_does_not_keep_sessions_is_warned_of(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool.clone()).await?;
    for (mode, status, words) in [
        ("transaction", "warn", "every call asks the database fix: connect to PostgreSQL itself"),
        ("session", "ok", "is delivered to another"),
    ] {
        let Some(bouncer) = PgBouncer::start(&pool, mode).await? else { return Ok(()) };
        let home = Home::new()?;
        let config = on(&app, &home, &[("test", 7)], "")?;
        std::fs::write(home.file("database_url"), bouncer.url())?;
        doctor(&home, &config).await?.expect("changes", status, words);
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn redis_is_asked_when_the_limits_are_in_it(pool: PgPool) -> anyhow::Result<()> {
    let Some(mut redis) = RedisServer::start().await? else { return Ok(()) };
    let app = TestApp::new(pool).await?;
    let home = Home::new()?;
    let limits = |url: &str| format!("[limits]\nbackend = 'redis'\nredis_url = '{url}'\n");
    let Some(cluster) = RedisCluster::start().await? else { return Ok(()) };
    let config = on(&app, &home, &[("test", 7)], &limits(&cluster.url()))?;
    doctor(&home, &config).await?.expect("redis", "ok", "Redis Cluster");
    let config = on(&app, &home, &[("test", 7)], &limits(&redis.url()))?;
    doctor(&home, &config).await?.expect("redis", "ok", "runs a script in");
    redis.kill()?;
    let told = doctor(&home, &config).await?;
    assert_eq!(told.code, Some(1));
    told.expect("redis", "fail", "each gateway keeps to its share");
    Ok(())
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_with_its_fix_and_without_a_secret() -> anyhow::Result<()>
{
    let home = Home::new()?;
    let file = home.file("bad.toml");
    // Nobody listens at port 1.
    let text = "[server]\nlisten_on = 1\npublic_url = 'http://switchboard.example.com'\n\
                [database]\nurl = 'postgres://user:hunter2@127.0.0.1:1/db'\n\
                [vault]\nkeys = 'main:hunter2'\n\
                [limits]\nbackend = 'redis'\nredis_url = 'redis://:hunter2@127.0.0.1:1/0'\n\
                [slack_enterprise]\nweb_url = 'http://127.0.0.1:1'\napi_url = 'http://127.0.0.1:1'\n";
    std::fs::write(&file, text)?;
    let config = file.display().to_string();
    let told = doctor(&home, &config).await?;
    assert_eq!(told.code, Some(1));
    assert_eq!(told.report["status"], "fail");
    told.expect("settings", "fail", "server.listen_on: is no setting; did you mean server.listen?");
    told.expect("settings", "fail", "vault.keys: the key \"main\" is not 32 bytes");
    told.expect("address", "fail", "without TLS");
    told.expect("database", "fail", "can't be reached");
    told.expect("redis", "fail", "can't be asked");
    told.expect("provider", "fail", "http://127.0.0.1:1 can't be reached");
    let people = run(&home, &["doctor", "--config", &config]).await?;
    assert!(people.stdout.lines().any(|line| line.starts_with("fail  database     can't")));
    assert!(people.stdout.contains("fix: start PostgreSQL"), "{}", people.stdout);
    assert!(people.stderr.contains("check(s) failed"), "{}", people.stderr);
    for text in [&told.whole, &people.stdout, &people.stderr] {
        assert!(!text.contains("hunter2"), "{text}");
    }
    Ok(())
}

#[tokio::test]
async fn a_file_that_can_not_be_read_is_a_finding() -> anyhow::Result<()> {
    let home = Home::new()?;
    let told = doctor(&home, "/nowhere/switchboard.toml").await?;
    assert_eq!(told.code, Some(1));
    told.expect("settings", "fail", "/nowhere/switchboard.toml can't be read");
    Ok(())
}

#[tokio::test]
async fn a_gateway_is_healthy_while_it_serves_and_is_examined_beside_it() -> anyhow::Result<()> {
    let home = Home::new()?;
    let config = settings(&home)?;
    // The database of this machine that is not there yet is no failure.
    doctor(&home, &config).await?.expect("database", "ok", "the first `serve` makes it");
    let (mut gateway, url) = serve(&home, &config).await?;
    keys(&home, &config, &["create"]).await?;
    let told = doctor(&home, &config).await?;
    told.expect("database", "ok", "PostgreSQL ");
    told.expect("vault", "ok", "all open");
    told.expect("address", "warn", "set server.public_url");

    let address = url.trim_start_matches("http://").to_owned();
    for arguments in [
        &["healthcheck", "--address", &address][..],
        &["healthcheck", "--live", "--address", &address],
    ] {
        let healthy = run(&home, arguments).await?;
        assert_eq!((healthy.code, &*healthy.stdout, &*healthy.stderr), (Some(0), "", ""));
    }
    assert_eq!(gateway.stop().await?.code(), Some(0));
    let gone = run(&home, &["healthcheck", "--address", &address]).await?;
    assert_eq!(gone.code, Some(1));
    assert!(gone.stderr.contains("nobody listens at"), "{}", gone.stderr);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_gateway_without_its_migrations_lives_and_is_not_healthy(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let home = Home::new()?;
    sqlx::query("delete from _sqlx_migrations").execute(&app.pool).await?;
    let address = app.base_url.authority().to_owned();
    let variables = [("SWITCHBOARD__SERVER__LISTEN", address.as_str())];
    for (arguments, code) in [(&["healthcheck"][..], 1), (&["healthcheck", "--live"], 0)] {
        let mut program = Program::start(&home, arguments, &variables)?;
        assert_eq!(program.exit(START).await?.code(), Some(code), "{}", program.stderr()?);
    }
    Ok(())
}
