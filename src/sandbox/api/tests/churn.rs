//! Generated changes of the organization.

use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use super::events::run;
use super::{Client, s};
use crate::sandbox::DEFAULT_CLIENT_ID;
use crate::sandbox::org::{Actor, OrgLevel};

impl Client {
    async fn start_churn(&self, request: &Value) -> (StatusCode, Value) {
        let response = self.post_json("/_sandbox/churn", request).await;
        (response.status, response.json())
    }

    /// Runs generated changes to their end.
    async fn churned(users: usize, request: &Value) -> Self {
        let client = Self::unlimited(users);
        run(client.sandbox.clone().deliver_events(std::future::pending()));
        let (status, body) = client.start_churn(request).await;
        let planned = request["changes_per_s"].as_u64().zip(request["seconds"].as_u64());
        let planned = planned.map(|(rate, seconds)| rate * seconds);
        assert_eq!(
            (status, body),
            (StatusCode::ACCEPTED, json!({"ok": true, "id": 1, "changes": planned}))
        );
        client.sandbox.churn_ended(1).await;
        client
    }
}

#[tokio::test(start_paused = true)]
async fn owners_make_the_planned_changes() {
    let request = json!({"changes_per_s": 50, "seconds": 6});
    let client = Client::churned(150, &request).await;
    let status = client.get("/_sandbox/churn").await.json();
    assert_eq!(
        (&status["id"], &status["running"], &status["planned"]),
        (&json!(1), &json!(false), &json!(300))
    );
    let count = |value: &Value| value.as_u64().unwrap();
    assert_eq!(count(&status["done"]) + count(&status["skipped"]), 300);
    assert!(count(&status["done"]) >= 290, "{status}");
    for kind in ["profile", "activation", "membership", "level", "group"] {
        assert!(count(&status["by_kind"][kind]) > 20, "{status}");
    }
    let org = client.sandbox.snapshot();
    let changes = client.sandbox.changes();
    assert!(changes.len() >= 290);
    for change in &changes {
        let Actor::Person(actor) = change.actor else { panic!("{change:?}") };
        assert!(org.person(actor).unwrap().org_level >= OrgLevel::Owner);
    }
    let log = client.get("/audit/v1/logs").await.json();
    let entries = log["entries"].as_array().unwrap();
    assert!(entries.len() >= 250);
    assert!(entries.iter().all(|entry| entry["context"].get("app").is_none()));
    // The same seed gives the same changes.
    let again = Client::churned(150, &request).await;
    assert_eq!(again.sandbox.changes(), changes);
}

#[tokio::test(start_paused = true)]
async fn owners_and_users_with_tokens_are_not_affected() {
    let client = Client::unlimited(12);
    let installer = client.person(|one| one.org_level == OrgLevel::Member && one.is_active());
    client.sandbox.install_as(DEFAULT_CLIENT_ID, &installer, &["users:read"]).unwrap();
    let before = client.sandbox.snapshot();
    run(client.sandbox.clone().deliver_events(std::future::pending()));
    let request = json!({"changes_per_s": 200, "seconds": 5, "wait": true});
    let (status, body) = client.start_churn(&request).await;
    assert_eq!((status, &body["running"]), (StatusCode::OK, &json!(false)));
    let after = client.sandbox.snapshot();
    assert_ne!(before.people(), after.people());
    for (old, new) in before.people().iter().zip(after.people()) {
        if old.org_level >= OrgLevel::Owner || old.id == installer || old.is_bot() {
            assert_eq!(old, new);
        }
    }
    assert_eq!(client.call("auth.test", "").await["ok"], true);
}

#[tokio::test(start_paused = true)]
async fn makes_changes_of_the_requested_kinds_only() {
    let request = json!({"changes_per_s": 10, "seconds": 3, "kinds": ["level"]});
    let client = Client::churned(100, &request).await;
    let status = client.get("/_sandbox/churn").await.json();
    assert_eq!(status["by_kind"].as_object().unwrap().keys().collect::<Vec<_>>(), ["level"]);
    let log = client.get("/audit/v1/logs").await.json();
    for entry in log["entries"].as_array().unwrap() {
        assert!(s(&entry["action"]).starts_with("role_change_to_"), "{entry}");
    }
}

#[tokio::test]
async fn stops_on_request_and_on_reset() {
    // Nothing runs in the background, so no change is made.
    let client = Client::unlimited(50);
    let none = client.get("/_sandbox/churn").await.json();
    assert_eq!((&none["id"], &none["running"]), (&Value::Null, &json!(false)));
    let request = json!({"changes_per_s": 1, "seconds": 600});
    assert_eq!(client.start_churn(&request).await.0, StatusCode::ACCEPTED);
    assert_eq!(client.get("/_sandbox/churn").await.json()["running"], true);
    let (status, refused) = client.start_churn(&request).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(s(&refused["error"]).contains("not ended"));
    let stop = || Request::delete("/_sandbox/churn").body(Body::empty()).unwrap();
    assert_eq!(client.send(stop()).await.json()["running"], false);
    client.sandbox.churn_ended(1).await;
    assert_eq!(client.start_churn(&request).await.1["id"], 2);
    client.sandbox.reset();
    let cleared = client.get("/_sandbox/churn").await.json();
    assert_eq!((&cleared["id"], &cleared["running"]), (&Value::Null, &json!(false)));
    assert_eq!(client.start_churn(&request).await.1["id"], 1);
    assert!(client.sandbox.changes().is_empty());
}

#[tokio::test]
async fn rejects_invalid_requests() {
    let client = Client::unlimited(20);
    for (request, error) in [
        (json!({"changes_per_s": 0, "seconds": 1}), "changes_per_s"),
        (json!({"changes_per_s": 1_001, "seconds": 1}), "changes_per_s"),
        (json!({"changes_per_s": 1, "seconds": 0}), "seconds"),
        (json!({"changes_per_s": 1, "seconds": 601}), "seconds"),
        (json!({"changes_per_s": 1, "seconds": 1, "kinds": []}), "kinds"),
        (json!({"changes_per_s": 1, "seconds": 1, "kinds": ["weather"]}), "weather"),
        (json!({"changes_per_s": -1, "seconds": 1}), "invalid value"),
        (json!({"changes_per_s": 1, "seconds": 1, "users": 5}), "unknown field"),
        (json!({"seconds": 1}), "missing field"),
    ] {
        let (status, body) = client.start_churn(&request).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{request}");
        assert!(s(&body["error"]).contains(error), "{request}: {body}");
    }
    assert!(!client.sandbox.churn_status().running);
}
