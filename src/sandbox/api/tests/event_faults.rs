//! Faults of event deliveries: lost, doubled and reordered events.

use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use time::Duration;

use super::events::Listener;
use super::{Client, s};
use crate::sandbox::EventFaults;
use crate::sandbox::org::{Actor, OrgLevel, WorkspaceLevel};

impl Client {
    /// Deactivates this many members and returns their ids.
    fn deactivate_members(&self, count: usize) -> Vec<String> {
        let org = self.sandbox.snapshot();
        let members = org.people().iter().enumerate().filter(|(_, one)| {
            let leads = one.memberships.iter().any(|one| one.level > WorkspaceLevel::Member);
            one.is_active() && !one.is_bot() && !leads && one.org_level == OrgLevel::Member
        });
        let members: Vec<(usize, String)> =
            members.take(count).map(|(index, one)| (index, one.id.clone())).collect();
        assert_eq!(members.len(), count);
        for (index, _) in &members {
            self.sandbox.change_org(Actor::Provider, |edit| edit.deactivate(*index)).unwrap();
        }
        members.into_iter().map(|(_, id)| id).collect()
    }

    async fn set_event_faults(&self, faults: &Value) {
        let set = self.post_json("/_sandbox/event-faults", faults).await;
        assert_eq!(set.status, StatusCode::OK, "{}", set.json());
    }
}

/// Returns the id of the next event and that of its user.
async fn next_event(listener: &mut Listener) -> (String, String) {
    let event = listener.next().await.json();
    (s(&event["event_id"]).to_owned(), s(&event["event"]["user"]["id"]).to_owned())
}

#[tokio::test]
async fn loses_and_doubles_events() {
    let client = Client::unlimited(100);
    let mut listener = Listener::start().await;
    client.subscribed(&mut listener, Some(&["user_change"])).await;
    client.set_event_faults(&json!({"lose": 1})).await;
    client.deactivate_members(1);
    let status = client.get("/_sandbox/event-faults").await.json();
    let counts = json!({"lose": 1.0, "duplicate": 0.0, "reorder": false,
        "lost": 1, "duplicated": 0, "delayed": 0});
    assert_eq!(status, counts);
    client.set_event_faults(&json!({"duplicate": 1})).await;
    let user = client.deactivate_members(1).remove(0);
    let first = next_event(&mut listener).await;
    assert_eq!(first.1, user, "the lost event would have come before");
    assert_eq!(next_event(&mut listener).await, first);
    let delete = Request::delete("/_sandbox/event-faults").body(Body::empty());
    let cleared = client.send(delete.unwrap()).await.json();
    assert_eq!((&cleared["duplicate"], &cleared["duplicated"]), (&json!(0.0), &json!(0)));
    let last = client.deactivate_members(2);
    let received = [next_event(&mut listener).await.1, next_event(&mut listener).await.1];
    assert_eq!(received.as_slice(), last);
}

#[tokio::test]
async fn reorders_events() {
    let client = Client::unlimited(100);
    let mut listener = Listener::start().await;
    client.subscribed(&mut listener, Some(&["user_change"])).await;
    client.set_event_faults(&json!({"reorder": true})).await;
    let mut changed = client.deactivate_members(10);
    assert_eq!(client.sandbox.event_faults().delayed, 10);
    client.sandbox.advance_clock(Duration::seconds(2));
    let mut received = Vec::new();
    for _ in 0..changed.len() {
        received.push(next_event(&mut listener).await.1);
    }
    assert_ne!(received, changed);
    received.sort_unstable();
    changed.sort_unstable();
    assert_eq!(received, changed);
}

#[tokio::test]
async fn rejects_invalid_event_faults_and_clears_them_on_reset() {
    let client = Client::unlimited(20);
    client.set_event_faults(&json!({"lose": 0.5, "duplicate": 0.25, "reorder": true})).await;
    for wrong in [
        json!({"lose": 1.1}),
        json!({"duplicate": -0.1}),
        json!({"reorder": 1}),
        json!({"drop": 0.5}),
        json!({"lose": "all"}),
    ] {
        let refused = client.post_json("/_sandbox/event-faults", &wrong).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    let faults = EventFaults { lose: 0.5, duplicate: 0.25, reorder: true };
    assert_eq!(client.sandbox.event_faults().faults, faults);
    client.sandbox.reset();
    assert_eq!(client.sandbox.event_faults().faults, EventFaults::default());
}
