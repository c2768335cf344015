//! Consent, installation, token rotation and revocation.

use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use time::Duration;
use url::Url;

use super::{Client, SCOPES, is_plain, s};
use crate::sandbox::{DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, SandboxOptions, SlackApp};

pub(super) const CALLBACK: &str = "http://127.0.0.1:9/callback";

fn authorize_path(extra: &str) -> String {
    let scopes = SCOPES.join(",");
    format!(
        "/oauth/v2/authorize?client_id={DEFAULT_CLIENT_ID}&user_scope={scopes}\
         &redirect_uri={CALLBACK}&state=st%26te{extra}"
    )
}

pub(super) async fn decided(
    client: &Client,
    path: &str,
    form: &[(&str, &str)],
) -> (String, String) {
    let response = client.post(path, form).await;
    assert_eq!(response.status, StatusCode::FOUND, "{}", String::from_utf8_lossy(&response.body));
    let location = Url::parse(response.header("location")).unwrap();
    assert!(location.as_str().starts_with(CALLBACK));
    let pairs: Vec<(String, String)> = location.query_pairs().into_owned().collect();
    assert_eq!(pairs[1], ("state".to_owned(), "st&te".to_owned()));
    pairs[0].clone()
}

#[tokio::test]
async fn rejects_tokens_with_slacks_codes() {
    let client = Client::unlimited(20);
    let test = client.call("auth.test", "").await;
    assert_eq!(test["is_enterprise_install"], true);
    assert_eq!(test["expires_in"], 43_200);
    let error = async |token: &str| {
        let client = Client { sandbox: client.sandbox.clone(), token: token.to_owned() };
        client.call("auth.test", "").await["error"].as_str().map(str::to_owned)
    };
    assert_eq!(error("xoxp-guess").await.as_deref(), Some("invalid_auth"));
    let unauthenticated = client.post("/api/auth.test", &[]).await.json();
    assert_eq!(unauthenticated["error"], "not_authed");
    let by_form = client.post("/api/auth.test", &[("token", &client.token)]).await.json();
    assert_eq!(by_form["ok"], true);
    let second = client.sandbox.install(DEFAULT_CLIENT_ID, SCOPES).unwrap().access_token;
    let revoked = Client { sandbox: client.sandbox.clone(), token: second.clone() };
    assert_eq!(revoked.call("auth.revoke", "").await["revoked"], true);
    assert_eq!(error(&second).await.as_deref(), Some("token_revoked"));
    client.sandbox.advance_clock(Duration::hours(12));
    assert_eq!(error(&client.token).await.as_deref(), Some("token_expired"));
}

#[tokio::test]
async fn installs_on_organization_and_refreshes_token() {
    let client = Client::unlimited(60);
    let path = authorize_path("");
    let page = client.get(&path).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(String::from_utf8(page.body).unwrap().contains("wants to access"));
    let cancelled = decided(&client, &path, &[("decision", "cancel")]).await;
    assert_eq!(cancelled, ("error".to_owned(), "access_denied".to_owned()));
    let form = [("decision", "approve"), ("install", "org")];
    let (name, code) = decided(&client, &path, &form).await;
    assert_eq!(name, "code");
    let secret = [("client_id", DEFAULT_CLIENT_ID), ("client_secret", DEFAULT_CLIENT_SECRET)];
    let code = [("code", code.as_str()), ("redirect_uri", CALLBACK)];
    let form: Vec<(&str, &str)> = secret.into_iter().chain(code).collect();
    let verified: Vec<_> = form.iter().copied().chain([("code_verifier", "x")]).collect();
    let refused = client.post("/api/oauth.v2.access", &verified).await.json();
    assert_eq!(refused["error"], "pkce_not_allowed", "the app has not enabled it");
    let response = client.post("/api/oauth.v2.access", &form).await.json();
    assert_eq!((&response["ok"], &response["team"]), (&json!(true), &Value::Null));
    assert_eq!(response["is_enterprise_install"], true);
    let user = &response["authed_user"];
    assert_eq!((&user["token_type"], &user["expires_in"]), (&json!("user"), &json!(43_200)));
    assert_eq!(user["scope"], SCOPES.join(","));
    let again = client.post("/api/oauth.v2.access", &form).await.json();
    assert_eq!(again["error"], "code_already_used");

    let refresh = [("grant_type", "refresh_token"), ("refresh_token", s(&user["refresh_token"]))];
    let form: Vec<(&str, &str)> = secret.into_iter().chain(refresh).collect();
    let next = client.post("/api/oauth.v2.access", &form).await.json();
    assert_eq!((&next["token_type"], &next["id"]), (&json!("user"), &user["id"]));
    assert_ne!(next["refresh_token"], user["refresh_token"]);
    let token = s(&next["access_token"]).to_owned();
    let installed = Client { sandbox: client.sandbox.clone(), token };
    assert_eq!(installed.call("admin.users.list", "").await["ok"], true);
    assert_eq!(client.get("/_sandbox/state").await.json()["refreshes"], 1);
}

