//! `/api-keys`: keys are created, restricted, rotated without a gap and revoked, and `last_used_at` is recorded.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{Browser, Client, TestApp, bearer};

fn text<'v>(body: &'v Value, pointer: &str) -> anyhow::Result<&'v str> {
    body.pointer(pointer).and_then(Value::as_str).with_context(|| format!("no {pointer} in {body}"))
}

/// Creates a key from this body; returns its id and a client with it.
async fn create_key(app: &TestApp, by: &Client, body: &Value) -> anyhow::Result<(String, Client)> {
    let issued = by.post("api-keys", body).await?.created()?;
    let client = app.anonymous()?.with("authorization", &bearer(text(&issued, "/result/key")?))?;
    Ok((text(&issued, "/result/id")?.to_owned(), client))
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn creates_a_key_with_scopes_and_shows_its_secret_once(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let admin = &app.home.admin;
    let body = json!({"name": "Payroll", "scopes": ["read", "read"], "expires_in_s": 3600});
    let (id, key) = create_key(&app, admin, &body).await?;
    key.get("integrated-accounts").await?.success()?;
    key.get("api-keys").await?.problem(403, "insufficient_scope");
    let shown = admin.get(&format!("api-keys/{id}")).await?;
    assert!(!shown.text.contains("sb_live_"), "{}", shown.text);
    let shown = shown.success()?;
    assert_eq!(shown["result"]["name"], "Payroll");
    assert_eq!(shown["result"]["scopes"], json!(["read"]));
    app.clock.advance(time::Duration::hours(1));
    key.get("integrated-accounts").await?.problem(401, "unauthorized");

    for (body, pointer) in [
        (json!({"name": "", "scopes": ["read"]}), "/name"),
        (json!({"name": "x", "scopes": []}), "/scopes"),
        (json!({"name": "x", "scopes": ["root"]}), "/scopes/0"),
        (json!({"name": "x", "scopes": ["read"], "expires_in_s": 0}), "/expires_in_s"),
        (json!({"name": "x", "scopes": ["read"], "allowed_methods": []}), "/allowed_methods"),
        (
            json!({"name": "x", "scopes": ["read"], "allowed_addresses": ["10.0.0.1/8"]}),
            "/allowed_addresses",
        ),
        (json!({"name": "x", "scopes": ["read"], "digest": "x"}), "/digest"),
    ] {
        let response = admin.post("api-keys", &body).await?;
        response.problem(422, "invalid_body");
        assert_eq!(response.pointers(), [pointer], "{body}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_old_secret_is_valid_until_its_overlap_ends(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let admin = &app.home.admin;
    let body = json!({"name": "k", "scopes": ["read"]});
    let (id, first) = create_key(&app, admin, &body).await?;
    first.get("integrated-accounts").await?.success()?;
    let rotate = format!("api-keys/{id}/rotate");
    let rotated = admin.post(&rotate, &json!({"overlap_s": 60})).await?.success()?;
    assert_eq!(text(&rotated, "/result/id")?, id);
    let second = app.anonymous()?.with("authorization", &bearer(text(&rotated, "/result/key")?))?;
    for client in [&first, &second] {
        client.get("integrated-accounts").await?.success()?;
    }
    app.clock.advance(time::Duration::seconds(60));
    first.get("integrated-accounts").await?.problem(401, "unauthorized");
    second.get("integrated-accounts").await?.success()?;

    // Without a body the overlap is the default.
    let (other, first) = create_key(&app, admin, &body).await?;
    admin.send(Method::POST, &format!("api-keys/{other}/rotate"), None).await?.success()?;
    first.get("integrated-accounts").await?.success()?;

    // Two rotations in a row: the oldest secret ends immediately. With an overlap of 0 so does the previous one.
    let rotated = admin.post(&rotate, &json!({"overlap_s": 600})).await?.success()?;
    let third = app.anonymous()?.with("authorization", &bearer(text(&rotated, "/result/key")?))?;
    second.get("integrated-accounts").await?.success()?;
    let rotated = admin.post(&rotate, &json!({"overlap_s": 0})).await?.success()?;
    let fourth = app.anonymous()?.with("authorization", &bearer(text(&rotated, "/result/key")?))?;
    for over in [&second, &third] {
        over.get("integrated-accounts").await?.problem(401, "unauthorized");
    }
    fourth.get("integrated-accounts").await?.success()?;

    let rotated = admin.post(&rotate, &json!({})).await?.success()?;
    let fifth = app.anonymous()?.with("authorization", &bearer(text(&rotated, "/result/key")?))?;
    admin.delete(&format!("api-keys/{id}")).await?.success()?;
    for over in [&fourth, &fifth] {
        over.get("integrated-accounts").await?.problem(401, "unauthorized");
    }
    admin.post(&rotate, &json!({})).await?.problem(404, "not_found");
    admin.delete(&format!("api-keys/{id}")).await?.success()?;
    admin.post(&rotate, &json!({"overlap_s": 2_592_001})).await?.problem(422, "invalid_body");
    let reported = admin.get("audit-log?kind=change").await?.text;
    for action in ["api_key.created", "api_key.rotated", "api_key.revoked"] {
        assert!(reported.contains(action), "{action}: {reported}");
    }
    assert!(!reported.contains("sb_live_"), "{reported}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_rotation_reaches_another_gateway(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let (id, key) =
        create_key(&app, &app.home.admin, &json!({"name": "k", "scopes": ["read"]})).await?;
    let there = key.clone().at(app.second_gateway(&app.config).await?.0);
    there.get("integrated-accounts").await?.success()?;
    let rotate = format!("api-keys/{id}/rotate");
    app.home.admin.post(&rotate, &json!({"overlap_s": 0})).await?.success()?;
    let began = Instant::now();
    while there.get("integrated-accounts").await?.status != 401 {
        anyhow::ensure!(began.elapsed() < Duration::from_secs(1), "the old secret stays valid");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_key_works_only_from_its_allowed_addresses(pool: PgPool) -> anyhow::Result<()> {
    let proxies = "127.0.0.0/8";
    let setup = |setup: &mut crate::support::Setup| {
        proxies.clone_into(&mut setup.config.server.trusted_proxies);
    };
    let app = TestApp::with(pool, setup).await?;
    let account = app.link("acme").await?;
    let admin = &app.home.admin;
    let scopes = json!(["read", "write", "proxy", "admin"]);
    let body = json!({"name": "far", "scopes": scopes, "allowed_addresses": ["203.0.113.0/24"]});
    let (id, far) = create_key(&app, admin, &body).await?;
    let from = |client: &Client, address: &str| client.clone().with("x-forwarded-for", address);
    for path in ["integrated-accounts", "integrated-account", "proxy/api/auth.test"] {
        let far = far.clone().with("x-integrated-account-id", &account)?;
        let rejected = far.get(path).await?;
        assert_eq!(rejected.status, 403, "{path}: {}", rejected.text);
        let rejected = from(&far, "203.0.113.7, 198.51.100.1")?.get(path).await?;
        assert_eq!(rejected.status, 403, "{path}: {}", rejected.text);
        from(&far, "198.51.100.1, 203.0.113.7")?.get(path).await?.success()?;
    }
    let rejected = from(&far, "198.51.100.1")?.get("integrated-accounts").await?;
    let problem = rejected.problem(403, "address_not_allowed");
    assert!(text(problem, "/detail")?.contains("198.51.100.1"), "{problem}");
    // The operations of a batch have the address of the batch.
    let here = from(&far, "203.0.113.7")?.with("x-integrated-account-id", &account)?;
    let batch = json!({"operations": [{"method": "GET", "path": "/roles"}]});
    assert_eq!(here.post("batch", &batch).await?.success()?["succeeded"], 1);

    // It creates nothing wider: tokens, keys, or secrets of other keys.
    let tokens = format!("integrated-accounts/{account}/tokens");
    let token = here.post(&tokens, &json!({})).await?.created()?;
    let token = app.anonymous()?.with("authorization", &bearer(text(&token, "/result/token")?))?;
    token.get("proxy/api/auth.test").await?.api_error(403, "address_not_allowed");
    from(&token, "203.0.113.7")?.get("proxy/api/auth.test").await?.success()?;
    let (_, child) = create_key(&app, &here, &json!({"name": "c", "scopes": ["read"]})).await?;
    child.get("integrated-accounts").await?.problem(403, "address_not_allowed");
    let wide = json!({"name": "c", "scopes": ["read"], "allowed_addresses": ["0.0.0.0/0"]});
    here.post("api-keys", &wide).await?.problem(403, "address_not_allowed");
    let (free, _) = create_key(&app, admin, &json!({"name": "free", "scopes": ["admin"]})).await?;
    let steal = format!("api-keys/{free}/rotate");
    here.post(&steal, &json!({})).await?.problem(403, "address_not_allowed");
    here.post(&format!("api-keys/{id}/rotate"), &json!({})).await?.success()?;
    here.post("environments", &json!({"name": "new"})).await?.problem(403, "insufficient_scope");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn without_a_trusted_proxy_forwarded_addresses_are_ignored(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let body =
        |address: &str| json!({"name": "k", "scopes": ["read"], "allowed_addresses": [address]});
    let (_, far) = create_key(&app, &app.home.admin, &body("203.0.113.7")).await?;
    let far = far.with("x-forwarded-for", "203.0.113.7")?.with("forwarded", "for=203.0.113.7")?;
    far.get("integrated-accounts").await?.problem(403, "address_not_allowed");
    let (_, near) = create_key(&app, &app.home.admin, &body("127.0.0.1")).await?;
    near.get("integrated-accounts").await?.success()?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn reports_the_last_use_by_the_minute(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let admin = &app.home.admin;
    let (id, key) = create_key(&app, admin, &json!({"name": "k", "scopes": ["read"]})).await?;
    let path = format!("api-keys/{id}");
    assert_eq!(admin.get(&path).await?.success()?["result"]["last_used_at"], Value::Null);
    let used = async |client: &Client| -> anyhow::Result<String> {
        client.get("integrated-accounts").await?.success()?;
        app.state.uses.finish().await;
        let shown = admin.get(&path).await?.success()?;
        Ok(text(&shown, "/result/last_used_at")?.to_owned())
    };
    let first = used(&key).await?;
    app.clock.advance(time::Duration::seconds(30));
    assert_eq!(used(&key).await?, first);
    app.clock.advance(time::Duration::seconds(30));
    assert!(used(&key).await? > first);
    // The attempt revoked no key.
    let changes: i64 = sqlx::query_scalar(
        "select count(*) from pg_trigger where tgrelid = 'key_uses'::regclass and not tgisinternal",
    )
    .fetch_one(&app.pool)
    .await?;
    assert_eq!(changes, 0);
    let account = app.link("acme").await?;
    let tokens = format!("integrated-accounts/{account}/tokens");
    let token = app.home.api.post(&tokens, &json!({})).await?.created()?;
    let client = app.anonymous()?.with("authorization", &bearer(text(&token, "/result/token")?))?;
    client.get("proxy/api/auth.test").await?.success()?;
    app.state.uses.finish().await;
    let shown = app.home.api.get(&tokens).await?.success()?;
    assert!(shown["result"][0]["last_used_at"].is_string(), "{shown}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn what_a_key_created_for_an_account_ends_with_the_account(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let admin = &app.home.admin;
    let path = format!("integrated-accounts/{account}/tokens");
    let token_of = async |key: &Client, body: Value| {
        let issued = key.post(&path, &body).await?.created()?;
        let client =
            app.anonymous()?.with("authorization", &bearer(text(&issued, "/result/token")?))?;
        anyhow::Ok((issued, client))
    };
    let body = json!({"name": "Lasting", "scopes": ["read"]});
    let (lasting, lasting_key) = create_key(&app, admin, &body).await?;
    let body = json!({"name": "Short", "scopes": ["read"], "expires_in_s": 60});
    let (_, short_key) = create_key(&app, admin, &body).await?;

    let (forever, by_lasting) = token_of(&lasting_key, json!({"expires_in_s": null})).await?;
    assert_eq!(forever.pointer("/result/expires_at"), Some(&Value::Null));
    for body in [json!({"expires_in_s": null}), json!({"expires_in_s": 3600}), json!({})] {
        let (reported, _) = token_of(&short_key, body).await?;
        let end = time::OffsetDateTime::parse(
            text(&reported, "/result/expires_at")?,
            &time::format_description::well_known::Rfc3339,
        )?;
        let left = end - switchboard::domain::clock::Clock::now(&app.clock);
        assert!(left <= time::Duration::minutes(1), "{reported}");
    }
    let (_, by_short) = token_of(&short_key, json!({"expires_in_s": null})).await?;
    for client in [&by_lasting, &by_short] {
        client.get("users?limit=1").await?.success()?;
    }
    app.clock.advance(time::Duration::minutes(1));
    by_short.get("users?limit=1").await?.problem(401, "unauthorized");
    by_lasting.get("users?limit=1").await?.success()?;
    // Another secret of the same key makes no difference, revoking the key does.
    admin.post(&format!("api-keys/{lasting}/rotate"), &json!({"overlap_s": 0})).await?.success()?;
    by_lasting.get("users?limit=1").await?.success()?;
    admin.delete(&format!("api-keys/{lasting}")).await?.success()?;
    by_lasting.get("users?limit=1").await?.problem(401, "unauthorized");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn what_a_key_creates_expires_no_later_than_the_key(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let admin = &app.home.admin;
    let body =
        json!({"name": "Contractor", "scopes": ["read", "write", "admin"], "expires_in_s": 3600});
    let (id, bound) = create_key(&app, admin, &body).await?;
    let shown = admin.get(&format!("api-keys/{id}")).await?.success()?;
    let end = text(&shown, "/result/expires_at")?.to_owned();

    let longer = json!({"name": "x", "scopes": ["read"], "expires_in_s": 3601});
    let rejected = bound.post("api-keys", &longer).await?;
    rejected.problem(422, "invalid_body");
    assert_eq!(rejected.pointers(), ["/expires_in_s"]);
    for body in [
        json!({"name": "x", "scopes": ["admin"]}),
        json!({"name": "x", "scopes": ["read"], "expires_in_s": 3600}),
    ] {
        let key = bound.post("api-keys", &body).await?.created()?;
        assert_eq!(text(&key, "/result/expires_at")?, end, "{body}");
    }
    let (unending, _) = create_key(&app, admin, &json!({"name": "x", "scopes": ["read"]})).await?;
    let rotated = bound.post(&format!("api-keys/{unending}/rotate"), &json!({})).await?;
    rotated.problem(422, "invalid_body");
    bound.post(&format!("api-keys/{id}/rotate"), &json!({})).await?.success()?;

    let tokens = format!("integrated-accounts/{account}/tokens");
    for body in [json!({"expires_in_s": null}), json!({"expires_in_s": 86_400})] {
        let token = bound.post(&tokens, &body).await?.created()?;
        assert_eq!(text(&token, "/result/expires_at")?, end, "{body}");
    }
    let link = bound.post("link-tokens", &json!({"tenant_id": "globex"})).await?.created()?;
    assert_eq!(text(&link, "/result/expires_at")?, end);
    let environment = bound.post("environments", &json!({"name": "theirs"})).await?.created()?;
    let first = bearer(text(&environment, "/result/key")?);
    let first = app.anonymous()?.with("authorization", &first)?;
    first.get("api-keys").await?.success()?;
    app.clock.advance(time::Duration::hours(1));
    first.get("api-keys").await?.problem(401, "unauthorized");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn what_a_key_created_is_listed_and_revoked_with_it(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let admin = &app.home.admin;
    let body = json!({"name": "Stolen", "scopes": ["read", "write", "admin"]});
    let (id, stolen) = create_key(&app, admin, &body).await?;
    let view = format!("api-keys/{id}");
    let tokens = format!("integrated-accounts/{account}/tokens");
    let token = stolen.post(&tokens, &json!({"expires_in_s": null})).await?.created()?;
    let holder = app.anonymous()?.with("authorization", &bearer(text(&token, "/result/token")?))?;
    let mut links = Vec::new();
    for tenant in ["one", "two"] {
        // Ids sort by time.
        app.clock.advance(time::Duration::seconds(1));
        links.push(stolen.post("link-tokens", &json!({"tenant_id": tenant})).await?.created()?);
    }
    let planted = json!({"name": "Planted", "scopes": ["read"]});
    let (other, by_other) = create_key(&app, &stolen, &planted).await?;
    let shown = admin.get(&view).await?.success()?;
    let expected = json!({
        "api_keys": [other],
        "account_tokens": [{"id": token["result"]["id"], "integrated_account_id": account}],
        "link_tokens": [links[1]["result"]["id"], links[0]["result"]["id"]],
        "environments": [],
    });
    assert_eq!(shown["result"]["made"], expected);

    // One link is revoked separately.
    let path = format!("link-tokens/{}", text(&links[0], "/result/id")?);
    let removed = admin.delete(&path).await?.success()?;
    assert_eq!(admin.delete(&path).await?.success()?, removed, "a repetition returns the same");
    let page = app.anonymous()?.get(text(&links[0], "/result/link_url")?).await?;
    assert_eq!(page.status, 410, "{}", page.text);
    app.tenant("other").await?.admin.delete(&path).await?.problem(404, "not_found");
    let listed = admin.get("link-tokens?limit=1").await?.success()?;
    let cursor = listed["next_cursor"].as_str().context("no cursor")?;
    let rest = admin.get(&format!("link-tokens?limit=5&next_cursor={cursor}")).await?.success()?;
    assert_eq!(rest["result"].as_array().map(Vec::len), Some(2), "{rest}");
    assert_eq!(rest["result"][0]["revoked_at"], removed["result"]["revoked_at"]);
    assert_eq!(rest["result"][1]["made_by"], id.as_str());

    // A rotation revokes what the key created on request.
    holder.get("me").await?.success()?;
    let stored = json!({"overlap_s": 60});
    let rotated = admin.post(&format!("{view}/rotate"), &stored).await?.success()?;
    holder.get("me").await?.success()?;
    let stolen = app.anonymous()?.with("authorization", &bearer(text(&rotated, "/result/key")?))?;
    let link = text(&links[1], "/result/link_url")?;
    assert_eq!(app.anonymous()?.get(link).await?.status, 200);
    admin
        .post(&format!("{view}/rotate"), &json!({"overlap_s": 0, "end_made": true}))
        .await?
        .success()?;
    holder.get("me").await?.problem(401, "unauthorized");
    by_other.get("integrated-accounts").await?.problem(401, "unauthorized");
    assert_eq!(app.anonymous()?.get(link).await?.status, 410);
    stolen.get("me").await?.problem(401, "unauthorized");
    let shown = admin.get(&view).await?.success()?;
    let left = json!({"api_keys": [], "account_tokens": [], "link_tokens": [], "environments": []});
    assert_eq!(shown["result"]["made"], left);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn link_tokens_are_revoked_with_the_key_that_created_them(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let admin = &app.home.admin;
    let (id, maker) =
        create_key(&app, admin, &json!({"name": "x", "scopes": ["read", "write"]})).await?;
    let link = maker.post("link-tokens", &json!({"tenant_id": "acme"})).await?.created()?;
    let url = url::Url::parse(text(&link, "/result/link_url")?)?;
    let mut browser = Browser::new()?;
    let consent = browser.start_consent(&url).await?;
    let back = browser.submit_consent(&consent, "decision=approve&install=org").await?;
    admin.delete(&format!("api-keys/{id}")).await?.success()?;
    assert_eq!(browser.get(&back).await?.status, 400);
    assert_eq!(browser.get(&url).await?.status, 410);
    let accounts = admin.get("integrated-accounts").await?.success()?;
    assert_eq!(accounts["result_count"], 0);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn all_generations_created_by_a_stolen_key_are_revoked_with_it(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let admin = &app.home.admin;
    let all = json!({"name": "k", "scopes": ["read", "write", "admin"]});
    let (stolen, thief) = create_key(&app, admin, &all).await?;
    let (child, by_child) = create_key(&app, &thief, &all).await?;
    let (_, grandchild) = create_key(&app, &by_child, &all).await?;
    let shown = admin.get(&format!("api-keys/{child}")).await?.success()?;
    assert_eq!(shown["result"]["made_by"], stolen.as_str());
    let environment = grandchild.post("environments", &json!({"name": "x"})).await?.created()?;
    let there = bearer(text(&environment, "/result/key")?);
    let there = app.anonymous()?.with("authorization", &there)?;
    let (_, deeper) = create_key(&app, &there, &all).await?;
    let known = deeper.get("environments").await?.success()?;
    assert!(known["result"][0]["made_by"].is_string(), "{known}");
    let tokens = format!("integrated-accounts/{account}/tokens");
    let token = grandchild.post(&tokens, &json!({"expires_in_s": null})).await?.created()?;
    let token = app.anonymous()?.with("authorization", &bearer(text(&token, "/result/token")?))?;
    let (_, bystander) = create_key(&app, admin, &all).await?;

    // Revoking it alone leaves what it created in place; then that is revoked too.
    admin.delete(&format!("api-keys/{stolen}")).await?.success()?;
    thief.get("me").await?.problem(401, "unauthorized");
    by_child.get("integrated-accounts").await?.success()?;
    // A missing key in between does not protect its descendants.
    admin.delete(&format!("api-keys/{child}")).await?.success()?;
    token.get("me").await?.success()?;
    admin.delete(&format!("api-keys/{stolen}?end_made=true")).await?.success()?;
    for client in [&by_child, &grandchild, &there, &deeper, &token] {
        client.get("integrated-accounts").await?.problem(401, "unauthorized");
    }
    bystander.get("integrated-accounts").await?.success()?;
    let shown = admin.get(&format!("api-keys/{stolen}")).await?.success()?;
    assert_eq!(shown["result"]["made"]["api_keys"], json!([]));
    let query = format!("api-keys/{stolen}?end_made=perhaps");
    admin.delete(&query).await?.problem(400, "invalid_query");

    // The new secret revokes what the previous one created.
    let (leaked, by_leaked) = create_key(&app, admin, &all).await?;
    let (_, planted) = create_key(&app, &by_leaked, &all).await?;
    let issued = by_leaked.post("environments", &json!({"name": "y"})).await?.created()?;
    let shown = admin.get(&format!("api-keys/{leaked}")).await?.success()?;
    assert_eq!(shown["result"]["made"]["environments"], json!([issued["result"]["id"]]));
    let elsewhere = bearer(text(&issued, "/result/key")?);
    let elsewhere = app.anonymous()?.with("authorization", &elsewhere)?;
    elsewhere.get("environments").await?.problem(403, "insufficient_scope");
    let rotation = json!({"overlap_s": 0, "end_made": true});
    admin.post(&format!("api-keys/{leaked}/rotate"), &rotation).await?.success()?;
    for client in [&planted, &elsewhere] {
        client.get("environments").await?.problem(401, "unauthorized");
    }
    Ok(())
}
