//! Conversion between full members and guests through SCIM.

use serde_json::{Value, json};
use time::Duration;

use super::scim_client::{CORE, GUEST, code};
use super::{Client, is_plain, s};
use crate::sandbox::org::{OrgChange, OrgLevel};

const END: &str = "2026-12-31T23:59:59Z";

fn guest(expiration: Option<&str>) -> Value {
    match expiration {
        None => json!({"type": "multi"}),
        Some(at) => json!({"type": "multi", "expiration": at}),
    }
}

#[tokio::test]
async fn converts_member_to_guest_and_back() {
    let client = Client::unlimited(150);
    let id = client.person(|one| is_plain(one) && one.memberships.len() > 1);
    let path = format!("Users/{id}");
    client.scim("DELETE", &format!("/scim/v2/{path}"), &json!({})).await;
    let add = json!([{"op": "add", "path": GUEST[1], "value": guest(Some(END))}]);
    let user = client.operate(&path, add).await;
    assert_eq!((&user["active"], s(&user[GUEST[1]]["type"])), (&json!(true), "multi"));
    assert_eq!(user[GUEST[1]]["expiration"], END);
    let row = client.row(&id, "").await.unwrap();
    assert_eq!((&row["is_restricted"], &row["is_ultra_restricted"]), (&json!(true), &json!(false)));
    assert_eq!(row["expiration_ts"], 1_798_761_599);
    let found = client.get("/scim/v1/Users?filter=restricted%20eq%20'1'&count=1000").await.json();
    assert!(found["Resources"].as_array().unwrap().iter().any(|one| one["id"] == id));

    let expiration = format!("{}.expiration", GUEST[0]);
    let endless = json!({"meta": {"attributes": [expiration]}});
    let user = client.merge(&path, endless).await;
    assert_eq!(user[GUEST[0]].get("expiration"), None);
    client.scim("DELETE", &format!("/scim/v1/{path}"), &json!({})).await;
    let user = client.merge(&path, json!({"meta": {"attributes": [GUEST[0]]}})).await;
    assert_eq!((&user["active"], user.get(GUEST[0])), (&json!(true), None));
    let row = client.row(&id, "").await.unwrap();
    assert_eq!((&row["is_restricted"], &row["expiration_ts"]), (&json!(false), &json!(0)));
    let put = json!({
        "schemas": [CORE[1], GUEST[1]], "userName": user["userName"], "emails": user["emails"],
        GUEST[1]: guest(None),
    });
    let user = client.scim("PUT", &format!("/scim/v2/{path}"), &put).await.json();
    assert_eq!(user[GUEST[1]]["type"], "multi");
    let changes = client.sandbox.changes();
    let levels = changes.iter().filter(|one| matches!(one.change, OrgChange::Level { .. }));
    assert!(levels.count() >= 6);
}

#[tokio::test]
async fn creates_guest_without_workspace() {
    let client = Client::unlimited(60);
    let body = json!({
        "schemas": [CORE[0], GUEST[0]], "userName": "guestUser", "displayName": "TestGuestUser",
        "emails": [{"value": "guest@fake.example"}], GUEST[0]: guest(Some(END)),
    });
    let user = client.scim("POST", "/scim/v1/Users", &body).await.json();
    assert_eq!((s(&user["userName"]), s(&user["displayName"])), ("guestuser", "TestGuestUser"));
    assert_eq!(user["name"]["givenName"], "TestGuestUser");
    assert_eq!(user[GUEST[0]]["expiration"], END);
    let id = s(&user["id"]).to_owned();
    let team = client.sandbox.snapshot().workspaces[0].clone();
    let member = format!("team_id={}&user_id={id}", team.id);
    assert_eq!(client.call("admin.users.assign", &member).await["ok"], false);
    let channel = &team.channels[0].id;
    let guest = format!("{member}&is_restricted=true&channel_ids={channel}");
    assert_eq!(client.code("admin.users.assign", &guest).await, "");
    assert_eq!(client.row(&id, "").await.unwrap()["is_restricted"], true);
}

#[tokio::test]
async fn unassigned_guest_expires_automatically() {
    let client = Client::unlimited(30);
    let body = json!({
        "schemas": [CORE[1]], "userName": "short", "emails": [{"value": "short@fake.example"}],
        GUEST[1]: guest(Some("2026-09-22T00:00:00Z")),
    });
    let user = client.scim("POST", "/scim/v2/Users", &body).await.json();
    let path = format!("Users/{}", s(&user["id"]));
    client.sandbox.advance_clock(Duration::hours(11));
    assert_eq!(client.get(&format!("/scim/v2/{path}")).await.json()["active"], false);
    let user = client.merge(&path, json!({"active": true})).await;
    assert_eq!((&user["active"], user[GUEST[0]].get("expiration")), (&json!(true), None));
    assert_eq!(client.get(&format!("/scim/v2/{path}")).await.json()["active"], true);
}

#[tokio::test]
async fn rejects_guest_with_admin_level_or_without_type() {
    let client = Client::unlimited(150);
    let admin = client.person(|one| one.org_level == OrgLevel::Admin);
    let plain = client.person(is_plain);
    for (id, extension, wanted) in [
        (&admin, guest(None), "cannot_make_user_guest"),
        (&plain, json!({"type": "single"}), "invalid_attribute_format"),
        (&plain, json!({"expiration": END}), "invalid_attribute_format"),
        (&plain, guest(Some("soon")), "invalid_attribute_format"),
        (&plain, guest(Some("2020-01-01T00:00:00Z")), "invalid_attribute_format"),
    ] {
        let refused = client.merge(&format!("Users/{id}"), json!({GUEST[0]: extension})).await;
        assert_eq!(code(&refused), wanted, "{extension}");
    }
    assert!(client.sandbox.changes().is_empty());
}
