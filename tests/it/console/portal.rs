//! The hosted directory view: one account, its pages and permissions, framed by listed origins only.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::domain::access::Scope;
use switchboard::sandbox::Fault;
use time::Duration;
use tokio_util::sync::CancellationToken;

use super::{cookie, csrf, origin, send};
use crate::support::{ApiResponse, Client, TestApp};
use crate::sync::SyncedApp;

/// Creates a link; returns its path.
pub(super) async fn link(client: &Client, body: &Value) -> anyhow::Result<String> {
    let created = client.post("portal-links", body).await?.created()?;
    let url = created["result"]["portal_url"].as_str().context("no URL")?;
    let (_, path) = url.split_once("/portal/").context("no path")?;
    Ok(format!("portal/{path}"))
}

/// Opens a link in a new browser; returns the browser and the response.
pub(super) async fn open(app: &TestApp, path: &str) -> anyhow::Result<(Client, ApiResponse)> {
    let client = app.anonymous()?.with("origin", &origin(app))?;
    let shown = client.get(path).await?;
    assert_eq!(shown.status, 200, "{}", shown.text);
    let probe = cookie(&shown, "sb_portal_probe")?;
    let client = client.with("cookie", &format!("sb_portal_probe={probe}"))?;
    let opened = send(&client, path, &[]).await?;
    Ok((client, opened))
}

/// Opens a new link; returns the browser with its session.
pub(super) async fn visit(
    synced: &SyncedApp,
    views: Value,
    permissions: Value,
) -> anyhow::Result<Client> {
    let body = json!({"integrated_account_id": synced.account, "views": views, "permissions": permissions});
    let path = link(&synced.app.home.api, &body).await?;
    let (client, opened) = open(&synced.app, &path).await?;
    assert_eq!(opened.status, 303, "{}", opened.text);
    client.with("cookie", &format!("sb_portal={}", cookie(&opened, "sb_portal")?))
}

