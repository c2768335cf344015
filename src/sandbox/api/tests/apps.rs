//! Apps with custom settings: long-lived tokens and their exchange, and public clients.

use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use time::Duration;

use super::oauth::{CALLBACK, decided};
use super::{Client, s};

const ID: &str = "55.66";
const SECRET: &str = "another-secret";

impl Client {
    async fn registered(&self, settings: &Value) -> (StatusCode, Value) {
        let mut form = json!({"client_id": ID, "client_secret": SECRET, "name": "Other"});
        for (name, value) in settings.as_object().unwrap() {
            form[name] = value.clone();
        }
        let request = Request::post("/_sandbox/apps").body(Body::from(form.to_string()));
        let response = self.send(request.unwrap()).await;
        (response.status, response.json())
    }

    fn with_token(&self, token: &str) -> Self {
        Self { sandbox: self.sandbox.clone(), token: token.to_owned() }
    }

    async fn token_error(&self, token: &str) -> Value {
        self.with_token(token).call("auth.test", "").await["error"].clone()
    }
}

fn authorize(extra: &str) -> String {
    format!("/oauth/v2/authorize?client_id={ID}&redirect_uri={CALLBACK}&state=st%26te{extra}")
}

#[tokio::test]
async fn exchanges_long_lived_token_once() {
    let client = Client::unlimited(60);
    let (status, app) = client.registered(&json!({"token_rotation": false})).await;
    assert_eq!((status, &app["token_rotation"]), (StatusCode::CREATED, &json!(false)));
    assert_eq!(app["client_secret"], Value::Null);
    let old = client.sandbox.install(ID, &["users:read"]).unwrap();
    assert!(old.access_token.starts_with("xoxp-") && old.refresh_token.is_none());
    client.sandbox.advance_clock(Duration::days(400));
    assert_eq!(client.token_error(&old.access_token).await, Value::Null);

    let secret = [("client_id", ID), ("client_secret", SECRET)];
    let exchange = async |token: &str| {
        let form = [secret[0], secret[1], ("token", token)];
        client.post("/api/oauth.v2.exchange", &form).await.json()
    };
    assert_eq!(exchange(&old.access_token).await["error"], "token_rotation_not_enabled");
    client.registered(&json!({"token_rotation": true})).await;
    assert_eq!(exchange("xoxp-guess").await["error"], "invalid_token");
    assert_eq!(exchange(&client.token).await["error"], "invalid_token");
    let pair = exchange(&old.access_token).await;
    assert_eq!((&pair["ok"], &pair["expires_in"]), (&json!(true), &json!(43_200)));
    assert!(s(&pair["access_token"]).starts_with("xoxe.xoxp-1-"));
    assert_eq!(exchange(&old.access_token).await["error"], "token_already_exchanged");
    assert_eq!(client.token_error(&old.access_token).await, Value::Null);

    let refresh = [("grant_type", "refresh_token"), ("refresh_token", s(&pair["refresh_token"]))];
    let form: Vec<_> = secret.into_iter().chain(refresh).collect();
    assert_eq!(client.post("/api/oauth.v2.access", &form).await.json()["ok"], true);
    assert_eq!(client.token_error(&old.access_token).await, "token_expired");
    assert_eq!(client.token_error(s(&pair["access_token"])).await, Value::Null);
    let gone = client.registered(&json!({"token_rotation": false})).await;
    assert_eq!(gone.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn rejects_exchange_of_revoked_token() {
    let client = Client::unlimited(20);
    client.registered(&json!({"token_rotation": false})).await;
    let old = client.sandbox.install(ID, &["users:read"]).unwrap().access_token;
    assert_eq!(client.with_token(&old).call("auth.revoke", "").await["revoked"], true);
    client.registered(&json!({})).await;
    let form = [("client_id", ID), ("client_secret", SECRET), ("token", old.as_str())];
    let response = client.post("/api/oauth.v2.exchange", &form).await.json();
    assert_eq!(response["error"], "authorization_not_found");
}

#[tokio::test]
async fn public_client_authenticates_with_pkce() {
    let client = Client::unlimited(60);
    client
        .registered(&json!({"pkce_enabled": true, "token_rotation": false,
        "redirect_urls": [CALLBACK, "other-app://auth"]}))
        .await;
    let challenge = "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM\
                     &code_challenge_method=S256";
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    for (extra, error) in [
        (format!("&scope=users:read{challenge}"), "invalid_scope"),
        ("&user_scope=users:read".to_owned(), "invalid_code_challenge"),
    ] {
        let path = authorize(&extra).replace(CALLBACK, "other-app://auth");
        let page = client.get(&path).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST);
        assert!(String::from_utf8(page.body).unwrap().contains(error), "{error}");
    }
    let path = authorize(&format!("&user_scope=users:read{challenge}"));
    let (_, code) = decided(&client, &path, &[("decision", "approve")]).await;
    let code = [("client_id", ID), ("code", code.as_str()), ("redirect_uri", CALLBACK)];
    let refused = client.post("/api/oauth.v2.access", &code).await.json();
    assert_eq!(refused["error"], "invalid_code_verifier");
    let form: Vec<_> = code.into_iter().chain([("code_verifier", verifier)]).collect();
    let response = client.post("/api/oauth.v2.access", &form).await.json();
    assert_eq!(response["ok"], true, "{response}");
    // A loopback URL is not a custom scheme: without the setting its tokens do not rotate.
    assert_eq!(response["authed_user"]["refresh_token"], Value::Null);

    let path = path.replace(CALLBACK, "other-app://auth");
    let response = client.post(&path, &[("decision", "approve")]).await;
    let to = url::Url::parse(response.header("location")).unwrap();
    let code = to.query_pairs().next().unwrap().1.into_owned();
    let form = [
        ("client_id", ID),
        ("code", code.as_str()),
        ("code_verifier", verifier),
        ("redirect_uri", "other-app://auth"),
    ];
    let response = client.post("/api/oauth.v2.access", &form).await.json();
    let refresh = s(&response["authed_user"]["refresh_token"]).to_owned();
    let form = [("client_id", ID), ("grant_type", "refresh_token"), ("refresh_token", &refresh)];
    let next = client.post("/api/oauth.v2.access", &form).await.json();
    assert_eq!(next["ok"], true, "{next}");
    client.sandbox.advance_clock(Duration::days(30));
    let form = [form[0], form[1], ("refresh_token", s(&next["refresh_token"]))];
    let late = client.post("/api/oauth.v2.access", &form).await.json();
    assert_eq!(late["error"], "invalid_refresh_token");
}

#[tokio::test]
async fn rejects_confidential_client_without_secret() {
    let client = Client::unlimited(20);
    client.registered(&json!({})).await;
    let form = [("client_id", ID), ("code", "x"), ("code_verifier", "y")];
    let response = client.post("/api/oauth.v2.access", &form).await.json();
    assert_eq!(response["error"], "pkce_not_allowed");
    let apps = client.get("/_sandbox/apps").await.json();
    assert_eq!(apps["apps"].as_array().unwrap().len(), 2);
    let (status, body) = client.registered(&json!({"name": " "})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(s(&body["error"]).contains("name"));
}
