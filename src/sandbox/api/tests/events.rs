//! The Events API from an app's side: URL verification, signed events and retries.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use sha2::Sha256;
use time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{Client, is_plain, s};
use crate::sandbox::org::{Actor, PersonIndex};
use crate::sandbox::{DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET};

const SECRET: &str = "a-signing-secret";

/// A request that the app received.
pub(super) struct ReceivedRequest {
    headers: HeaderMap,
    body: String,
}

impl ReceivedRequest {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn is_signed(&self) -> bool {
        let at = self.header("x-slack-request-timestamp");
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(format!("v0:{at}:{}", self.body).as_bytes());
        let bytes = mac.finalize().into_bytes();
        let hex: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.header("x-slack-signature") == format!("v0={}", hex.concat())
    }
}

#[derive(Clone)]
struct ListenerState {
    received: UnboundedSender<ReceivedRequest>,
    /// Statuses of the next responses; 200 if empty.
    responses: Arc<Mutex<Vec<StatusCode>>>,
}

/// An app that listens on a loopback port.
pub(super) struct Listener {
    url: String,
    received: UnboundedReceiver<ReceivedRequest>,
    responses: Arc<Mutex<Vec<StatusCode>>>,
}

impl Listener {
    pub(super) async fn start() -> Self {
        let (sender, received) = unbounded_channel();
        let responses = Arc::new(Mutex::new(Vec::new()));
        let stage = ListenerState { received: sender, responses: Arc::clone(&responses) };
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/events", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/events", post(receive))
            .route("/unverified", post(|| async { "no challenge" }))
            .with_state(stage);
        run(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, received, responses }
    }

    pub(super) async fn next(&mut self) -> ReceivedRequest {
        self.received.recv().await.unwrap()
    }
}

async fn receive(State(stage): State<ListenerState>, headers: HeaderMap, body: String) -> Response {
    let value: Value = serde_json::from_str(&body).unwrap();
    let challenge = value["challenge"].as_str().map(str::to_owned);
    stage.received.send(ReceivedRequest { headers, body }).ok();
    if let Some(challenge) = challenge {
        return challenge.into_response();
    }
    stage.responses.lock().unwrap().pop().unwrap_or(StatusCode::OK).into_response()
}

#[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
pub(super) fn run(future: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(future);
}

impl Client {
    pub(super) async fn post_json(&self, path: &str, body: &Value) -> super::TestResponse {
        self.send(Request::post(path).body(Body::from(body.to_string())).unwrap()).await
    }

    /// Subscribes the default app and starts the delivery.
    pub(super) async fn subscribed(&self, listener: &mut Listener, events: Option<&[&str]>) {
        let mut request = json!({"url": listener.url, "signing_secret": SECRET});
        if let Some(events) = events {
            request["events"] = json!(events);
        }
        let response = self.post_json("/_sandbox/event-subscriptions", &request).await;
        assert_eq!(
            response.status,
            StatusCode::CREATED,
            "{}",
            String::from_utf8_lossy(&response.body)
        );
        let hello = listener.next().await;
        assert_eq!(hello.json()["type"], "url_verification");
        assert!(hello.is_signed());
        run(self.sandbox.clone().deliver_events(std::future::pending()));
    }

    fn member(&self) -> PersonIndex {
        let id = self.person(is_plain);
        self.sandbox.with_org(|org| org.find(&id).unwrap().0)
    }

    fn deactivate(&self, index: PersonIndex) {
        self.sandbox.change_org(Actor::Provider, |edit| edit.deactivate(index)).unwrap();
    }
}

#[tokio::test]
async fn change_is_delivered_in_signed_envelope() {
    let client = Client::unlimited(60);
    let mut listener = Listener::start().await;
    client.subscribed(&mut listener, None).await;
    let index = client.member();
    client.deactivate(index);
    let event = listener.next().await;
    assert!(event.is_signed());
    assert_eq!(event.header("x-slack-request-timestamp"), "1790000000");
    assert_eq!(event.header("x-slack-retry-num"), "");
    let org = client.sandbox.snapshot();
    let body = event.json();
    assert_eq!(
        (&body["type"], &body["event"]["type"]),
        (&json!("event_callback"), &json!("user_change"))
    );
    assert_eq!(
        (s(&body["enterprise_id"]), s(&body["api_app_id"])),
        (org.id.as_str(), "A010012002")
    );
    assert!(s(&body["event_id"]).starts_with("Ev") && s(&body["team_id"]).starts_with('T'));
    let user = &body["event"]["user"];
    let person = org.person(index).unwrap();
    assert_eq!((s(&user["id"]), &user["deleted"]), (person.id.as_str(), &json!(true)));
    assert_eq!(user["profile"]["email"], person.email);
    assert_eq!(body["event"]["cache_ts"], 1_790_000_000);
    let authorization = json!([{"enterprise_id": org.id, "team_id": null,
        "user_id": org.primary_owner().unwrap().id, "is_bot": false, "is_enterprise_install": true}]);
    assert_eq!(body["authorizations"], authorization);
}

