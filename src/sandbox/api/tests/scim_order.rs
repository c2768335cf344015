//! Locking, supported methods and malformed requests of SCIM.

use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use super::scim_client::{CORE, ENTERPRISE, code};
use super::{Client, is_plain, s};
use crate::sandbox::{Fault, FaultKind, SandboxOptions};

#[tokio::test(start_paused = true)]
async fn rejects_concurrent_changes_of_a_user() {
    let client = Client::unlimited(60);
    let id = client.person(is_plain);
    let short = format!("Users/{id}");
    let path = format!("/scim/v2/{short}");
    let slow = Fault {
        seconds: Some(5.0),
        ..Fault::for_next_calls("scim.users.update", FaultKind::Latency, 1)
    };
    client.sandbox.add_fault(slow);
    let title = |title: &str| json!({"schemas": [CORE[0]], "title": title});
    let first =
        client.operate(&short, json!([{"op": "replace", "path": "title", "value": "First"}]));
    let others = async {
        // The other request has started: its fault is used up.
        tokio::task::yield_now().await;
        assert!(client.sandbox.faults().is_empty());
        let second = client.scim("PATCH", &path.replace("v2", "v1"), &title("Second")).await;
        assert_eq!(second.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(
            (code(&second.json()), second.header("retry-after")),
            ("too_many_requests", "1")
        );
        let third = client.scim("DELETE", &path, &json!({})).await;
        assert_eq!(third.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(client.get(&path).await.status, StatusCode::OK, "it can still be read");
        let other = client.person(|one| is_plain(one) && one.id != id);
        let other = client.scim("DELETE", &format!("/scim/v2/Users/{other}"), &json!({})).await;
        assert_eq!(other.status, StatusCode::NO_CONTENT, "others can be changed");
    };
    let (first, ()) = tokio::join!(first, others);
    assert_eq!((s(&first["title"]), &first["active"]), ("First", &json!(true)));
    let later = client.merge(&format!("Users/{id}"), json!({"title": "Second"})).await;
    assert_eq!(later["title"], "Second");
    assert_eq!(client.sandbox.requests(None).throttled.values().sum::<u64>(), 2);
}

#[tokio::test(start_paused = true)]
async fn locks_group_during_change_and_unlocks_after_disconnect() {
    let client = Client::unlimited(60);
    let org = client.sandbox.snapshot();
    let (_, group) = org.groups.idp_groups().next().unwrap();
    let path = format!("Groups/{}", group.id);
    let slow = Fault {
        seconds: Some(5.0),
        ..Fault::for_next_calls("scim.groups.update", FaultKind::Latency, 1)
    };
    client.sandbox.add_fault(slow);
    let rename = json!([{"op": "replace", "path": "displayName", "value": "Renamed"}]);
    {
        let mut first = Box::pin(client.operate(&path, rename.clone()));
        let pending =
            std::future::poll_fn(|cx| std::task::Poll::Ready(first.as_mut().poll(cx).is_pending()));
        assert!(pending.await);
        assert_eq!(code(&client.operate(&path, rename.clone()).await), "resource_locked");
    }
    assert_eq!(client.operate(&path, rename).await["displayName"], "Renamed");
}

#[tokio::test]
async fn rejects_unreadable_requests_in_each_versions_format() {
    let client = Client::unlimited(30);
    for (verb, path, body, status, wanted) in [
        ("POST", "v1/Users", "{", 400, "invalid_request_payload"),
        ("POST", "v2/Users", "[]", 400, "invalid_request_payload"),
        ("POST", "v2/Users", "{}", 400, "missing_schema_element"),
        ("POST", "v2/Users", r#"{"schemas":[]}"#, 400, "missing_schema_element"),
        ("PUT", "v2/Users", "{}", 400, "missing_user_id"),
        ("DELETE", "v1/Groups", "{}", 400, "missing_group_id"),
        ("POST", "v1/Users/U1", "{}", 405, "method_not_allowed"),
        ("OPTIONS", "v1/Users", "{}", 405, "method_not_allowed"),
        ("POST", "v2/ServiceProviderConfig", "{}", 405, "method_not_allowed"),
        ("GET", "v1/ResourceTypes", "", 404, "bad_endpoint"),
        ("GET", "v2/Schemas/urn:nothing", "", 404, "bad_endpoint"),
        ("GET", "v3/Users", "", 404, "unsupported_version"),
        ("PATCH", "v2/Groups/S404", r#"{"schemas":["x"]}"#, 404, "no_such_group"),
    ] {
        let bearer = format!("Bearer {}", client.token);
        let request = Request::builder().method(verb).uri(format!("/scim/{path}"));
        let request = request.header("authorization", bearer).body(Body::from(body)).unwrap();
        let response = client.send(request).await;
        let seen = (response.status.as_u16(), response.json());
        assert_eq!((seen.0, code(&seen.1)), (status, wanted), "{verb} {path}");
        assert_eq!(seen.1.get("Errors").is_some(), path.starts_with("v1"), "{verb} {path}");
    }
    assert!(client.sandbox.changes().is_empty());
}

#[tokio::test]
async fn invalid_values_have_specific_codes() {
    let client = Client::unlimited(30);
    let id = client.person(is_plain);
    let enterprise = ENTERPRISE[0];
    let whole = |field: &str, value: Value| json!({field: value});
    for (part, wanted) in [
        (whole("title", json!(7)), "invalid_attribute_format"),
        (whole("active", json!("maybe")), "invalid_attribute_format"),
        (whole("name", json!("Carly")), "invalid_attribute_format"),
        (whole("name", json!({"givenName": " ", "familyName": " "})), "invalid_name_required"),
        (whole("emails", json!("a@b.c")), "emails_invalid"),
        (whole("phoneNumbers", json!([1])), "phoneNumbers_invalid"),
        (whole("addresses", json!(["x"])), "addresses_invalid"),
        (whole("photos", json!([{"value": "me.png"}])), "photos_invalid"),
        (whole("roles", json!([1])), "roles_invalid"),
        (whole("userName", json!(" ")), "username_empty"),
        (whole("nickName", json!("an.endless.name.of.someone")), "long_nickname"),
        (whole("displayName", json!("@carly")), "invalid_starts_with_at"),
        (whole("displayName", json!("x".repeat(81))), "invalid_name_maxlength"),
        (whole("displayName", json!("a@b")), "invalid_name_specials"),
        (whole("displayName", json!("everyone")), "invalid_reserved_word"),
        (whole("title", json!("Boss 🎉")), "invalid_emoji_not_allowed"),
        (whole("password", json!("x")), "password_change_not_allowed"),
        (whole(enterprise, json!({"manager": {}})), "improper_enterprise_schema_format"),
        (whole(enterprise, json!({"manager": {"managerId": "nobody"}})), "unknown_user"),
    ] {
        let refused = client.merge(&format!("Users/{id}"), part.clone()).await;
        assert_eq!(code(&refused), wanted, "{part}");
    }
    assert!(client.sandbox.changes().is_empty());
}

#[tokio::test]
async fn writes_share_limits_between_versions() {
    let client = Client::new(SandboxOptions { users: 60, ..SandboxOptions::default() });
    let id = client.person(is_plain);
    let mut passed = 0;
    for turn in 0..40 {
        let path = format!("/scim/v{}/Users/{id}", turn % 2 + 1);
        let response = client.scim("DELETE", &path, &json!({})).await;
        passed += usize::from(response.status == StatusCode::NO_CONTENT);
    }
    assert_eq!(passed, 20);
}
