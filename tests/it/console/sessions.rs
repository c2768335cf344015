//! Sessions: how they start, what they may do, and how they end.

use serde_json::json;
use sqlx::{PgPool, Row as _};
use switchboard::admin::Administrator;
use switchboard::domain::access::Scope;
use switchboard::domain::sealed::Digest;
use time::Duration;

use super::{cookie, csrf, key, origin, send, sign_in, signed_in};
use crate::support::{TestApp, bearer};

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_key_signs_in_and_out(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let anonymous = app.anonymous()?;
    let away = anonymous.get("console/drift?status=open").await?;
    assert_eq!(
        (away.status, away.header("location")),
        (303, "/console/sign-in?next=%2Fconsole%2Fdrift%3Fstatus%3Dopen")
    );
    assert_eq!(anonymous.get("console/sign-in").await?.status, 200);

    let session = signed_in(&app, &app.home, Scope::ALL).await?;
    let page = session.page("console/keys").await?;
    assert!(page.text.contains("Create the key"), "{}", page.text);

    let out = session.send("console/sign-out", &[]).await?;
    assert_eq!((out.status, out.header("location")), (303, "/console/sign-in"));
    assert_eq!(cookie(&out, "sb_console")?, "");
    assert_eq!(session.client.get("console/keys").await?.status, 303, "the session has ended");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn only_digests_of_sessions_are_stored(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let session = signed_in(&app, &app.home, Scope::ALL).await?;
    let rows = sqlx::query("select s.digest, s::text from console_sessions s")
        .fetch_all(&app.pool)
        .await?;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].try_get::<Vec<u8>, _>(0)?, Digest::of(&session.secret).0);
    assert!(!rows[0].try_get::<String, _>(1)?.contains(&session.secret));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn cookies_are_for_this_server_only(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let (key, _) = key(&app.home, Scope::ALL).await?;
    let client = app.anonymous()?.with("origin", &origin(&app))?;
    let plain = send(&client, "console/sign-in", &[("key", &key)]).await?;
    let line = plain.header("set-cookie");
    assert!(line.contains("; Path=/console; HttpOnly; SameSite=Lax; Max-Age=43200"), "{line}");
    assert!(!line.contains("Secure"), "{line}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn cookies_over_tls_are_secure(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| {
        "https://gateway.example".clone_into(&mut setup.config.server.public_url);
    })
    .await?;
    let (key, _) = key(&app.home, Scope::ALL).await?;
    let client = app.anonymous()?.with("origin", "https://gateway.example")?;
    let response = send(&client, "console/sign-in", &[("key", &key)]).await?;
    let line = response.header("set-cookie");
    assert!(line.starts_with("__Host-sb_console="), "{line}");
    assert!(line.contains("; Path=/; HttpOnly; SameSite=Lax; Secure; "), "{line}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_session_ends_after_twelve_hours(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let session = signed_in(&app, &app.home, Scope::ALL).await?;
    app.clock.advance(Duration::hours(12) - Duration::seconds(1));
    session.page("console/keys").await?;
    app.clock.advance(Duration::seconds(2));
    assert_eq!(session.client.get("console/keys").await?.status, 303);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn revoking_a_key_ends_its_sessions(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let (secret, id) = key(&app.home, Scope::ALL).await?;
    let (one, other) =
        (sign_in(&app, &secret).await?, signed_in(&app, &app.home, Scope::ALL).await?);
    one.page("console/keys").await?;
    let revoked = other.send(&format!("console/keys/{id}/revoke"), &[]).await?;
    assert_eq!(revoked.status, 303, "{}", revoked.text);
    assert_eq!(one.client.get("console/keys").await?.status, 303);
    other.page("console/keys").await?;

    // A stolen secret that is replaced leaves no session behind.
    let (secret, id) = key(&app.home, Scope::ALL).await?;
    let stolen = sign_in(&app, &secret).await?;
    let path = format!("api-keys/{id}/rotate");
    app.home.admin.post(&path, &json!({})).await?.success()?;
    stolen.page("console/keys").await?;
    app.home.admin.post(&path, &json!({"end_made": true})).await?.success()?;
    assert_eq!(stolen.client.get("console/keys").await?.status, 303);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn sessions_are_listed_and_ended(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let one = signed_in(&app, &app.home, Scope::ALL).await?;
    let other = signed_in(&app, &app.home, Scope::ALL).await?;
    let page = one.page("console/sessions").await?;
    let (_, rest) = page.text.split_once("action=\"/console/sessions/").unwrap_or_default();
    let id = rest.split('/').next().unwrap_or_default();
    let foreign = app.tenant("elsewhere").await?;
    let stranger = signed_in(&app, &foreign, Scope::ALL).await?;
    let path = format!("console/sessions/{id}/end");
    assert_eq!(stranger.send(&path, &[]).await?.status, 404, "of another environment");
    other.page("console/sessions").await?;
    assert_eq!(one.send(&path, &[]).await?.status, 303);
    assert_eq!(other.client.get("console/sessions").await?.status, 303);
    one.page("console/sessions").await?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_key_without_admin_reads_only(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let session = signed_in(&app, &app.home, &[Scope::Read, Scope::Write]).await?;
    let page = session.page(&format!("console/accounts/{account}")).await?;
    assert!(page.text.contains("Read-only"), "{}", page.text);
    let forms = page.text.matches("method=\"post\"").count();
    assert_eq!(forms, 1, "only the sign-out: {}", page.text);
    for path in ["keys", "webhooks", "audit-log", "sessions"] {
        assert_eq!(session.client.get(&format!("console/{path}")).await?.status, 403, "{path}");
    }
    for path in [
        format!("accounts/{account}/disconnect"),
        format!("accounts/{account}/refresh"),
        "syncs/start".to_owned(),
        "keys".to_owned(),
        "policies/starter".to_owned(),
        "environment/name".to_owned(),
    ] {
        let sent = session.send(&format!("console/{path}"), &[("name", "x")]).await?;
        assert_eq!(sent.status, 403, "{path}: {}", sent.text);
    }
    let accounts = app.home.api.get("integrated-accounts?status=active").await?.success()?;
    assert_eq!(accounts["result_count"], 1, "nothing was disconnected");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn other_credentials_do_not_sign_in(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let token =
        app.home.api.post(&format!("integrated-accounts/{account}/tokens"), &json!({})).await?;
    let token = token.created()?["result"]["token"].as_str().unwrap_or_default().to_owned();
    let (proxy, _) = key(&app.home, &[Scope::Proxy]).await?;
    let client = app.anonymous()?.with("origin", &origin(&app))?;
    for (wrong, status) in [(token.as_str(), 401), ("sb_live_v1_x", 401), ("", 401), (&proxy, 403)]
    {
        let response = send(&client, "console/sign-in", &[("key", wrong)]).await?;
        assert_eq!(response.status, status, "{wrong}");
        assert_eq!(response.header("set-cookie"), "", "{wrong}");
        assert!(!response.text.contains("sb_live_v1_x"), "the key is not repeated");
    }
    // Nor does a key in a header open a page.
    let (good, _) = key(&app.home, Scope::ALL).await?;
    let header = app.anonymous()?.with("authorization", &bearer(&good))?;
    assert_eq!(header.get("console/keys").await?.status, 303);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn failed_sign_ins_are_throttled(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| setup.config.server.failed_auth_per_minute = 5).await?;
    let client = app.anonymous()?.with("origin", &origin(&app))?;
    let mut statuses = Vec::new();
    for number in 0..12 {
        let wrong = format!("sb_live_{number}");
        statuses.push(send(&client, "console/sign-in", &[("key", &wrong)]).await?.status);
    }
    assert_eq!(statuses.first(), Some(&401), "{statuses:?}");
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
    let link = send(&client, "console/sign-in/sb_in_wrong", &[]).await?;
    assert_eq!(link.status, 429, "links share the throttle");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_one_time_link_signs_in_once(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let (_, id) = key(&app.home, Scope::ALL).await?;
    let db = &app.state.store.tenant(app.home.environment_id);
    let (clock, entropy) = (&*app.state.clock, &*app.state.entropy);
    let administrator = Administrator { db, actor: "test", request_id: None, clock, entropy };
    let link = administrator.create_sign_in_link(id.parse()?).await?;
    let path = format!("console/sign-in/{}", link.reveal());
    let client = app.anonymous()?.with("origin", &origin(&app))?;
    // A preview of the link does not use it.
    for _ in 0..2 {
        assert_eq!(client.get(&path).await?.status, 200);
    }
    let first = send(&client, &path, &[]).await?;
    assert_eq!(first.status, 303, "{}", first.text);
    let secret = cookie(&first, "sb_console")?;
    let browser = client.clone().with("cookie", &format!("sb_console={secret}"))?;
    assert_eq!(browser.get("console/keys").await?.status, 200);
    let stolen = send(&client, &path, &[]).await?;
    assert_eq!((stolen.status, stolen.header("set-cookie")), (401, ""));

    let late = administrator.create_sign_in_link(id.parse()?).await?;
    app.clock.advance(Duration::minutes(15));
    let response = send(&client, &format!("console/sign-in/{}", late.reveal()), &[]).await?;
    assert_eq!(response.status, 401, "expired");
    let unused = administrator.create_sign_in_link(id.parse()?).await?;
    app.home.admin.delete(&format!("api-keys/{id}")).await?.success()?;
    let response = send(&client, &format!("console/sign-in/{}", unused.reveal()), &[]).await?;
    assert_eq!(response.status, 401, "of a revoked key");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_session_does_not_see_another_environment(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let foreign = app.tenant("elsewhere").await?;
    let session = signed_in(&app, &foreign, Scope::ALL).await?;
    for page in
        ["", "/directory", "/drift", "/syncs", "/roles", "/access-review", "/events", "/budgets"]
    {
        let path = format!("console{page}?account={account}");
        let response = session.client.get(&path).await?;
        assert_eq!(response.status, 404, "{path}: {}", response.text);
        assert!(!response.text.contains("acme"), "{path}");
    }
    let own = session.page("console").await?;
    assert!(!own.text.contains("acme") && own.text.contains("No customer is connected"));
    let token = csrf(&own)?;
    for path in [format!("accounts/{account}/disconnect"), format!("accounts/{account}/sync")] {
        let fields = [("csrf", token.as_str())];
        let sent = send(&session.client, &format!("console/{path}"), &fields).await?;
        assert_eq!(sent.status, 404, "{path}");
    }
    let accounts = app.home.api.get("integrated-accounts?status=active").await?.success()?;
    assert_eq!(accounts["result_count"], 1);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn expired_sessions_and_links_are_purged(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    signed_in(&app, &app.home, Scope::ALL).await?;
    let (_, id) = key(&app.home, Scope::ALL).await?;
    let db = &app.state.store.tenant(app.home.environment_id);
    let (clock, entropy) = (&*app.state.clock, &*app.state.entropy);
    let administrator = Administrator { db, actor: "test", request_id: None, clock, entropy };
    administrator.create_sign_in_link(id.parse()?).await?;
    app.clock.advance(Duration::hours(13));
    app.state.store.purge_expired(app.state.clock.now(), Duration::days(30)).await?;
    let count = "select (select count(*) from console_sessions) + (select count(*) from console_sign_in_links)";
    assert_eq!(sqlx::query_scalar::<_, i64>(count).fetch_one(&app.pool).await?, 0);
    Ok(())
}