#[tokio::test]
async fn workspace_installation_lacks_org_permissions() {
    let client = Client::unlimited(60);
    let form = [("decision", "approve"), ("install", "workspace")];
    let (_, code) = decided(&client, &authorize_path(""), &form).await;
    let basic = {
        use base64::Engine;
        let both = format!("{DEFAULT_CLIENT_ID}:{DEFAULT_CLIENT_SECRET}");
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(both))
    };
    let request = Request::post("/api/oauth.v2.access")
        .header("authorization", basic)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(format!("code={code}&redirect_uri={CALLBACK}")))
        .unwrap();
    let response = client.send(request).await.json();
    assert_eq!(response["is_enterprise_install"], false);
    assert!(s(&response["team"]["id"]).starts_with('T'));
    let token = s(&response["authed_user"]["access_token"]).to_owned();
    let installed = Client { sandbox: client.sandbox.clone(), token };
    assert_eq!(installed.call("admin.users.list", "").await["error"], "feature_not_enabled");
    let scim = installed.get("/scim/v2/Users").await;
    assert_eq!(scim.json()["detail"], "non_org_teams_only");
}

#[tokio::test]
async fn rejects_invalid_authorization_requests() {
    let client = Client::unlimited(60);
    client.sandbox.register_app(SlackApp::new("77.88", "s", "Other"));
    let org = client.sandbox.snapshot();
    let member = org.people().iter().find(|one| is_plain(one) && !one.is_bot()).unwrap();
    for (path, error) in [
        (authorize_path("").replace(DEFAULT_CLIENT_ID, "9.9"), "invalid_client_id"),
        (authorize_path("").replace("127.0.0.1", "evil.example"), "bad_redirect_uri"),
        (authorize_path("").replace("user_scope=admin,", "scope=admin,"), "invalid_scope"),
        (authorize_path("").replace("user_scope", "other"), "no_scopes"),
        (authorize_path("&code_challenge=abc"), "invalid_code_challenge"),
    ] {
        let response = client.get(&path).await;
        assert_eq!(response.status, StatusCode::BAD_REQUEST);
        assert!(String::from_utf8(response.body).unwrap().contains(error), "{error}");
    }
    let form = [("decision", "approve"), ("user", member.id.as_str())];
    let response = client.post(&authorize_path(""), &form).await;
    assert!(String::from_utf8(response.body).unwrap().contains("not_an_admin"));
}

#[tokio::test]
async fn grants_and_clock_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let grants_file = Some(folder.path().join("grants.json"));
    let options = SandboxOptions { grants_file, users: 20, ..SandboxOptions::default() };
    let first = Client::new(options.clone());
    first.sandbox.advance_clock(Duration::hours(1));
    let second = Client { token: first.token.clone(), ..Client::new(options) };
    let test = second.call("auth.test", "").await;
    assert_eq!((&test["ok"], &test["expires_in"]), (&json!(true), &json!(43_200 - 3_600)));
    second.sandbox.reset();
    assert_eq!(second.call("auth.test", "").await["ok"], true);
    assert_eq!(second.sandbox.stats().users, 20);
    assert!(second.get("/").await.status.is_success());
}