#[tokio::test]
async fn events_follow_the_order_of_changes() {
    let client = Client::unlimited(200);
    let mut listener = Listener::start().await;
    client.subscribed(&mut listener, None).await;
    let user = client.person(is_plain);
    let team = client.team(&user, false);
    let at = format!("user_id={user}&team_id={team}");
    for (method, args, kind) in [
        ("admin.users.assign", &at, Some("team_join")),
        // Levels have no events: the next one is that of the removal.
        ("admin.users.setAdmin", &at, None),
        ("admin.users.remove", &at, Some("user_change")),
        (
            "admin.teams.settings.setName",
            &format!("team_id={team}&name=Renamed"),
            Some("team_rename"),
        ),
    ] {
        assert_eq!(client.code(method, args).await, "", "{method}");
        let Some(kind) = kind else { continue };
        let event = listener.next().await.json();
        assert_eq!((s(&event["event"]["type"]), s(&event["team_id"])), (kind, team.as_str()));
        match method {
            "admin.users.remove" => assert_eq!(event["event"]["user"]["deleted"], true),
            "admin.teams.settings.setName" => assert_eq!(event["event"]["name"], "Renamed"),
            _ => assert_eq!(event["event"]["user"]["id"], user),
        }
    }
}

#[tokio::test]
async fn workspaces_statuses_and_the_organizations_name_have_events() {
    let client = Client::unlimited(60);
    let mut listener = Listener::start().await;
    client.subscribed(&mut listener, None).await;
    let org = client.sandbox.snapshot();
    let made = client.call("admin.teams.create", "team_domain=night&team_name=Night").await;
    let access = listener.next().await.json();
    assert_eq!(
        (s(&access["event"]["type"]), s(&access["team_id"])),
        ("team_access_granted", org.id.as_str())
    );
    assert_eq!(access["event"]["team_ids"], json!([made["team"]]));
    let joined = listener.next().await.json();
    assert_eq!((s(&joined["event"]["type"]), &joined["team_id"]), ("team_join", &made["team"]));

    let scopes = ["users:read", "users.profile:write"];
    let token = client.sandbox.install(DEFAULT_CLIENT_ID, &scopes).unwrap().access_token;
    let writer = Client { sandbox: client.sandbox.clone(), token };
    let long = format!("name=status_text&value={}", "x".repeat(101));
    assert_eq!(writer.code("users.profile.set", &long).await, "too_long");
    assert_eq!(writer.code("users.profile.set", "name=status_text&value=Lunch").await, "");
    for kind in ["user_change", "user_status_changed"] {
        let event = listener.next().await.json();
        assert_eq!(event["event"]["type"], kind);
        assert_eq!(event["event"]["user"]["profile"]["status_text"], "Lunch");
    }

    let renamed = client.post_json("/_sandbox/organization", &json!({"name": "Lumen"})).await;
    assert_eq!(renamed.json(), json!({"id": org.id, "name": "Lumen"}));
    let event = listener.next().await.json();
    assert_eq!((s(&event["event"]["type"]), s(&event["team_id"])), ("enterprise_rename", &*org.id));
    assert_eq!(event["event"]["name"], "Lumen");
    let empty = client.post_json("/_sandbox/organization", &json!({"name": " "})).await;
    assert_eq!(empty.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn large_group_is_listed_in_part() {
    let client = Client::unlimited(1_000);
    let mut listener = Listener::start().await;
    let kinds = ["subteam_members_changed", "subteam_updated"];
    client.subscribed(&mut listener, Some(&kinds)).await;
    let org = client.sandbox.snapshot();
    let group = org.groups.iter().find(|(_, one)| one.name == "All Employees").unwrap().1;
    assert!(group.members.len() > 501);
    let member = &org.person(*group.members.first().unwrap()).unwrap().id;
    let remove = json!([{"op": "remove", "path": format!("members[value eq {member}]")}]);
    client.operate(&format!("Groups/{}", group.id), remove).await;
    let changed = listener.next().await.json();
    assert_eq!(changed["event"]["type"], kinds[0]);
    assert_eq!(changed["event"]["removed_users"], json!([member]));
    assert_eq!(changed["event"]["date_previous_update"], group.updated);
    let updated = listener.next().await.json();
    assert_eq!(updated["event"]["type"], kinds[1]);
    let subteam = &updated["event"]["subteam"];
    assert_eq!(subteam["users"].as_array().unwrap().len(), 500);
    assert_eq!(subteam["user_count"], group.members.len() - 1);
}

#[tokio::test]
async fn retries_rejected_event_three_times() {
    let client = Client::unlimited(60);
    let mut listener = Listener::start().await;
    client.subscribed(&mut listener, Some(&["user_change"])).await;
    *listener.responses.lock().unwrap() = vec![StatusCode::INTERNAL_SERVER_ERROR; 4];
    client.deactivate(client.member());
    let first = listener.next().await;
    let once = listener.next().await;
    assert_eq!(
        (once.header("x-slack-retry-num"), once.header("x-slack-retry-reason")),
        ("1", "http_error")
    );
    assert_eq!(once.body, first.body);
    client.sandbox.advance_clock(Duration::MINUTE);
    assert_eq!(listener.next().await.header("x-slack-retry-num"), "2");
    client.sandbox.advance_clock(Duration::minutes(5));
    let last = listener.next().await;
    assert_eq!(last.header("x-slack-retry-num"), "3");
    assert!(last.is_signed());
    assert_eq!(last.header("x-slack-request-timestamp"), "1790000360");
    // The next event shows that the previous one was dropped.
    client.sandbox.advance_clock(Duration::HOUR);
    client.deactivate(client.member());
    let next = listener.next().await;
    assert_ne!(next.json()["event_id"], first.json()["event_id"]);
    let sent = client.get("/_sandbox/event-deliveries").await.json();
    let sent = sent["deliveries"].as_array().unwrap();
    assert_eq!(sent[..4].iter().map(|one| &one["retry_num"]).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!((&sent[3]["delivered"], &sent[3]["error"]), (&json!(false), &json!("http_error")));
    assert_eq!(sent[3]["next_attempt_at"], Value::Null);
}

#[tokio::test]
async fn app_receives_events_of_its_scopes_and_its_revocation() {
    let client = Client::unlimited(60);
    client.sandbox.change_grants(|grants| grants.uninstall(DEFAULT_CLIENT_ID));
    let token = client.sandbox.install(DEFAULT_CLIENT_ID, &["team:read"]).unwrap().access_token;
    let mut listener = Listener::start().await;
    client.subscribed(&mut listener, None).await;
    client.deactivate(client.member());
    let small = Client { sandbox: client.sandbox.clone(), token };
    let secret = format!("client_id={DEFAULT_CLIENT_ID}&client_secret={DEFAULT_CLIENT_SECRET}");
    assert_eq!(small.call("apps.uninstall", &secret).await["ok"], true);
    let revoked = listener.next().await.json();
    assert_eq!(revoked["event"]["type"], "tokens_revoked");
    let owner = client.sandbox.snapshot().primary_owner().unwrap().id.clone();
    assert_eq!(revoked["event"]["tokens"], json!({"oauth": [owner], "bot": []}));
    assert_eq!(listener.next().await.json()["event"]["type"], "app_uninstalled");
}

#[tokio::test]
async fn rejects_invalid_subscriptions() {
    let client = Client::unlimited(20);
    let listener = Listener::start().await;
    let unverified = listener.url.replace("/events", "/unverified");
    for (request, error) in [
        (json!({"url": "http://example.com/events"}), "loopback"),
        (json!({"url": listener.url, "client_id": "9.9"}), "client_id"),
        (json!({"url": listener.url, "events": ["message"]}), "message"),
        (json!({"url": unverified}), "challenge"),
        (json!({"url": "http://127.0.0.1:1/events"}), "connection_failed"),
    ] {
        let response = client.post_json("/_sandbox/event-subscriptions", &request).await;
        assert_eq!(response.status, StatusCode::BAD_REQUEST);
        assert!(s(&response.json()["error"]).contains(error), "{request}: {}", response.json());
    }
    let none = client.get("/_sandbox/event-subscriptions").await.json();
    assert_eq!(none["subscriptions"], json!([]));
    let response =
        client.post_json("/_sandbox/event-subscriptions", &json!({"url": listener.url})).await;
    assert_eq!(response.json()["client_id"], DEFAULT_CLIENT_ID);
    let gone =
        client.send(Request::delete("/_sandbox/event-subscriptions").body(Body::empty()).unwrap());
    assert_eq!(gone.await.json()["subscriptions"], json!([]));
}
