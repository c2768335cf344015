//! `/events`: events of accounts, each once and in order, for consumers that store their cursor.

use anyhow::Context as _;
use futures_util::future::join_all;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::{DEFAULT_CLIENT_SECRET, Fault, FaultKind};
use time::Duration;

use crate::support::{Browser, Client, TestApp, bearer};

/// Returns the events after a cursor, and the next cursor.
async fn read_events(api: &Client, cursor: &mut String) -> anyhow::Result<Vec<Value>> {
    let behind = if cursor.is_empty() { String::new() } else { format!("next_cursor={cursor}") };
    let page = api.get(&format!("events?{behind}")).await?.success()?;
    if let Some(next) = page.pointer("/next_cursor").and_then(Value::as_str) {
        next.clone_into(cursor);
    }
    Ok(page.pointer("/result").and_then(Value::as_array).context("no events")?.clone())
}

/// Returns their types, checking the fields that all share.
fn event_types(events: &[Value]) -> Vec<&str> {
    let names = events.iter().filter_map(|event| event.get("type").and_then(Value::as_str));
    names.filter_map(|name| name.strip_prefix("integrated_account.")).collect()
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn reports_the_lifecycle_of_an_account_in_order(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let (api, mut cursor) = (&app.home.api, String::new());
    assert!(read_events(api, &mut cursor).await?.is_empty() && cursor.is_empty());

    let account = app.link("acme").await?;
    let linked = read_events(api, &mut cursor).await?;
    assert_eq!(event_types(&linked), ["created", "active"]);
    assert!(read_events(api, &mut cursor).await?.is_empty());

    app.uninstall(&account).await?;
    for _ in 0..3 {
        app.client_for(&account)?.get("users?limit=1").await?.problem(409, "account_needs_reauth");
    }
    let lost = read_events(api, &mut cursor).await?;
    assert_eq!(event_types(&lost), ["needs_reauth"]);
    let lost = lost.first().context("none")?;
    assert_eq!(lost.get("integrated_account_id"), Some(&json!(account)));
    assert!(lost["id"].as_str().is_some_and(|id| id.starts_with("evt_")), "{lost}");
    let organization = app.sandbox.with_org(|org| json!({"id": org.id, "name": org.name}));
    assert_eq!(
        lost["data"],
        json!({"tenant_id": "acme", "provider": "slack_enterprise", "organization": organization,
            "status": "needs_reauth", "missing_scopes": [], "reason": "invalid_refresh_token"})
    );

    app.relink("acme", &account).await?;
    for _ in 0..2 {
        app.home.api.delete(&format!("integrated-accounts/{account}")).await?.success()?;
    }
    let end = read_events(api, &mut cursor).await?;
    assert_eq!(event_types(&end), ["reactivated", "disconnected"]);
    let (all, _) = api.all("events?limit=2").await?;
    assert_eq!(
        event_types(&all),
        ["created", "active", "needs_reauth", "reactivated", "disconnected"]
    );
    for secret in ["xoxe", "xoxp", "xoxb", DEFAULT_CLIENT_SECRET] {
        assert!(!json!(all).to_string().contains(secret), "{secret} is in the events: {all:?}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn reports_repeated_refresh_failures_once_an_hour(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let (api, mut cursor) = (app.client_for(&account)?, String::new());
    read_events(&app.home.api, &mut cursor).await?;
    app.sandbox.advance_clock(Duration::hours(13));
    app.sandbox.add_fault(Fault::for_next_calls("oauth.v2.access", FaultKind::Html, 1_000));
    for expected in [1, 1] {
        for _ in 0..3 {
            api.get("users?limit=1").await?.problem(502, "provider_error");
        }
        let reported = read_events(&app.home.api, &mut cursor).await?;
        assert_eq!(event_types(&reported), vec!["refresh_failed"; expected]);
        assert_eq!(reported[0]["data"]["reason"], "provider_down");
        assert_eq!(reported[0]["data"]["status"], "active");
        app.clock.advance(Duration::hours(1));
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn filters_events_by_type_and_account(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let (one, two) = (app.link("acme").await?, app.link("globex").await?);
    let api = &app.home.api;
    let token = api.post(&format!("integrated-accounts/{one}/tokens"), &json!({})).await?;
    let token = token.created()?["result"]["token"].as_str().context("no token")?.to_owned();
    let token = app.anonymous()?.with("authorization", &bearer(&token))?;
    let stranger = app.tenant("other").await?.api;
    for (client, filter, expected) in [
        (api, String::new(), 4),
        (api, "type=integrated_account.created".to_owned(), 2),
        (api, format!("integrated_account_id={two}"), 2),
        (api, format!("type=integrated_account.active&integrated_account_id={two}"), 1),
        (api, "type=integrated_account.disconnected".to_owned(), 0),
        (&token, String::new(), 2),
        (&token, format!("integrated_account_id={one}"), 2),
        (&stranger, String::new(), 0),
        (&stranger, format!("integrated_account_id={one}"), 0),
    ] {
        let page = client.get(&format!("events?{filter}")).await?.success()?;
        assert_eq!(page["result_count"], expected, "{filter}: {page}");
    }
    let foreign = token.get(&format!("events?integrated_account_id={two}")).await?;
    foreign.problem(404, "account_not_found");
    for wrong in ["type=user.vanished", "integrated_account_id=acc_1", "kind=x", "limit=0"] {
        let response = api.get(&format!("events?{wrong}")).await?;
        response.problem(400, "invalid_query");
        assert_eq!(response.pointers(), [wrong.split('=').next().context("no name")?]);
    }
    let page = api.get("events?limit=1").await?.success()?;
    let cursor = page["next_cursor"].as_str().context("no cursor")?;
    api.get(&format!("events?next_cursor={cursor}")).await?.success()?;
    let cut = &cursor[..cursor.len() - 1];
    for (client, wrong) in [
        (api, "next_cursor=x".to_owned()),
        (api, "next_cursor=events-0".to_owned()),
        (api, "next_cursor=events--1".to_owned()),
        (api, format!("next_cursor={cut}")),
        (api, format!("type=integrated_account.created&next_cursor={cursor}")),
        (&token, format!("next_cursor={cursor}")),
        (&stranger, format!("next_cursor={cursor}")),
    ] {
        let response = client.get(&format!("events?{wrong}")).await?;
        response.problem(400, "invalid_cursor");
        assert_eq!(response.pointers(), ["next_cursor"], "{wrong}");
    }
    let accounts = api.get(&format!("integrated-accounts?next_cursor={cursor}")).await?;
    accounts.problem(400, "invalid_cursor");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_stored_cursor_misses_no_concurrent_event(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let tenants: Vec<String> = (0..12).map(|number| format!("tenant-{number}")).collect();
    let links = join_all(tenants.iter().map(|tenant| app.link(tenant)));
    let reader = async {
        let (mut cursor, mut seen) = (String::new(), Vec::new());
        while seen.len() < 2 * tenants.len() {
            seen.extend(read_events(&app.home.api, &mut cursor).await?);
        }
        anyhow::Ok(seen)
    };
    let (links, seen) =
        tokio::join!(links, tokio::time::timeout(std::time::Duration::from_mins(1), reader));
    for link in links {
        link?;
    }
    let (all, _) = app.home.api.all("events?limit=5").await?;
    assert_eq!(seen.context("events were missed")??, all);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn events_are_retained_for_thirty_days(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let (api, mut cursor) = (&app.home.api, String::new());
    app.link("acme").await?;
    read_events(api, &mut cursor).await?;
    app.clock.advance(Duration::days(29));
    assert_eq!(read_events(api, &mut String::new()).await?.len(), 2);
    app.clock.advance(Duration::days(1));
    assert!(read_events(api, &mut String::new()).await?.is_empty());
    app.clock.advance(Duration::seconds(1));
    // The next event purges old ones; an old cursor stays valid.
    let link = api.post("link-tokens", &json!({"tenant_id": "globex"})).await?.created()?;
    let url = link["result"]["link_url"].as_str().context("no link")?.parse()?;
    assert_eq!(Browser::new()?.complete_link(&url).await?.status, 200);
    let fresh = read_events(api, &mut cursor).await?;
    assert_eq!(event_types(&fresh), ["created", "active"]);
    let rows: i64 = sqlx::query_scalar("select count(*) from events").fetch_one(&app.pool).await?;
    assert_eq!(rows, 2);
    Ok(())
}

/// The events of others do not let the cursor of a reader expire.
#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_cursor_of_a_quiet_account_stays_valid(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let quiet = app.link("acme").await?;
    let api = app.home.api.clone();
    let path = format!("events?integrated_account_id={quiet}");
    let read = async |cursor: &str| -> anyhow::Result<Value> {
        api.get(&format!("{path}&next_cursor={cursor}")).await?.success()
    };
    let page = api.get(&path).await?.success()?;
    assert_eq!(page["result_count"], 2, "{page}");
    let mut cursor = page["next_cursor"].as_str().context("no cursor")?.to_owned();
    for tenant in ["globex", "initech"] {
        app.link(tenant).await?;
        let page = read(&cursor).await?;
        assert!(page["next_cursor"].is_null(), "{page}");
        app.clock.advance(Duration::days(29));
        let page = read(&cursor).await?;
        assert_eq!(page["result_count"], 0, "{page}");
        page["next_cursor"].as_str().context("no cursor")?.clone_into(&mut cursor);
        let end = read(&cursor).await?;
        assert!(end["next_cursor"].is_null(), "{end}");
    }
    app.relink("acme", &quiet).await?;
    let page = read(&cursor).await?;
    assert_eq!(page["result"][0]["type"], "integrated_account.reactivated", "{page}");
    Ok(())
}
