//! Linking by the form: token, user name and password, OAuth 2.0 client credentials; and what renews or ends them.

#![expect(clippy::indexing_slicing, reason = "a field that a JSON value does not have is null")]

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use time::Duration;
use url::Url;

use crate::support::scim_server::{
    OAuthGrant, SCIM_TOKEN, ScimOptions, ScimServer, json_response, open_app,
};
use crate::support::{Browser, TestApp, link_url};

const PASSWORD: &str = "pass word:1";
const SECRET: &str = "s3cr3t/+&=";

async fn account(app: &TestApp, id: &str) -> anyhow::Result<Value> {
    let account = app.home.api.get(&format!("integrated-accounts/{id}")).await?.success()?;
    Ok(account["result"].clone())
}

/// Whether a text is stored in plain text among the tokens.
async fn is_stored_in_plain(app: &TestApp, text: &str) -> anyhow::Result<bool> {
    let rows: Vec<(Vec<u8>, Option<Vec<u8>>)> =
        sqlx::query_as("select access_token, refresh_token from account_credentials")
            .fetch_all(&app.pool)
            .await?;
    anyhow::ensure!(!rows.is_empty(), "nothing is stored");
    let has = |bytes: &[u8]| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    Ok(rows.iter().any(|(access, refresh)| has(access) || refresh.as_deref().is_some_and(has)))
}

/// Starts a server that accepts user name and password only.
async fn basic_server() -> anyhow::Result<ScimServer> {
    let options = ScimOptions {
        tokens: Vec::new(),
        basic: Some(("admin".to_owned(), PASSWORD.to_owned())),
        ..ScimOptions::default()
    };
    let server = ScimServer::start(options).await?;
    server.add_users(3);
    Ok(server)
}

const BASIC: [(&str, &str); 3] =
    [("auth", "basic"), ("user_name", "admin"), ("password", PASSWORD)];

fn grant() -> OAuthGrant {
    OAuthGrant {
        client_id: "client:1".to_owned(),
        client_secret: SECRET.to_owned(),
        lifetime_s: 3_600,
        secret_in_body: false,
    }
}

/// Starts a server that accepts tokens of its token endpoint only.
async fn oauth_server(grant: OAuthGrant) -> anyhow::Result<ScimServer> {
    let options = ScimOptions { tokens: Vec::new(), oauth: Some(grant), ..ScimOptions::default() };
    let server = ScimServer::start(options).await?;
    server.add_users(3);
    Ok(server)
}

