//! `/api-keys`: keys are made, bound, rotated without a gap, revoked; and when each was last used.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{Browser, Client, TestApp, bearer};

fn text<'v>(body: &'v Value, pointer: &str) -> anyhow::Result<&'v str> {
    body.pointer(pointer).and_then(Value::as_str).with_context(|| format!("no {pointer} in {body}"))
}

/// A key of this wish: its id, and a client with it.
async fn made(app: &TestApp, by: &Client, wish: &Value) -> anyhow::Result<(String, Client)> {
    let made = by.post("api-keys", wish).await?.created()?;
    let client = app.nobody()?.with("authorization", &bearer(text(&made, "/result/key")?))?;
    Ok((text(&made, "/result/id")?.to_owned(), client))
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_key_is_made_with_what_it_may_and_shown_once(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let admin = &app.home.admin;
    let wish = json!({"name": "Payroll", "scopes": ["read", "read"], "expires_in_s": 3600});
    let (id, key) = made(&app, admin, &wish).await?;
    key.get("integrated-accounts").await?.okay()?;
    key.get("api-keys").await?.problem(403, "insufficient_scope");
    let shown = admin.get(&format!("api-keys/{id}")).await?;
    assert!(!shown.text.contains("sb_live_"), "{}", shown.text);
    let shown = shown.okay()?;
    assert_eq!(shown["result"]["name"], "Payroll");
    assert_eq!(shown["result"]["scopes"], json!(["read"]));
    app.clock.advance(time::Duration::hours(1));
    key.get("integrated-accounts").await?.problem(401, "unauthorized");

    for (wish, pointer) in [
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
        let answer = admin.post("api-keys", &wish).await?;
        answer.problem(422, "invalid_body");
        assert_eq!(answer.pointers(), [pointer], "{wish}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_old_secret_lives_until_its_overlap_is_over(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let admin = &app.home.admin;
    let wish = json!({"name": "k", "scopes": ["read"]});
    let (id, first) = made(&app, admin, &wish).await?;
    first.get("integrated-accounts").await?.okay()?;
    let rotate = format!("api-keys/{id}/rotate");
    let rotated = admin.post(&rotate, &json!({"overlap_s": 60})).await?.okay()?;
    assert_eq!(text(&rotated, "/result/id")?, id);
    let second = app.nobody()?.with("authorization", &bearer(text(&rotated, "/result/key")?))?;
    for client in [&first, &second] {
        client.get("integrated-accounts").await?.okay()?;
    }
    app.clock.advance(time::Duration::seconds(60));
    first.get("integrated-accounts").await?.problem(401, "unauthorized");
    second.get("integrated-accounts").await?.okay()?;

    // Two rotations in a row: the oldest secret ends at once. None: so does the one before.
    let rotated = admin.post(&rotate, &json!({"overlap_s": 600})).await?.okay()?;
    let third = app.nobody()?.with("authorization", &bearer(text(&rotated, "/result/key")?))?;
    second.get("integrated-accounts").await?.okay()?;
    let rotated = admin.post(&rotate, &json!({"overlap_s": 0})).await?.okay()?;
    let fourth = app.nobody()?.with("authorization", &bearer(text(&rotated, "/result/key")?))?;
    for over in [&second, &third] {
        over.get("integrated-accounts").await?.problem(401, "unauthorized");
    }
    fourth.get("integrated-accounts").await?.okay()?;

    let rotated = admin.post(&rotate, &json!({})).await?.okay()?;
    let fifth = app.nobody()?.with("authorization", &bearer(text(&rotated, "/result/key")?))?;
    admin.delete(&format!("api-keys/{id}")).await?.okay()?;
    for over in [&fourth, &fifth] {
        over.get("integrated-accounts").await?.problem(401, "unauthorized");
    }
    admin.post(&rotate, &json!({})).await?.problem(404, "not_found");
    admin.delete(&format!("api-keys/{id}")).await?.okay()?;
    admin.post(&rotate, &json!({"overlap_s": 2_592_001})).await?.problem(422, "invalid_body");
    let told = admin.get("audit-log?kind=change").await?.text;
    for action in ["api_key.created", "api_key.rotated", "api_key.revoked"] {
        assert!(told.contains(action), "{action}: {told}");
    }
    assert!(!told.contains("sb_live_"), "{told}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn another_gateway_hears_of_a_rotation(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let (id, key) = made(&app, &app.home.admin, &json!({"name": "k", "scopes": ["read"]})).await?;
    let there = key.clone().at(app.beside(&app.config).await?.0);
    there.get("integrated-accounts").await?.okay()?;
    let rotate = format!("api-keys/{id}/rotate");
    app.home.admin.post(&rotate, &json!({"overlap_s": 0})).await?.okay()?;
    let began = Instant::now();
    while there.get("integrated-accounts").await?.status != 401 {
        anyhow::ensure!(began.elapsed() < Duration::from_secs(1), "the old secret lives on");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_key_works_from_its_addresses_alone(pool: PgPool) -> anyhow::Result<()> {
    let proxies = "127.0.0.0/8";
    let setup = |setup: &mut crate::support::Setup| {
        proxies.clone_into(&mut setup.config.server.trusted_proxies);
    };
    let app = TestApp::with(pool, setup).await?;
    let account = app.link("acme").await?;
    let admin = &app.home.admin;
    let scopes = json!(["read", "write", "proxy", "admin"]);
    let wish = json!({"name": "far", "scopes": scopes, "allowed_addresses": ["203.0.113.0/24"]});
    let (id, far) = made(&app, admin, &wish).await?;
    let from = |client: &Client, address: &str| client.clone().with("x-forwarded-for", address);
    for path in ["integrated-accounts", "integrated-account", "proxy/api/auth.test"] {
        let far = far.clone().with("x-integrated-account-id", &account)?;
        let refused = far.get(path).await?;
        assert_eq!(refused.status, 403, "{path}: {}", refused.text);
        let refused = from(&far, "203.0.113.7, 198.51.100.1")?.get(path).await?;
        assert_eq!(refused.status, 403, "{path}: {}", refused.text);
        from(&far, "198.51.100.1, 203.0.113.7")?.get(path).await?.okay()?;
    }
    let refused = from(&far, "198.51.100.1")?.get("integrated-accounts").await?;
    let problem = refused.problem(403, "address_not_allowed");
    assert!(text(problem, "/detail")?.contains("198.51.100.1"), "{problem}");
    // The operations of a batch come from where it comes from.
    let here = from(&far, "203.0.113.7")?.with("x-integrated-account-id", &account)?;
    let batch = json!({"operations": [{"method": "GET", "path": "/roles"}]});
    assert_eq!(here.post("batch", &batch).await?.okay()?["succeeded"], 1);

    // What it makes is no wider: tokens, keys, and the secrets of other keys.
    let tokens = format!("integrated-accounts/{account}/tokens");
    let token = here.post(&tokens, &json!({})).await?.created()?;
    let token = app.nobody()?.with("authorization", &bearer(text(&token, "/result/token")?))?;
    token.get("proxy/api/auth.test").await?.refused(403, "address_not_allowed");
    from(&token, "203.0.113.7")?.get("proxy/api/auth.test").await?.okay()?;
    let (_, child) = made(&app, &here, &json!({"name": "c", "scopes": ["read"]})).await?;
    child.get("integrated-accounts").await?.problem(403, "address_not_allowed");
    let wide = json!({"name": "c", "scopes": ["read"], "allowed_addresses": ["0.0.0.0/0"]});
    here.post("api-keys", &wide).await?.problem(403, "address_not_allowed");
    let (free, _) = made(&app, admin, &json!({"name": "free", "scopes": ["admin"]})).await?;
    let steal = format!("api-keys/{free}/rotate");
    here.post(&steal, &json!({})).await?.problem(403, "address_not_allowed");
    here.post(&format!("api-keys/{id}/rotate"), &json!({})).await?.okay()?;
    here.post("environments", &json!({"name": "new"})).await?.problem(403, "insufficient_scope");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn without_a_trusted_proxy_nobody_is_believed(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let wish =
        |address: &str| json!({"name": "k", "scopes": ["read"], "allowed_addresses": [address]});
    let (_, far) = made(&app, &app.home.admin, &wish("203.0.113.7")).await?;
    let far = far.with("x-forwarded-for", "203.0.113.7")?.with("forwarded", "for=203.0.113.7")?;
    far.get("integrated-accounts").await?.problem(403, "address_not_allowed");
    let (_, near) = made(&app, &app.home.admin, &wish("127.0.0.1")).await?;
    near.get("integrated-accounts").await?.okay()?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_last_use_is_told_to_the_minute(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let admin = &app.home.admin;
    let (id, key) = made(&app, admin, &json!({"name": "k", "scopes": ["read"]})).await?;
    let path = format!("api-keys/{id}");
    assert_eq!(admin.get(&path).await?.okay()?["result"]["last_used_at"], Value::Null);
    let used = async |client: &Client| -> anyhow::Result<String> {
        client.get("integrated-accounts").await?.okay()?;
        app.state.uses.finish().await;
        let shown = admin.get(&path).await?.okay()?;
        Ok(text(&shown, "/result/last_used_at")?.to_owned())
    };
    let first = used(&key).await?;
    app.clock.advance(time::Duration::seconds(30));
    assert_eq!(used(&key).await?, first);
    app.clock.advance(time::Duration::seconds(30));
    assert!(used(&key).await? > first);
    // Nobody was made to forget the key by it.
    let changes: i64 = sqlx::query_scalar(
        "select count(*) from pg_trigger where tgrelid = 'key_uses'::regclass and not tgisinternal",
    )
    .fetch_one(&app.pool)
    .await?;
    assert_eq!(changes, 0);
    let account = app.link("acme").await?;
    let tokens = format!("integrated-accounts/{account}/tokens");
    let token = app.home.api.post(&tokens, &json!({})).await?.created()?;
    let client = app.nobody()?.with("authorization", &bearer(text(&token, "/result/token")?))?;
    client.get("proxy/api/auth.test").await?.okay()?;
    app.state.uses.finish().await;
    let shown = app.home.api.get(&tokens).await?.okay()?;
    assert!(shown["result"][0]["last_used_at"].is_string(), "{shown}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn what_a_key_made_for_an_account_ends_with_it(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let admin = &app.home.admin;
    let path = format!("integrated-accounts/{account}/tokens");
    let token_of = async |key: &Client, wish: Value| {
        let made = key.post(&path, &wish).await?.created()?;
        let client = app.nobody()?.with("authorization", &bearer(text(&made, "/result/token")?))?;
        anyhow::Ok((made, client))
    };
    let wish = json!({"name": "Lasting", "scopes": ["read"]});
    let (lasting, lasting_key) = made(&app, admin, &wish).await?;
    let wish = json!({"name": "Short", "scopes": ["read"], "expires_in_s": 60});
    let (_, short_key) = made(&app, admin, &wish).await?;

    let (forever, by_lasting) = token_of(&lasting_key, json!({"expires_in_s": null})).await?;
    assert_eq!(forever.pointer("/result/expires_at"), Some(&Value::Null));
    for wish in [json!({"expires_in_s": null}), json!({"expires_in_s": 3600}), json!({})] {
        let (told, _) = token_of(&short_key, wish).await?;
        let end = time::OffsetDateTime::parse(
            text(&told, "/result/expires_at")?,
            &time::format_description::well_known::Rfc3339,
        )?;
        let left = end - switchboard::domain::clock::Clock::now(&app.clock);
        assert!(left <= time::Duration::minutes(1), "{told}");
    }
    let (_, by_short) = token_of(&short_key, json!({"expires_in_s": null})).await?;
    for client in [&by_lasting, &by_short] {
        client.get("users?limit=1").await?.okay()?;
    }
    app.clock.advance(time::Duration::minutes(1));
    by_short.get("users?limit=1").await?.problem(401, "unauthorized");
    by_lasting.get("users?limit=1").await?.okay()?;
    // Another secret of the same key changes nothing, its end does.
    admin.post(&format!("api-keys/{lasting}/rotate"), &json!({"overlap_s": 0})).await?.okay()?;
    by_lasting.get("users?limit=1").await?.okay()?;
    admin.delete(&format!("api-keys/{lasting}")).await?.okay()?;
    by_lasting.get("users?limit=1").await?.problem(401, "unauthorized");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn what_a_key_makes_ends_no_later_than_the_key(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let admin = &app.home.admin;
    let wish =
        json!({"name": "Contractor", "scopes": ["read", "write", "admin"], "expires_in_s": 3600});
    let (id, bound) = made(&app, admin, &wish).await?;
    let shown = admin.get(&format!("api-keys/{id}")).await?.okay()?;
    let end = text(&shown, "/result/expires_at")?.to_owned();

    let longer = json!({"name": "x", "scopes": ["read"], "expires_in_s": 3601});
    let refused = bound.post("api-keys", &longer).await?;
    refused.problem(422, "invalid_body");
    assert_eq!(refused.pointers(), ["/expires_in_s"]);
    for wish in [
        json!({"name": "x", "scopes": ["admin"]}),
        json!({"name": "x", "scopes": ["read"], "expires_in_s": 3600}),
    ] {
        let key = bound.post("api-keys", &wish).await?.created()?;
        assert_eq!(text(&key, "/result/expires_at")?, end, "{wish}");
    }
    let (unending, _) = made(&app, admin, &json!({"name": "x", "scopes": ["read"]})).await?;
    let rotated = bound.post(&format!("api-keys/{unending}/rotate"), &json!({})).await?;
    rotated.problem(422, "invalid_body");
    bound.post(&format!("api-keys/{id}/rotate"), &json!({})).await?.okay()?;

    let tokens = format!("integrated-accounts/{account}/tokens");
    for wish in [json!({"expires_in_s": null}), json!({"expires_in_s": 86_400})] {
        let token = bound.post(&tokens, &wish).await?.created()?;
        assert_eq!(text(&token, "/result/expires_at")?, end, "{wish}");
    }
    let link = bound.post("link-tokens", &json!({"tenant_id": "globex"})).await?.created()?;
    assert_eq!(text(&link, "/result/expires_at")?, end);
    let environment = bound.post("environments", &json!({"name": "theirs"})).await?.created()?;
    let first = bearer(text(&environment, "/result/key")?);
    let first = app.nobody()?.with("authorization", &first)?;
    first.get("api-keys").await?.okay()?;
    app.clock.advance(time::Duration::hours(1));
    first.get("api-keys").await?.problem(401, "unauthorized");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn what_a_key_made_is_listed_and_ends_with_it(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let admin = &app.home.admin;
    let wish = json!({"name": "Stolen", "scopes": ["read", "write", "admin"]});
    let (id, stolen) = made(&app, admin, &wish).await?;
    let view = format!("api-keys/{id}");
    let tokens = format!("integrated-accounts/{account}/tokens");
    let token = stolen.post(&tokens, &json!({"expires_in_s": null})).await?.created()?;
    let holder = app.nobody()?.with("authorization", &bearer(text(&token, "/result/token")?))?;
    let mut links = Vec::new();
    for tenant in ["one", "two"] {
        // Ids sort by their time.
        app.clock.advance(time::Duration::seconds(1));
        links.push(stolen.post("link-tokens", &json!({"tenant_id": tenant})).await?.created()?);
    }
    let planted = json!({"name": "Planted", "scopes": ["read"]});
    let (other, by_other) = made(&app, &stolen, &planted).await?;
    let shown = admin.get(&view).await?.okay()?;
    let expected = json!({
        "api_keys": [other],
        "account_tokens": [{"id": token["result"]["id"], "integrated_account_id": account}],
        "link_tokens": [links[1]["result"]["id"], links[0]["result"]["id"]],
        "environments": [],
    });
    assert_eq!(shown["result"]["made"], expected);

    // One link is revoked on its own.
    let path = format!("link-tokens/{}", text(&links[0], "/result/id")?);
    let gone = admin.delete(&path).await?.okay()?;
    assert_eq!(admin.delete(&path).await?.okay()?, gone, "again says the same");
    let page = app.nobody()?.get(text(&links[0], "/result/link_url")?).await?;
    assert_eq!(page.status, 410, "{}", page.text);
    app.tenant("other").await?.admin.delete(&path).await?.problem(404, "not_found");
    let listed = admin.get("link-tokens?limit=1").await?.okay()?;
    let cursor = listed["next_cursor"].as_str().context("no cursor")?;
    let rest = admin.get(&format!("link-tokens?limit=5&next_cursor={cursor}")).await?.okay()?;
    assert_eq!(rest["result"].as_array().map(Vec::len), Some(2), "{rest}");
    assert_eq!(rest["result"][0]["revoked_at"], gone["result"]["revoked_at"]);
    assert_eq!(rest["result"][1]["made_by"], id.as_str());

    // A rotation ends what was made with the key when it is asked to.
    holder.get("me").await?.okay()?;
    let kept = json!({"overlap_s": 60});
    let rotated = admin.post(&format!("{view}/rotate"), &kept).await?.okay()?;
    holder.get("me").await?.okay()?;
    let stolen = app.nobody()?.with("authorization", &bearer(text(&rotated, "/result/key")?))?;
    let link = text(&links[1], "/result/link_url")?;
    assert_eq!(app.nobody()?.get(link).await?.status, 200);
    admin
        .post(&format!("{view}/rotate"), &json!({"overlap_s": 0, "end_made": true}))
        .await?
        .okay()?;
    holder.get("me").await?.problem(401, "unauthorized");
    by_other.get("integrated-accounts").await?.problem(401, "unauthorized");
    assert_eq!(app.nobody()?.get(link).await?.status, 410);
    stolen.get("me").await?.problem(401, "unauthorized");
    let shown = admin.get(&view).await?.okay()?;
    let left = json!({"api_keys": [], "account_tokens": [], "link_tokens": [], "environments": []});
    assert_eq!(shown["result"]["made"], left);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn links_end_with_the_key_that_made_them(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let admin = &app.home.admin;
    let (id, maker) = made(&app, admin, &json!({"name": "x", "scopes": ["read", "write"]})).await?;
    let link = maker.post("link-tokens", &json!({"tenant_id": "acme"})).await?.created()?;
    let url = url::Url::parse(text(&link, "/result/link_url")?)?;
    let mut browser = Browser::new()?;
    let consent = browser.leave(&url).await?;
    let back = browser.decide(&consent, "decision=approve&install=org").await?;
    admin.delete(&format!("api-keys/{id}")).await?.okay()?;
    assert_eq!(browser.get(&back).await?.status, 400);
    assert_eq!(browser.get(&url).await?.status, 410);
    let accounts = admin.get("integrated-accounts").await?.okay()?;
    assert_eq!(accounts["result_count"], 0);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn all_generations_that_a_stolen_key_made_end_with_it(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let admin = &app.home.admin;
    let all = json!({"name": "k", "scopes": ["read", "write", "admin"]});
    let (stolen, thief) = made(&app, admin, &all).await?;
    let (child, by_child) = made(&app, &thief, &all).await?;
    let (_, grandchild) = made(&app, &by_child, &all).await?;
    let shown = admin.get(&format!("api-keys/{child}")).await?.okay()?;
    assert_eq!(shown["result"]["made_by"], stolen.as_str());
    let environment = grandchild.post("environments", &json!({"name": "x"})).await?.created()?;
    let there = bearer(text(&environment, "/result/key")?);
    let there = app.nobody()?.with("authorization", &there)?;
    let (_, deeper) = made(&app, &there, &all).await?;
    let known = deeper.get("environments").await?.okay()?;
    assert!(known["result"][0]["made_by"].is_string(), "{known}");
    let tokens = format!("integrated-accounts/{account}/tokens");
    let token = grandchild.post(&tokens, &json!({"expires_in_s": null})).await?.created()?;
    let token = app.nobody()?.with("authorization", &bearer(text(&token, "/result/token")?))?;
    let (_, bystander) = made(&app, admin, &all).await?;

    // Its end alone leaves what it made in place; then that ends too.
    admin.delete(&format!("api-keys/{stolen}")).await?.okay()?;
    thief.get("me").await?.problem(401, "unauthorized");
    by_child.get("integrated-accounts").await?.okay()?;
    // One in between that is gone does not save those behind it.
    admin.delete(&format!("api-keys/{child}")).await?.okay()?;
    token.get("me").await?.okay()?;
    admin.delete(&format!("api-keys/{stolen}?end_made=true")).await?.okay()?;
    for client in [&by_child, &grandchild, &there, &deeper, &token] {
        client.get("integrated-accounts").await?.problem(401, "unauthorized");
    }
    bystander.get("integrated-accounts").await?.okay()?;
    let shown = admin.get(&format!("api-keys/{stolen}")).await?.okay()?;
    assert_eq!(shown["result"]["made"]["api_keys"], json!([]));
    let query = format!("api-keys/{stolen}?end_made=perhaps");
    admin.delete(&query).await?.problem(400, "invalid_query");

    // Another secret ends what the one before made.
    let (leaked, by_leaked) = made(&app, admin, &all).await?;
    let (_, planted) = made(&app, &by_leaked, &all).await?;
    let made = by_leaked.post("environments", &json!({"name": "y"})).await?.created()?;
    let shown = admin.get(&format!("api-keys/{leaked}")).await?.okay()?;
    assert_eq!(shown["result"]["made"]["environments"], json!([made["result"]["id"]]));
    let elsewhere = bearer(text(&made, "/result/key")?);
    let elsewhere = app.nobody()?.with("authorization", &elsewhere)?;
    elsewhere.get("environments").await?.problem(403, "insufficient_scope");
    let rotation = json!({"overlap_s": 0, "end_made": true});
    admin.post(&format!("api-keys/{leaked}/rotate"), &rotation).await?.okay()?;
    for client in [&planted, &elsewhere] {
        client.get("environments").await?.problem(401, "unauthorized");
    }
    Ok(())
}
