//! `/webhooks`: created, listed, changed and deleted; their secrets are returned once; invalid settings are rejected.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::domain::access::Scope;
use switchboard::domain::ids::WebhookId;
use switchboard::domain::webhook::SECRET_OVERLAP;
use switchboard::vault::IssuedSecret;
use switchboard::vault::secret::WebhookSecret;
use time::Duration;
use time::format_description::well_known::Rfc3339;

use super::{create, path_of, text};
use crate::support::{ClosedPort, TestApp, bearer};

const URL: &str = "https://hooks.example.com/switchboard";

/// Returns the webhook of a response without its secret.
fn without_secret(webhook: &Value) -> Value {
    let mut webhook = webhook.clone();
    if let Some(fields) = webhook.as_object_mut() {
        fields.remove("secret");
    }
    webhook
}

/// Returns the plain secrets of a webhook: the current one and the previous one.
async fn secrets(app: &TestApp, id: &str) -> anyhow::Result<(String, Option<String>)> {
    let (db, id) = (app.state.store.tenant(app.home.environment_id), id.parse::<WebhookId>()?);
    let mut lock = db.lock_webhook(id).await?.ok_or_else(|| anyhow::anyhow!("no webhook"))?;
    let sealed = lock.secrets().await?;
    let opened = app.state.vault.open_webhook_secrets(app.home.environment_id, id, &sealed)?;
    let plain = |secret: &WebhookSecret| IssuedSecret::from(secret).reveal().to_owned();
    Ok((plain(&opened.0), opened.1.as_ref().map(plain)))
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_webhook_is_created_changed_and_deleted(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let (admin, account) = (&app.home.admin, app.link("acme").await?);
    let webhook = create(&app, &json!({ "url": URL })).await?;
    let path = path_of(&webhook)?;
    assert!(path.starts_with("webhooks/whk_"), "{path}");
    for (field, expected) in [
        ("url", json!(URL)),
        ("event_types", json!(["*"])),
        ("integrated_account_id", json!(null)),
        ("description", json!("")),
        ("is_active", json!(true)),
        ("disabled_at", json!(null)),
        ("disabled_reason", json!(null)),
        ("failing_since", json!(null)),
        ("previous_secret_until", json!(null)),
    ] {
        assert_eq!(webhook[field], expected, "{field}: {webhook}");
    }
    assert_eq!(admin.get(&path).await?.success()?["result"], without_secret(&webhook));
    let list = admin.get("webhooks").await?.success()?;
    assert_eq!(list["result"], json!([without_secret(&webhook)]));

    app.clock.advance(Duration::seconds(1));
    let change = json!({"url": "https://other.example.com", "event_types": ["user.*", "sync.held", "user.*"],
        "integrated_account_id": account, "description": "Provisioning", "is_active": false});
    let changed = admin.patch(&path, &change).await?.success()?["result"].clone();
    for (field, expected) in [
        ("id", webhook["id"].clone()),
        ("url", json!("https://other.example.com/")),
        ("event_types", json!(["user.*", "sync.held"])),
        ("integrated_account_id", json!(account)),
        ("description", json!("Provisioning")),
        ("is_active", json!(false)),
        ("created_at", webhook["created_at"].clone()),
    ] {
        assert_eq!(changed[field], expected, "{field}: {changed}");
    }
    assert_ne!(changed["updated_at"], webhook["updated_at"]);
    app.clock.advance(Duration::seconds(1));
    let same = admin.patch(&path, &json!({})).await?.success()?;
    assert_eq!(same["result"]["url"], changed["url"]);
    app.clock.advance(Duration::seconds(1));
    let cleared = json!({"integrated_account_id": null, "is_active": true});
    let cleared = admin.patch(&path, &cleared).await?.success()?;
    assert_eq!(cleared["result"]["integrated_account_id"], json!(null));
    assert_eq!(cleared["result"]["event_types"], changed["event_types"]);
    assert_eq!(admin.get(&path).await?.success()?, cleared);

    app.clock.advance(Duration::seconds(1));
    assert_eq!(admin.delete(&path).await?.success()?, cleared);
    assert_eq!(admin.get("webhooks").await?.success()?["result_count"], 0);
    let log = admin.get("audit-log?kind=change&limit=20").await?.success()?;
    let rows = log["result"].as_array().cloned().unwrap_or_default();
    let about = rows.iter().filter(|row| row["subject"] == webhook["id"]);
    let actions: Vec<&str> = about.filter_map(|row| row["action"].as_str()).collect();
    let changed = "webhook.changed";
    assert_eq!(actions, ["webhook.deleted", changed, changed, changed, "webhook.created"]);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn webhooks_are_listed_in_pages_oldest_first(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let mut created = Vec::new();
    for _ in 0..3 {
        created.push(without_secret(&create(&app, &json!({ "url": URL })).await?));
        app.clock.advance(Duration::seconds(1));
    }
    assert_eq!(app.home.admin.all("webhooks?limit=2").await?, (created, 2));
    let page = app.home.admin.get("webhooks?limit=1").await?.success()?;
    let cursor = text(&page, "next_cursor")?;
    let other = app.home.admin.get(&format!("events?next_cursor={cursor}")).await?;
    other.problem(400, "invalid_cursor");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_secret_is_returned_once_and_stored_encrypted(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let admin = &app.home.admin;
    let keyed = admin.clone().with("idempotency-key", "once")?;
    let webhook = keyed.post("webhooks", &json!({ "url": URL })).await?.created()?;
    let webhook = webhook["result"].clone();
    let (path, secret) = (path_of(&webhook)?, text(&webhook, "secret")?);
    let key = secret.strip_prefix("whsec_").unwrap_or_default();
    assert_eq!(STANDARD.decode(key)?.len(), 32);
    assert_eq!(secrets(&app, text(&webhook, "id")?).await?, (secret.to_owned(), None));

    let again = keyed.post("webhooks", &json!({ "url": URL })).await?;
    assert_eq!(again.status, 409, "{}", again.text);
    assert_eq!(again.body["type"], "/problems/secret_shown_once");
    let responses = [
        again,
        admin.get("webhooks").await?,
        admin.get(&path).await?,
        admin.patch(&path, &json!({"description": "x"})).await?,
        admin.get("audit-log/export").await?,
        admin.get(&format!("{path}/deliveries")).await?,
        admin.delete(&path).await?,
    ];
    for response in responses {
        assert!(!response.text.contains(key), "{}", response.text);
    }
    create(&app, &json!({ "url": URL })).await?;
    let plain: i64 = sqlx::query_scalar(
        "select count(*) from webhooks w where to_jsonb(w)::text like '%whsec_%'
             or position('whsec_'::bytea in secret) > 0",
    )
    .fetch_one(&app.pool)
    .await?;
    assert_eq!(plain, 0);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_rotation_retains_the_previous_secret_for_a_day(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let admin = &app.home.admin;
    let webhook = create(&app, &json!({ "url": URL })).await?;
    let (path, id) = (path_of(&webhook)?, text(&webhook, "id")?);
    let rotate = format!("{path}/rotate-secret");
    let rotated = admin.send(Method::POST, &rotate, None).await?.success()?["result"].clone();
    let second = text(&rotated, "secret")?.to_owned();
    assert_ne!(second, webhook["secret"]);
    let first = text(&webhook, "secret")?.to_owned();
    assert_eq!(secrets(&app, id).await?, (second.clone(), Some(first)));
    let until = (app.state.clock.now() + SECRET_OVERLAP).format(&Rfc3339)?;
    assert_eq!(rotated["previous_secret_until"], until);
    let read = admin.get(&path).await?.success()?;
    assert_eq!(read["result"]["previous_secret_until"], until);

    // An older secret ends immediately.
    app.clock.advance(Duration::hours(23));
    let keyed = admin.clone().with("idempotency-key", "rotate")?;
    let rotated = keyed.send(Method::POST, &rotate, None).await?.success()?["result"].clone();
    let third = text(&rotated, "secret")?.to_owned();
    assert_eq!(secrets(&app, id).await?, (third, Some(second)));
    let again = keyed.send(Method::POST, &rotate, None).await?;
    assert_eq!(again.body["type"], "/problems/secret_shown_once", "{}", again.text);
    app.clock.advance(SECRET_OVERLAP + Duration::seconds(1));
    let read = admin.get(&path).await?.success()?;
    assert_eq!(read["result"]["previous_secret_until"], json!(null));
    let log = admin.get("audit-log?action=webhook.rotated").await?.success()?;
    assert_eq!((&log["result_count"], &log["result"][0]["subject"]), (&json!(2), &json!(id)));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_invalid_settings_with_pointers(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let admin = &app.home.admin;
    let path = path_of(&create(&app, &json!({ "url": URL })).await?)?;
    let long = format!("https://example.com/{}", "a".repeat(2_048));
    for (body, pointer) in [
        (json!({"url": ""}), "/url"),
        (json!({"url": "hooks"}), "/url"),
        (json!({"url": "http://hooks.example.com/"}), "/url"),
        (json!({"url": "ftp://hooks.example.com/"}), "/url"),
        (json!({"url": "https://user:secret@hooks.example.com/"}), "/url"),
        (json!({"url": "https://hooks.example.com/#part"}), "/url"),
        (json!({"url": "https://127.0.0.1/"}), "/url"),
        (json!({"url": "https://2130706433/"}), "/url"),
        (json!({"url": "https://10.1.2.3/"}), "/url"),
        (json!({"url": "https://169.254.169.254/latest"}), "/url"),
        (json!({"url": "https://[::1]/"}), "/url"),
        (json!({ "url": long }), "/url"),
        (json!({"url": 5}), "/url"),
        (json!({"url": URL, "event_types": []}), "/event_types"),
        (json!({"url": URL, "event_types": vec!["*"; 101]}), "/event_types"),
        (json!({"url": URL, "event_types": ["user.*", "user.lost"]}), "/event_types/1"),
        (json!({"url": URL, "event_types": ["us*"]}), "/event_types/0"),
        (json!({"url": URL, "event_types": "*"}), "/event_types"),
        (json!({"url": URL, "description": "x".repeat(1_001)}), "/description"),
        (json!({"url": URL, "integrated_account_id": "acc_1"}), "/integrated_account_id"),
        (json!({"url": URL, "is_active": "yes"}), "/is_active"),
        (json!({"url": URL, "secret": "whsec_mine"}), "/secret"),
    ] {
        for response in [admin.post("webhooks", &body).await?, admin.patch(&path, &body).await?] {
            response.problem(422, "invalid_body");
            assert_eq!(response.pointers(), [pointer], "{body}: {}", response.text);
        }
    }
    let all = json!({"url": "ftp://a/", "event_types": ["x", "*", "y"], "description": "x".repeat(1_001)});
    let response = admin.post("webhooks", &all).await?;
    let expected = ["/url", "/event_types/0", "/event_types/2", "/description"];
    assert_eq!(response.pointers(), expected, "{}", response.text);
    admin.post("webhooks", &json!({})).await?.problem(422, "invalid_body");
    assert_eq!(admin.get("webhooks").await?.success()?["result_count"], 1);
    assert_eq!(admin.get(&path).await?.success()?["result"]["url"], URL);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn private_addresses_need_a_setting(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| setup.config.webhooks.allow_private_addresses = true);
    let app = app.await?;
    for url in ["http://127.0.0.1:8080/", "https://10.0.0.1/", "http://hooks.internal/"] {
        assert_eq!(create(&app, &json!({ "url": url })).await?["url"], url);
    }
    for url in ["ftp://127.0.0.1/", "http://user@127.0.0.1/", "http://127.0.0.1/#part"] {
        let response = app.home.admin.post("webhooks", &json!({ "url": url })).await?;
        response.problem(422, "invalid_body");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_webhook_belongs_to_its_environment(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let other = app.tenant("other").await?;
    let (own, foreign) = (app.link("acme").await?, app.link_in(&other, "globex").await?);
    let webhook = create(&app, &json!({"url": URL, "integrated_account_id": own})).await?;
    let path = path_of(&webhook)?;
    for account in [foreign.as_str(), "acc_01J8ZQ5V9Y3M7T2K4N6P8R0S1T"] {
        let body = json!({"url": URL, "integrated_account_id": account});
        let responses = [
            app.home.admin.post("webhooks", &body).await?,
            app.home.admin.patch(&path, &body).await?,
        ];
        for response in responses {
            response.problem(404, "account_not_found");
            assert_eq!(response.pointers(), ["/integrated_account_id"]);
        }
    }
    assert_eq!(other.admin.get("webhooks").await?.success()?["result_count"], 0);
    let unknown = "webhooks/whk_01J8ZQ5V9Y3M7T2K4N6P8R0S1T".to_owned();
    for (admin, path) in [
        (&other.admin, &path),
        (&app.home.admin, &unknown),
        (&app.home.admin, &"webhooks/x".to_owned()),
    ] {
        let replay = json!({"from": app.state.clock.now().format(&Rfc3339)?});
        for response in [
            admin.get(path).await?,
            admin.patch(path, &json!({"is_active": false})).await?,
            admin.delete(path).await?,
            admin.send(Method::POST, &format!("{path}/rotate-secret"), None).await?,
            admin.send(Method::POST, &format!("{path}/test"), None).await?,
            admin.post(&format!("{path}/replay"), &replay).await?,
            admin.get(&format!("{path}/deliveries")).await?,
        ] {
            response.problem(404, "not_found");
        }
    }
    assert_eq!(app.home.admin.get(&path).await?.success()?["result"], without_secret(&webhook));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn webhooks_need_a_key_with_the_scope_admin(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let path = path_of(&create(&app, &json!({ "url": URL })).await?)?;
    let tokens = format!("integrated-accounts/{account}/tokens");
    let token = app.home.admin.post(&tokens, &json!({})).await?.created()?;
    let token = bearer(text(&token["result"], "token")?);
    let token = app.anonymous()?.with("authorization", &token)?;
    let write = app.client(app.home.environment_id, &[Scope::Read, Scope::Write]).await?;
    for client in [&token, &write, &app.home.api] {
        for response in [
            client.get("webhooks").await?,
            client.post("webhooks", &json!({ "url": URL })).await?,
            client.get(&path).await?,
            client.delete(&path).await?,
            client.send(Method::POST, &format!("{path}/rotate-secret"), None).await?,
        ] {
            let problem = response.problem(403, "insufficient_scope");
            assert!(problem["detail"].to_string().contains("`admin`"), "{problem}");
        }
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn webhooks_have_trutos_paths(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| setup.config.webhooks.allow_private_addresses = true);
    let app = app.await?;
    let (admin, port) = (&app.home.admin, ClosedPort::reserve()?);
    let url = format!("http://{}/hook", port.address()?);
    let body = json!({"target_url": url, "is_active": true, "event_types": ["user.*"],
        "environment_id": "their-own"});
    let created = admin.post("webhook", &body).await?.success()?;
    assert!(text(&created, "secret")?.starts_with("whsec_"), "{created}");
    assert_eq!((&created["target_url"], created.get("url")), (&json!(url), None));
    let path = format!("webhook/{}", text(&created, "id")?);
    let read = admin.get(&path).await?.success()?;
    assert_eq!(read, without_secret(&created));
    let list = admin.get("webhook?limit=10").await?.success()?;
    assert_eq!((&list["result"], &list["limit"]), (&json!([read]), &json!(10)));
    let changed =
        admin.patch(&path, &json!({"target_url": "https://a.example/"})).await?.success()?;
    assert_eq!(changed["target_url"], "https://a.example/");
    admin.patch(&path, &json!({ "target_url": url })).await?.success()?;

    let sent = admin.post("webhook/test", &json!({"id": created["id"]})).await?.success()?;
    assert_eq!((&sent["event_type"], &sent["status"]), (&json!("webhook.test"), &json!("failed")));
    for wrong in [json!({}), json!({"id": 5}), json!({"id": "whk_1/../x"})] {
        assert_eq!(admin.post("webhook/test", &wrong).await?.status, 400, "{wrong}");
    }
    let invalid = admin.post("webhook", &json!({"target_url": "ftp://a.example/"})).await?;
    assert_eq!((invalid.status, &invalid.body["statusCode"]), (422, &json!(422)));
    let message = text(&invalid.body, "message")?;
    assert!(message.contains("/target_url must begin with"), "{message}");
    assert_eq!(admin.post("webhook", &json!([])).await?.status, 400);
    let foreign = admin.get("webhook/whk_01J8ZQ5V9Y3M7T2K4N6P8R0S1T").await?;
    assert_eq!((foreign.status, &foreign.body["error"]), (404, &json!("Not Found")));
    assert_eq!(admin.get("webhook/..%2Fapi-keys").await?.status, 404);
    let rejected = app.home.api.get("webhook").await?;
    assert_eq!((rejected.status, &rejected.body["error"]), (403, &json!("Forbidden")));

    assert_eq!(admin.delete(&path).await?.success()?["id"], created["id"]);
    assert_eq!(admin.get(&path).await?.status, 404);
    Ok(())
}
