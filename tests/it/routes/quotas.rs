//! `[quotas]`: rows that one environment may store. More are rejected, and others are not affected.

use anyhow::Context as _;
use futures_util::future::join_all;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{ApiResponse, Browser, Client, TestApp, bearer, link_url};

fn text<'v>(body: &'v Value, pointer: &str) -> anyhow::Result<&'v str> {
    body.pointer(pointer).and_then(Value::as_str).with_context(|| format!("no {pointer} in {body}"))
}

fn assert_over(response: &ApiResponse, quota: &str) {
    let problem = response.problem(403, "quota_exceeded");
    assert_eq!(problem["quota"], quota, "{problem}");
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains(&format!("`quotas.{quota}`")), "{detail}");
}

fn mapping(number: usize) -> Value {
    let field = format!("f{number}");
    json!({"provider": "slack_enterprise", "resource": "users", "field": field, "expression": "1"})
}

/// Posts a body until the quota is used up; returns how many were created.
async fn fill(
    admin: &Client,
    path: &str,
    quota: &str,
    body: impl Fn(usize) -> Value,
) -> anyhow::Result<usize> {
    for number in 0..10 {
        let response = admin.post(path, &body(number)).await?;
        if response.status != 201 {
            assert_over(&response, quota);
            return Ok(number);
        }
    }
    anyhow::bail!("{path} is unlimited");
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_environment_stores_no_more_than_its_quotas(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| {
        let quotas = &mut setup.config.quotas;
        quotas.api_keys = 4;
        quotas.account_tokens = 2;
        quotas.link_tokens = 3;
        quotas.mappings = 1;
        quotas.webhooks = 2;
        quotas.policies = 8;
        quotas.rule_sets = 2;
        quotas.provider_apps = 2;
        quotas.integrated_accounts = 1;
        quotas.environments = 2;
    })
    .await?;
    let other = app.tenant("other").await?;
    let account = app.link("acme").await?;
    let admin = &app.home.admin;

    let link = link_url(&app.home, &json!({"tenant_id": "globex"})).await?;
    let issued = fill(admin, "link-tokens", "link_tokens", |_| json!({"tenant_id": "x"})).await?;
    assert_eq!(issued, 1, "two were there");
    let mut browser = Browser::new()?;
    let consent = browser.start_consent(&link).await?;
    let back = browser.submit_consent(&consent, "decision=approve&install=org").await?;
    let page = browser.get(&back).await?;
    assert_eq!(page.status, 403, "{}", page.text);
    assert!(page.text.contains("quota_exceeded"), "{}", page.text);

    let starter = json!({});
    let key = |_| json!({"name": "k", "scopes": ["read"]});
    assert_eq!(fill(admin, "api-keys", "api_keys", key).await?, 2, "two were there");
    assert_eq!(fill(admin, "mappings", "mappings", mapping).await?, 1);
    let webhook = |number| json!({"url": format!("https://hooks.example.com/{number}")});
    assert_eq!(fill(admin, "webhooks", "webhooks", webhook).await?, 2);
    // The starter set, which is created as a whole or not at all.
    let policy = |_| json!({"name": "Unique", "kind": "duplicate_emails"});
    admin.post("policies", &policy(0)).await?.created()?;
    let starters = join_all((0..2).map(|_| admin.post("policies/starter", &starter))).await;
    let starters = starters.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let (created, rejected): (Vec<_>, Vec<_>) = starters.iter().partition(|it| it.status == 201);
    assert!(!created.is_empty(), "{starters:?}");
    for response in rejected {
        assert_over(response, "policies");
    }
    assert_eq!(fill(admin, "policies", "policies", policy).await?, 0, "eight were there");
    let rules = json!([{"when": {"field": "title", "op": "eq", "value": "CEO"},
        "then": {"roles": ["org:admin"]}}]);
    let rule_set = |_| json!({"integrated_account_id": account, "name": "Rules", "rules": rules});
    assert_eq!(fill(admin, "rule-sets", "rule_sets", rule_set).await?, 2);
    let client = |number| {
        json!({"provider": "slack_enterprise", "client_id": format!("1.{number}"),
            "client_secret": "secret", "scopes": ["admin"]})
    };
    assert_eq!(fill(admin, "provider-apps", "provider_apps", client).await?, 1, "one was there");

    // Concurrent requests are counted one after the other.
    let tokens = format!("integrated-accounts/{account}/tokens");
    let body = json!({});
    let responses = join_all((0..6).map(|_| admin.post(&tokens, &body))).await;
    let responses = responses.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let (created, rejected): (Vec<_>, Vec<_>) = responses.iter().partition(|it| it.status == 201);
    assert_eq!((created.len(), rejected.len()), (2, 4));
    for response in rejected {
        assert_over(response, "account_tokens");
    }

    // Another environment has its own quota.
    other.admin.post("api-keys", &key(0)).await?.created()?;
    other.admin.post("link-tokens", &json!({"tenant_id": "x"})).await?.created()?;
    let metrics = app.anonymous()?.get("metrics").await?.text;
    for quota in [
        "api_keys",
        "account_tokens",
        "link_tokens",
        "mappings",
        "webhooks",
        "policies",
        "rule_sets",
        "provider_apps",
        "integrated_accounts",
    ] {
        let none = format!("switchboard_quota_refusals_total{{quota=\"{quota}\"}} 0");
        assert!(metrics.contains(none.trim_end_matches('0')), "{metrics}");
        assert!(!metrics.contains(&none), "{metrics}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn environments_created_by_environments_share_one_quota(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| setup.config.quotas.environments = 2).await?;
    let body = json!({"name": "x"});
    let first = app.home.admin.post("environments", &body).await?.created()?;
    let first = bearer(text(&first, "/result/key")?);
    let first = app.anonymous()?.with("authorization", &first)?;
    first.post("environments", &body).await?.created()?;
    for maker in [&first, &app.home.admin] {
        assert_over(&maker.post("environments", &body).await?, "environments");
    }
    let log = app.home.admin.get("audit-log?action=environment.created").await?.success()?;
    let outcomes = log["result"].as_array().context("no rows")?;
    assert!(outcomes.iter().all(|row| row["outcome"] == "done"), "{log}");
    app.tenant("other").await?.admin.post("environments", &body).await?.created()?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn stored_responses_have_a_quota_beyond_which_replays_still_work(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| setup.config.quotas.stored_responses = 2).await?;
    let admin = &app.home.admin;
    let post = async |key: &str| {
        let keyed = admin.clone().with("idempotency-key", key)?;
        keyed.post("mappings/preview", &json!({})).await
    };
    let first = post("one").await?;
    post("two").await?;
    assert_over(&post("three").await?, "stored_responses");
    let again = post("one").await?;
    assert_eq!((again.status, &again.text), (first.status, &first.text));
    assert_over(&post("three").await?, "stored_responses");
    // Without a key no response is stored.
    assert_eq!(admin.post("mappings/preview", &json!({})).await?.status, first.status);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_bytes_of_stored_responses_have_a_quota(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| setup.config.quotas.stored_response_bytes = 1).await?;
    let keyed = |key: &str| app.home.admin.clone().with("idempotency-key", key);
    let first = keyed("one")?.post("mappings/preview", &json!({})).await?;
    assert_ne!(first.status, 403, "{}", first.text);
    let second = keyed("two")?.post("mappings/preview", &json!({})).await?;
    assert_over(&second, "stored_response_bytes");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_request_that_waits_for_its_quota_holds_no_connection(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool.clone()).await?;
    let other = app.tenant("other").await?;
    let mut holder = pool.begin().await?;
    sqlx::query("select pg_advisory_xact_lock(hashtextextended($1, 0))")
        .bind(format!("quota mappings {}", app.home.environment_id))
        .execute(&mut *holder)
        .await?;
    let waiting = "select count(*) from pg_locks where locktype = 'advisory' and not granted
        and database = (select oid from pg_database where datname = current_database())";
    let bodies: Vec<Value> = (0..20).map(mapping).collect();
    let posts = join_all(bodies.iter().map(|body| app.home.admin.post("mappings", body)));
    let observed = async {
        while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&pool).await? == 0 {}
        // All of these are in flight before this one ends.
        for number in 0..20 {
            other.admin.post("mappings", &mapping(number)).await?.created()?;
        }
        let waiting: i64 = sqlx::query_scalar(waiting).fetch_one(&pool).await?;
        holder.rollback().await?;
        anyhow::Ok(waiting)
    };
    let (posts, waiting) = tokio::join!(posts, observed);
    assert_eq!(waiting?, 1, "one connection at the most waits");
    for response in posts {
        response?.created()?;
    }
    Ok(())
}