fn client_fields<'a>(token_url: &'a str, secret: &'a str) -> [(&'a str, &'a str); 5] {
    [
        ("auth", "client_credentials"),
        ("token_url", token_url),
        ("client_id", "client:1"),
        ("client_secret", secret),
        ("scope", " scim.read  scim.write "),
    ]
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_form_offers_three_kinds_of_credentials(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let link = link_url(&app.home, &json!({"tenant_id": "acme", "provider": "scim"})).await?;
    let page = Browser::new()?.get(&link).await?;
    assert_eq!(page.status, 200);
    for field in [
        "base_url",
        "token",
        "user_name",
        "password",
        "token_url",
        "client_id",
        "client_secret",
        "scope",
    ] {
        assert!(page.text.contains(&format!("name=\"{field}\"")), "{field}: {}", page.text);
    }
    for method in ["token", "basic", "client_credentials"] {
        assert!(page.text.contains(&format!("value=\"{method}\"")), "{method}: {}", page.text);
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn links_with_user_name_and_password(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let server = basic_server().await?;
    for (fields, title) in [
        ([BASIC[0], BASIC[1], ("password", "wrong")], "The user name or the password was rejected"),
        ([BASIC[0], BASIC[1], ("password", "")], "Invalid credentials"),
        ([BASIC[0], ("user_name", "a:b"), BASIC[2]], "Invalid credentials"),
        ([BASIC[0], ("user_name", ""), BASIC[2]], "Invalid credentials"),
    ] {
        let (status, page) = server.submit(&app, "acme", &fields).await?;
        assert_eq!(status, 422, "{page}");
        assert!(page.contains(title), "{title}: {page}");
        assert!(!page.contains(PASSWORD), "{page}");
        assert!(!page.contains("The token"), "no token was entered: {page}");
    }
    for (token, title) in [("wrong", "The token was rejected"), ("", "Enter a token.")] {
        let fields = [("auth", "token"), ("token", token)];
        let (status, page) = server.submit(&app, "acme", &fields).await?;
        assert_eq!(status, 422, "{page}");
        assert!(page.contains(title), "{title}: {page}");
    }
    let id = server.link_with(&app, "acme", &BASIC).await?;
    let api = app.client_for(&id)?;
    server.forget_requests();
    assert_eq!(api.get("users").await?.success()?["result_count"], 3);
    api.get("proxy/Users?count=1").await?.success()?;
    let requests = server.requests();
    assert!(requests.len() >= 2, "{requests:?}");
    for request in requests {
        assert!(request.header("authorization").starts_with("Basic "), "{request:?}");
    }
    assert!(!is_stored_in_plain(&app, PASSWORD).await?);
    assert!(!is_stored_in_plain(&app, "YWRtaW46").await?, "not encoded either");

    let refresh = format!("integrated-accounts/{id}/refresh");
    let before = account(&app, &id).await?;
    app.home.api.post(&refresh, &json!({})).await?.problem(409, "not_refreshable");
    assert_eq!(account(&app, &id).await?, before, "nothing was changed");
    assert_eq!((&before["status"], &before["token_expires_at"]), (&json!("active"), &Value::Null));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_rejected_password_ends_the_account_only_if_the_known_path_confirms_it(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let server = basic_server().await?;
    let id = server.link_with(&app, "acme", &BASIC).await?;
    let api = app.client_for(&id)?;
    for code in [401, 403] {
        server.hook(move |request| {
            let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"]});
            request.is_below("Groups").then(|| json_response(code, &body))
        });
        for _ in 0..2 {
            api.get("groups").await?.problem(403, "provider_forbidden");
        }
        api.get("users").await?.success()?;
        assert_eq!(account(&app, &id).await?["status"], "active", "{code}");
        server.clear();
    }
    server.set(|options| options.basic = Some(("admin".to_owned(), "other".to_owned())));
    for path in ["users", "groups", "proxy/Users"] {
        api.get(path).await?.api_error(409, "account_needs_reauth");
    }
    assert_eq!(account(&app, &id).await?["status"], "needs_reauth");

    let again = [BASIC[0], BASIC[1], ("password", "other")];
    assert_eq!(server.link_with(&app, "acme", &again).await?, id, "the same account");
    api.get("users").await?.success()?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn links_with_client_credentials_and_renews_the_token(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let server = oauth_server(grant()).await?;
    let fields = client_fields(&server.token_url, SECRET);
    let id = server.link_with(&app, "acme", &fields).await?;
    let requested = || server.calls("POST", "oauth/token");
    assert_eq!(requested(), 1);
    let request = server.requests().into_iter().find(|request| request.is_below("oauth/token"));
    let request = request.context("no request")?;
    assert_eq!(request.text, "grant_type=client_credentials&scope=scim.read+scim.write");
    assert!(!is_stored_in_plain(&app, SECRET).await? && !is_stored_in_plain(&app, "issued").await?);
    let linked = account(&app, &id).await?;
    assert!(linked["token_expires_at"].is_string(), "{linked}");

    let api = app.client_for(&id)?;
    api.get("users").await?.success()?;
    assert_eq!(requested(), 1, "the token is valid");
    app.clock.advance(Duration::minutes(61));
    api.get("users").await?.success()?;
    assert_eq!(requested(), 2, "it expired");
    assert_ne!(account(&app, &id).await?["token_expires_at"], linked["token_expires_at"]);

    // An operator's refresh, regardless of the age.
    let refresh = format!("integrated-accounts/{id}/refresh");
    app.home.api.post(&refresh, &json!({})).await?.success()?;
    assert_eq!(requested(), 3);
    // A token that the server revokes is replaced, and the call is sent again.
    assert_eq!(server.revoke_issued_tokens(), 3);
    api.get("users").await?.success()?;
    assert_eq!(requested(), 4);
    assert_eq!(account(&app, &id).await?["status"], "active");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn sends_the_secret_where_the_endpoint_expects_it(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let server = oauth_server(OAuthGrant { secret_in_body: true, ..grant() }).await?;
    let fields = client_fields(&server.token_url, SECRET);
    let id = server.link_with(&app, "acme", &fields).await?;
    assert_eq!(server.calls("POST", "oauth/token"), 2, "in the header, then in the body");
    app.clock.advance(Duration::hours(2));
    app.client_for(&id)?.get("users").await?.success()?;
    assert_eq!(server.calls("POST", "oauth/token"), 3, "it is known now");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn invalid_client_credentials_link_nothing(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let server = oauth_server(grant()).await?;
    let page = server.token_url.replace("/oauth/token", "/elsewhere");
    for (token_url, secret, title) in [
        (server.token_url.as_str(), "wrong", "The client was rejected"),
        (page.as_str(), SECRET, "No token endpoint"),
        ("http://127.0.0.1:1/token", SECRET, "No token endpoint"),
        ("not a url", SECRET, "Invalid address of the token endpoint"),
        ("https://id.example.com/token#top", SECRET, "Invalid address of the token endpoint"),
    ] {
        let fields = client_fields(token_url, secret);
        let (status, page) = server.submit(&app, "acme", &fields).await?;
        assert_eq!(status, 422, "{page}");
        assert!(page.contains(title), "{title}: {page}");
        assert!(!page.contains(SECRET) && !page.contains("s3cr3t"), "{page}");
    }
    let accounts = app.home.api.get("integrated-accounts").await?.success()?;
    assert_eq!(accounts["result_count"], 0);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_token_endpoint_must_be_public(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let server = oauth_server(grant()).await?;
    let port = Url::parse(&server.token_url)?.port().context("no port")?;
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
        for scheme in ["http", "https"] {
            let token_url = format!("{scheme}://{host}:{port}/oauth/token");
            let fields = client_fields(&token_url, SECRET);
            let base_url = [("base_url", "https://scim.example.com/v2")];
            let fields: Vec<_> = fields.into_iter().chain(base_url).collect();
            let (status, page) = server.submit(&app, "acme", &fields).await?;
            assert_eq!(status, 422, "{token_url}: {page}");
        }
    }
    assert_eq!(server.requests().len(), 0, "it was called");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn only_the_endpoints_own_rejection_ends_client_credentials(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let server = oauth_server(grant()).await?;
    let fields = client_fields(&server.token_url, SECRET);
    let id = server.link_with(&app, "acme", &fields).await?;
    let api = app.client_for(&id)?;
    for (code, body) in [
        (503, json!({"error": "temporarily_unavailable"})),
        (400, json!({"error": "invalid_scope"})),
        (200, json!({})),
        (403, json!("Blocked by policy")),
    ] {
        app.clock.advance(Duration::hours(2));
        let sent = body.clone();
        server.hook(move |request| {
            request.is_below("oauth/token").then(|| json_response(code, &sent))
        });
        let failed = api.get("users").await?;
        failed.problem(502, "provider_error");
        assert_eq!(account(&app, &id).await?["status"], "active", "{code} {body}");
        server.clear();
        // A backoff follows a failure.
        app.clock.advance(Duration::minutes(2));
        api.get("users").await?.success()?;
    }
    let other = OAuthGrant { client_secret: "other".to_owned(), ..grant() };
    server.set(|options| options.oauth = Some(other));
    app.clock.advance(Duration::hours(2));
    api.get("users").await?.problem(409, "account_needs_reauth");
    let ended = account(&app, &id).await?;
    assert_eq!(
        (&ended["status"], &ended["status_reason"]),
        (&json!("needs_reauth"), &json!("invalid_client"))
    );
    let fields = client_fields(&server.token_url, "other");
    assert_eq!(server.link_with(&app, "acme", &fields).await?, id);
    api.get("users").await?.success()?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_server_that_fails_with_count_can_be_linked(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let server = ScimServer::start(ScimOptions::default()).await?;
    server.add_users(2);
    server.hook(|request| {
        request.parameter("count").is_some().then(|| json_response(500, &json!({})))
    });
    let id = server.link_with(&app, "acme", &[("token", SCIM_TOKEN)]).await?;
    assert_eq!(account(&app, &id).await?["status"], "active");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn another_kind_of_credentials_replaces_the_first(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let options = ScimOptions {
        basic: Some(("admin".to_owned(), PASSWORD.to_owned())),
        oauth: Some(grant()),
        ..ScimOptions::default()
    };
    let server = ScimServer::start(options).await?;
    server.add_users(1);
    let id = server.link(&app, "acme").await?;
    let client = client_fields(&server.token_url, SECRET);
    let kinds: [(&[(&str, &str)], &str); 4] = [
        (&BASIC, "Basic "),
        (&client, "Bearer issued-"),
        (&BASIC, "Basic "),
        (&[("token", SCIM_TOKEN)], "Bearer scim-token-1"),
    ];
    for (fields, expected) in kinds {
        assert_eq!(server.link_with(&app, "acme", fields).await?, id);
        server.forget_requests();
        app.client_for(&id)?.get("users").await?.success()?;
        let requests = server.requests();
        let sent = requests.last().context("no request")?.header("authorization");
        assert!(sent.starts_with(expected), "{expected}: {sent}");
    }
    Ok(())
}