/// An account with a copy and a violation that can be fixed.
async fn violated(pool: PgPool) -> anyhow::Result<(SyncedApp, String)> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    let policy = json!({"name": "Guests end", "kind": "guests_must_expire", "parameters": {"within_days": 30}});
    synced.app.home.admin.post("policies", &policy).await?.created()?;
    synced.synced().await?;
    let stop = CancellationToken::new();
    while synced.app.policies.work_once(&stop).await? {}
    let drift = synced.api.get("drift?status=open").await?.success()?;
    let id = drift["result"][0]["id"].as_str().context("no violation")?.to_owned();
    Ok((synced, id))
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_link_opens_once_for_an_hour(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let app = &synced.app;
    let body = json!({"integrated_account_id": synced.account, "views": ["directory"]});
    let path = link(&app.home.api, &body).await?;
    let (client, opened) = open(app, &path).await?;
    assert_eq!((opened.status, opened.header("location")), (303, "/portal/directory"));
    let line = opened.header("set-cookie");
    assert!(line.contains("Path=/portal; HttpOnly; SameSite=Lax; Max-Age=3600"), "{line}");
    let session =
        client.clone().with("cookie", &format!("sb_portal={}", cookie(&opened, "sb_portal")?))?;
    let page = session.get("portal/directory").await?;
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(page.text.contains("<h1>Directory</h1>"), "{}", page.text);

    let again = app.anonymous()?.with("origin", &origin(app))?;
    assert_eq!(again.get(&path).await?.status, 410, "used");
    let stolen = send(&client, &path, &[]).await?;
    assert_eq!((stolen.status, stolen.header("set-cookie")), (410, ""), "used twice");

    let stored = "select count(*) from portal_links p where p::text like '%sb_%'";
    assert_eq!(sqlx::query_scalar::<_, i64>(stored).fetch_one(&app.pool).await?, 0, "digests only");
    app.clock.advance(Duration::minutes(59));
    assert_eq!(session.get("portal/directory").await?.status, 200);
    app.clock.advance(Duration::minutes(2));
    assert_eq!(session.get("portal/directory").await?.status, 401, "after an hour");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn links_expire_and_end_with_their_key(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let app = &synced.app;
    let body = json!({"integrated_account_id": synced.account, "views": ["directory"], "expires_in_s": 60});
    let path = link(&app.home.api, &body).await?;
    app.clock.advance(Duration::seconds(60));
    assert_eq!(app.anonymous()?.get(&path).await?.status, 410, "expired");

    let (secret, id) = super::key(&app.home, &[Scope::Read, Scope::Write]).await?;
    let maker = app.anonymous()?.with("authorization", &crate::support::bearer(&secret))?;
    let (client, opened) = open(app, &link(&maker, &body).await?).await?;
    let session = client.with("cookie", &format!("sb_portal={}", cookie(&opened, "sb_portal")?))?;
    assert_eq!(session.get("portal/directory").await?.status, 200);
    let unused = link(&maker, &body).await?;
    app.home.admin.delete(&format!("api-keys/{id}")).await?.success()?;
    assert_eq!(session.get("portal/directory").await?.status, 401, "the key was revoked");
    assert_eq!(app.anonymous()?.get(&unused).await?.status, 410);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_link_needs_a_key_that_reads(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    let app = &synced.app;
    let (secret, _) = super::key(&app.home, &[Scope::Write]).await?;
    let maker = app.anonymous()?.with("authorization", &crate::support::bearer(&secret))?;
    let body = json!({"integrated_account_id": synced.account, "views": ["directory"], "permissions": ["apply"]});
    maker.post("portal-links", &body).await?.problem(403, "insufficient_scope");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_session_has_its_pages_only(pool: PgPool) -> anyhow::Result<()> {
    let (synced, _) = violated(pool).await?;
    let session = visit(&synced, json!(["drift"]), json!([])).await?;
    assert_eq!(session.get("portal/drift").await?.status, 200);
    for path in [
        "directory",
        "people/U1",
        "access-review",
        "access-review.csv",
        "syncs",
        "syncs/live",
        "syncs/syn_x",
        "reconciliations",
        "reconciliations/rec_x",
    ] {
        let page = session.get(&format!("portal/{path}")).await?;
        assert_eq!(page.status, 403, "{path}: {}", page.text);
    }
    // The cookie is none of the console, and none of the API.
    assert_eq!(session.get("console/drift").await?.status, 303);
    assert_eq!(session.get("drift").await?.status, 401);
    let as_console = session.clone().with("cookie", &format!("sb_console={}", "sb_psn_x"))?;
    assert_eq!(as_console.get("console").await?.status, 303);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn permissions_are_checked_at_each_action(pool: PgPool) -> anyhow::Result<()> {
    let (synced, id) = violated(pool).await?;
    let later = (synced.app.state.clock.now() + Duration::days(7))
        .format(&time::format_description::well_known::Rfc3339)?;
    let reason = [("reason", "Contract until spring"), ("expires_at", later.as_str())];
    let acknowledge = format!("portal/drift/{id}/acknowledge");
    let fix = format!("portal/drift/{id}/fix");

    let reader = visit(&synced, json!(["drift", "sync"]), json!(["read"])).await?;
    let page = reader.get("portal/drift").await?;
    assert!(!page.text.contains("Acknowledge…") && !page.text.contains("Fix…"), "{}", page.text);
    let token = csrf(&page)?;
    let with_token = |more: &[(&str, &str)]| -> Vec<(String, String)> {
        let all = [&[("csrf", token.as_str())], more].concat();
        all.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    for path in [acknowledge.as_str(), &fix, "portal/syncs/start"] {
        let fields = with_token(&reason);
        let fields: Vec<_> =
            fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let sent = send(&reader, path, &fields).await?;
        assert_eq!(sent.status, 403, "{path}: {}", sent.text);
    }

    let reviewer = visit(&synced, json!(["drift"]), json!(["acknowledge"])).await?;
    let page = reviewer.get("portal/drift").await?;
    assert!(page.text.contains("Acknowledge…") && !page.text.contains("Fix…"), "{}", page.text);
    let token = csrf(&page)?;
    let fields = [&[("csrf", token.as_str())][..], &reason].concat();
    assert_eq!(send(&reviewer, &fix, &fields).await?.status, 403);
    let forged = reviewer.clone().with("origin", "https://evil.example")?;
    assert_eq!(send(&forged, &acknowledge, &fields).await?.status, 403, "another origin");
    assert_eq!(send(&reviewer, &acknowledge, &reason).await?.status, 403, "no token");
    let sent = send(&reviewer, &acknowledge, &fields).await?;
    assert_eq!(sent.status, 303, "{}", sent.text);
    let violation = synced.api.get(&format!("drift/{id}")).await?.success()?;
    let by = violation["result"]["acknowledgement"]["acknowledged_by"].as_str().unwrap_or_default();
    assert!(by.starts_with("plk_"), "{violation}");

    let fixer = visit(&synced, json!(["drift"]), json!(["apply"])).await?;
    let token = csrf(&fixer.get("portal/drift").await?)?;
    assert_eq!(send(&fixer, &acknowledge, &[("csrf", &token)]).await?.status, 403);
    let sent = send(&fixer, &fix, &[("csrf", &token)]).await?;
    assert_eq!(sent.status, 303, "{}", sent.text);
    let violation = synced.api.get(&format!("drift/{id}")).await?.success()?;
    assert_eq!(
        violation["result"]["last_fix"]["operations"][0]["outcome"], "applied",
        "{violation}"
    );
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_fix_is_offered_once_until_the_next_evaluation(pool: PgPool) -> anyhow::Result<()> {
    let (synced, id) = violated(pool).await?;
    synced.app.clock.advance(time::Duration::seconds(1));
    let session = visit(&synced, json!(["drift"]), json!(["apply", "acknowledge"])).await?;
    let [fix, acknowledge] = ["fix", "acknowledge"].map(|what| format!("portal/drift/{id}/{what}"));
    let page = session.get("portal/drift").await?;
    assert!(page.text.contains(&acknowledge), "{}", page.text);
    assert!(page.text.contains(&fix) && !page.text.contains("data-live"), "{}", page.text);
    let token = csrf(&page)?;
    let sent = send(&session, &fix, &[("csrf", &token)]).await?;
    assert_eq!(sent.status, 303, "{}", sent.text);
    let page = session.get("portal/drift").await?;
    assert!(page.text.contains("the fix was run"), "{}", page.text);
    assert!(!page.text.contains(&fix) && page.text.contains("data-live"), "{}", page.text);
    assert!(!page.text.contains(&acknowledge), "{}", page.text);
    synced.app.clock.advance(time::Duration::seconds(1));
    let stop = CancellationToken::new();
    while synced.app.policies.work_once(&stop).await? {}
    let page = session.get("portal/drift").await?;
    assert!(!page.text.contains(&id) && !page.text.contains("data-live"), "{}", page.text);
    // The forms of a page that was loaded before say what has happened.
    let console = super::signed_in(&synced.app, &synced.app.home, Scope::ALL).await?;
    let expires_at = (synced.app.state.clock.now() + Duration::days(7))
        .format(&time::format_description::well_known::Rfc3339)?;
    for what in ["fix", "acknowledge"] {
        let fields = [("reason", "Known"), ("expires_at", expires_at.as_str())];
        let path = format!("portal/drift/{id}/{what}");
        let late =
            send(&session, &path, &[&[("csrf", token.as_str())][..], &fields].concat()).await?;
        assert_eq!(
            (late.status, late.header("location")),
            (303, "/portal/drift?done=violation-closed")
        );
        let late = console.send(&format!("console/drift/{id}/{what}"), &fields).await?;
        assert!(late.header("location").ends_with("done=violation-closed"), "{}", late.text);
    }
    let page = session.get("portal/drift?done=violation-closed").await?;
    assert!(page.text.contains("the violation is no longer open"), "{}", page.text);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_fix_that_fails_says_so(pool: PgPool) -> anyhow::Result<()> {
    let (synced, id) = violated(pool).await?;
    let fault = Fault::refused("admin.users.setExpiration", "missing_scope", 9);
    synced.app.sandbox.add_fault(fault);
    let portal = visit(&synced, json!(["drift"]), json!(["apply"])).await?;
    let token = csrf(&portal.get("portal/drift").await?)?;
    let sent = send(&portal, &format!("portal/drift/{id}/fix"), &[("csrf", &token)]).await?;
    assert_eq!((sent.status, sent.header("location")), (303, "/portal/drift?done=fix-failed"));
    let page = portal.get("portal/drift?done=fix-failed").await?;
    assert!(page.text.contains("The fix failed"), "{}", page.text);
    let console = super::signed_in(&synced.app, &synced.app.home, Scope::ALL).await?;
    let sent = console.send(&format!("console/drift/{id}/fix"), &[]).await?;
    assert!(sent.header("location").ends_with("done=fix-failed"), "{}", sent.header("location"));
    synced.app.sandbox.clear_faults();
    let sent = console.send(&format!("console/drift/{id}/fix"), &[]).await?;
    assert!(sent.header("location").ends_with("done=fixed"), "{}", sent.header("location"));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_session_shows_one_account_only(pool: PgPool) -> anyhow::Result<()> {
    let (synced, id) = violated(pool).await?;
    let other = synced.app.link("globex").await?;
    let body = json!({"integrated_account_id": other, "views": ["directory", "drift", "sync"], "permissions": ["acknowledge", "apply"]});
    let (client, opened) = open(&synced.app, &link(&synced.app.home.api, &body).await?).await?;
    let session = client.with("cookie", &format!("sb_portal={}", cookie(&opened, "sb_portal")?))?;
    let runs = synced.api.get("syncs").await?.success()?;
    let run = runs["result"][0]["id"].as_str().unwrap_or_default().to_owned();
    let page = session.get(&format!("portal/drift?account={}", synced.account)).await?;
    assert!(page.status == 200 && !page.text.contains(&id), "{}", page.text);
    for path in [
        format!("portal/syncs/{run}"),
        format!("portal/syncs/{run}?integrated_account_id={}", synced.account),
    ] {
        assert_eq!(session.get(&path).await?.status, 404, "{path}");
    }
    let page = session
        .get(&format!(
            "portal/directory?integrated_account_id={}&account={}",
            synced.account, synced.account
        ))
        .await?;
    assert!(page.text.contains("No synced copy"), "of the other account: {}", page.text);
    let token = csrf(&page)?;
    for path in [
        format!("portal/drift/{id}/fix"),
        format!("portal/syncs/{run}/accept"),
        format!("portal/syncs/{run}/cancel"),
    ] {
        let sent = send(&session, &path, &[("csrf", &token)]).await?;
        assert_eq!(sent.status, 404, "{path}: {}", sent.text);
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn only_listed_origins_frame_the_view(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let app = &synced.app;
    let environment = app.home.environment_id;
    let page = json!({"link_page": {"name": "Acme <b>HR</b>", "accent_color": "#7a3cff", "origins": ["https://app.acme.example", "https://eu.acme.example"]}});
    app.home.admin.patch(&format!("environments/{environment}"), &page).await?.success()?;
    let body = json!({"integrated_account_id": synced.account, "views": ["directory", "access_review", "sync", "drift"]});
    let path = link(&app.home.api, &body).await?;
    let mut pages = vec![app.anonymous()?.get(&path).await?];
    let (client, opened) = open(app, &path).await?;
    let session = client.with("cookie", &format!("sb_portal={}", cookie(&opened, "sb_portal")?))?;
    for view in ["directory", "access-review", "syncs", "drift"] {
        pages.push(session.get(&format!("portal/{view}")).await?);
    }
    for page in &pages {
        assert_eq!(page.status, 200, "{}", page.text);
        let policy = page.header("content-security-policy");
        assert!(
            policy.ends_with("frame-ancestors https://app.acme.example https://eu.acme.example"),
            "{policy}"
        );
        assert!(policy.contains("script-src 'self';") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(page.header("x-frame-options"), "", "listed origins may frame it");
        assert!(
            page.text.contains("Acme &lt;b&gt;HR&lt;/b&gt;") && !page.text.contains("<b>HR"),
            "{}",
            page.text
        );
        assert!(!page.text.contains("Environment"), "no navigation of the console");
    }
    let ended = app.anonymous()?.get("portal/directory").await?;
    assert_eq!(ended.status, 401);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn cookies_work_within_frames_of_other_sites(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| {
        "https://gateway.example".clone_into(&mut setup.config.server.public_url);
    })
    .await?;
    // The provider cannot return to a public URL that is not served, so the account is a row.
    let account = "acc_01J8ZQ5V9Y3M7T2K4N6P8R0S1T";
    let row = "insert into integrated_accounts (environment_id, integrated_account_id, tenant_id, provider, status,
                   organization_id, organization_name, installer_id, granted_scopes, missing_scopes, context, created_at, updated_at)
               values ($1, $2, 'acme', 'scim', 'active', 'E1', 'Org', 'U1', '{}', '{}', '{}', now(), now())";
    let environment = app.home.environment_id.to_string();
    sqlx::query(row).bind(environment).bind(account).execute(&app.pool).await?;
    let body = json!({"integrated_account_id": account, "views": ["directory"]});
    let path = link(&app.home.api, &body).await?;
    let shown = app.anonymous()?.get(&path).await?;
    let line = shown.header("set-cookie");
    assert!(
        line.starts_with("__Host-sb_portal_probe=")
            && line.contains("SameSite=None; Secure; Partitioned"),
        "{line}"
    );
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_browser_without_cookies_does_not_use_the_link_up(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let app = &synced.app;
    let body = json!({"integrated_account_id": synced.account, "views": ["directory"]});
    let path = link(&app.home.api, &body).await?;
    let blocked = app.anonymous()?.with("origin", &origin(app))?;
    let asked = send(&blocked, &path, &[]).await?;
    assert!(asked.status == 200 && asked.text.contains("Open in a window"), "{}", asked.text);
    let (_, opened) = open(app, &path).await?;
    assert_eq!(opened.status, 303, "{}", opened.text);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn links_are_created_by_keys_for_their_own_accounts(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let body = json!({"integrated_account_id": account, "views": ["directory"]});
    let foreign = app.tenant("elsewhere").await?;
    foreign.api.post("portal-links", &body).await?.problem(404, "account_not_found");
    let token = app
        .home
        .api
        .post(
            &format!("integrated-accounts/{account}/tokens"),
            &json!({"scopes": ["read", "write"]}),
        )
        .await?
        .created()?;
    let token = token["result"]["token"].as_str().unwrap_or_default().to_owned();
    let bound = app.anonymous()?.with("authorization", &crate::support::bearer(&token))?;
    bound.post("portal-links", &body).await?.problem(403, "insufficient_scope");
    for (wrong, pointer) in [
        (json!({"integrated_account_id": account, "views": []}), "/views"),
        (
            json!({"integrated_account_id": account, "views": ["directory"], "expires_in_s": 1}),
            "/expires_in_s",
        ),
        (json!({"integrated_account_id": account, "views": ["keys"]}), "/views/0"),
    ] {
        let response = app.home.api.post("portal-links", &wrong).await?;
        response.problem(422, "invalid_body");
        assert_eq!(response.pointers(), [pointer], "{}", response.text);
    }
    Ok(())
}
