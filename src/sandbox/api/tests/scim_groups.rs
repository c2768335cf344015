//! Groups managed by an identity provider.

use http::StatusCode;
use serde_json::{Value, json};

use super::scim_client::{CORE, code};
use super::{Client, ids, is_plain, s};
use crate::sandbox::org::{Actor, OrgChange, Person, WorkspaceLevel};

const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

fn named(ids: &[&String]) -> Value {
    ids.iter().map(|id| json!({"value": id})).collect()
}

/// Returns the ids of a group's members.
fn members(group: &Value) -> Vec<&str> {
    group["members"].as_array().unwrap().iter().map(|one| s(&one["value"])).collect()
}

/// Returns a client and the ids of three ordinary members, oldest first.
fn three() -> (Client, [String; 3]) {
    let client = Client::unlimited(100);
    let org = client.sandbox.snapshot();
    let mut plain = org.people().iter().filter(|one| is_plain(one) && !one.is_bot());
    let ids = [(); 3].map(|()| plain.next().unwrap().id.clone());
    (client, ids)
}

#[tokio::test]
async fn creates_fills_empties_and_deletes_a_group() {
    let (client, [a, b, c]) = three();
    let body = json!({"schemas": [GROUP], "displayName": "Blue", "members": named(&[&a, &b])});
    let made = client.scim("POST", "/scim/v2/Groups", &body).await;
    let group = made.json();
    assert_eq!(made.status, StatusCode::CREATED, "{group}");
    assert_eq!(made.header("location"), s(&group["meta"]["location"]));
    assert_eq!((s(&group["displayName"]), members(&group)), ("Blue", vec![a.as_str(), b.as_str()]));
    let path = format!("Groups/{}", s(&group["id"]));
    assert_eq!(group, client.get(&format!("/scim/v2/{path}")).await.json());
    let user = client.get(&format!("/scim/v2/Users/{a}")).await.json();
    let own = json!({"value": group["id"], "display": "Blue"});
    assert!(user["groups"].as_array().unwrap().contains(&own));

    let other = json!([
        {"op": "replace", "path": "displayName", "value": "Green"},
        {"op": "Add", "path": "members", "value": named(&[&c])},
        {"op": "remove", "path": format!("members[value eq {a}]")},
    ]);
    let group = client.operate(&path, other).await;
    assert_eq!(
        (s(&group["displayName"]), members(&group)),
        ("Green", vec![b.as_str(), c.as_str()])
    );
    let quoted = format!("members[value eq \"{b}\"]");
    let listed = json!([{"op": "remove", "path": quoted}, {"op": "remove", "path": "members", "value": named(&[&a])}]);
    assert_eq!(members(&client.operate(&path, listed).await), [c.as_str()]);
    let all =
        json!([{"op": "replace", "value": {"members": named(&[&a, &b]), "displayName": "Red"}}]);
    assert_eq!(members(&client.operate(&path, all).await), [a.as_str(), b.as_str()]);
    let some = json!({"members": [{"value": a, "operation": "delete"}, {"value": c}]});
    assert_eq!(members(&client.merge(&path, some).await), [b.as_str(), c.as_str()]);
    let meta = json!({"meta": {"attributes": ["members"]}, "members": named(&[&a])});
    assert_eq!(members(&client.merge(&path, meta).await), [a.as_str()]);
    let put = json!({"schemas": [CORE[0]], "displayName": "Violet"});
    let group = client.scim("PUT", &format!("/scim/v1/{path}"), &put).await.json();
    assert_eq!((s(&group["displayName"]), members(&group).len()), ("Violet", 0));
    let none = json!([{"op": "remove", "path": "members"}]);
    assert!(members(&client.operate(&path, none).await).is_empty());

    client.operate(&path, json!([{"op": "add", "path": "members", "value": named(&[&a])}])).await;
    let gone = client.scim("DELETE", &format!("/scim/v2/{path}"), &json!({})).await;
    assert_eq!((gone.status, gone.body.len()), (StatusCode::NO_CONTENT, 0));
    assert_eq!(client.get(&format!("/scim/v2/{path}")).await.status, StatusCode::NOT_FOUND);
    let user = client.get(&format!("/scim/v2/Users/{a}")).await.json();
    assert!(!user["groups"].as_array().unwrap().iter().any(|one| one["display"] == "Violet"));
    let changes = client.sandbox.changes();
    assert!(changes.iter().all(|one| matches!(one.actor, Actor::Person(0))));
    assert!(matches!(changes.last().unwrap().change, OrgChange::GroupDeleted { .. }));
}

#[tokio::test]
async fn rejected_members_leave_group_unchanged() {
    let (client, [a, ..]) = three();
    let off = client.person(|one| !one.is_active());
    let single = client.person(|one| {
        one.guest_level() == Some(WorkspaceLevel::SingleChannelGuest) && one.is_active()
    });
    let multi = client.person(|one| {
        one.guest_level() == Some(WorkspaceLevel::MultiChannelGuest) && one.is_active()
    });
    let org = client.sandbox.snapshot();
    let bot = org.people().iter().find(|one| one.is_bot()).unwrap().id.clone();
    let made =
        |members: Value| json!({"schemas": [GROUP], "displayName": "Blue", "members": members});
    let many: Value = (0..=15_000).map(|_| json!({"value": a})).collect();
    for (members, wanted) in [
        (named(&[&a, &off]), "unable_to_add_deleted_or_guest_to_group"),
        (named(&[&single]), "unable_to_add_deleted_or_guest_to_group"),
        (named(&[&"U404".to_owned()]), "no_such_group_members"),
        (named(&[&bot]), "no_such_group_members"),
        (json!(["U1"]), "invalid_attribute_format"),
        (many, "too_many_users"),
    ] {
        let refused = client.scim("POST", "/scim/v2/Groups", &made(members)).await.json();
        assert_eq!(code(&refused), wanted);
    }
    assert!(client.sandbox.changes().is_empty());
    let nameless = json!({"schemas": [GROUP], "members": []});
    let refused = client.scim("POST", "/scim/v2/Groups", &nameless).await.json();
    assert_eq!(code(&refused), "invalid_attribute_format");
    let group = client.scim("POST", "/scim/v2/Groups", &made(named(&[&a, &multi]))).await.json();
    assert_eq!(members(&group).len(), 2);
    // A member who is deactivated later stays, and does not block others.
    client.scim("DELETE", &format!("/scim/v2/Users/{a}"), &json!({})).await;
    let path = format!("Groups/{}", s(&group["id"]));
    let boss = &org.people()[0].id;
    let add = json!([{"op": "add", "path": "members", "value": named(&[boss])}]);
    assert_eq!(members(&client.operate(&path, add).await).len(), 3);
    for (operation, wanted) in [
        (json!({"op": "replace", "path": "shoes", "value": 1}), "invalid_request_payload"),
        (json!({"op": "shift", "path": "members"}), "invalid_request_payload"),
        (json!({"op": "add", "path": "members"}), "invalid_request_payload"),
        (json!({"op": "remove"}), "invalid_request_payload"),
        (json!({"op": "replace", "path": "displayName", "value": [1]}), "invalid_attribute_format"),
    ] {
        let refused = client.operate(&path, json!([operation])).await;
        assert_eq!(code(&refused), wanted, "{operation}");
    }
}

#[tokio::test]
async fn group_has_at_most_fifteen_thousand_members() {
    let client = Client::unlimited(20_000);
    let org = client.sandbox.snapshot();
    let fits = |one: &&Person| one.is_active() && !one.is_bot() && one.guest_level().is_none();
    let people: Vec<&String> = org.people().iter().filter(fits).map(|one| &one.id).collect();
    let (first, more) = people.split_at(14_999);
    let body = json!({"schemas": [GROUP], "displayName": "All", "members": named(first)});
    let group = client.scim("POST", "/scim/v2/Groups", &body).await.json();
    let path = format!("Groups/{}", s(&group["id"]));
    let add = |one: &String| json!([{"op": "add", "path": "members", "value": named(&[one])}]);
    let group = client.operate(&path, add(more[0])).await;
    assert_eq!(ids(&[json!({"id": group["id"]})]).len(), 1);
    assert_eq!(members(&group).len(), 15_000);
    assert_eq!(code(&client.operate(&path, add(more[1])).await), "group_member_max_exceeded");
}

#[tokio::test]
async fn linked_group_controls_workspace_membership() {
    let (client, [a, b, _]) = three();
    let org = client.sandbox.snapshot();
    let made = client.call("admin.teams.create", "team_domain=linked&team_name=Linked").await;
    let team = s(&made["team"]).to_owned();
    let body = json!({"schemas": [GROUP], "displayName": "Blue"});
    let group = client.scim("POST", "/scim/v2/Groups", &body).await.json();
    let id = s(&group["id"]).to_owned();
    let link = format!("usergroup_id={id}&team_ids={team}");
    assert_eq!(client.code("admin.usergroups.addTeams", &link).await, "");
    let path = format!("Groups/{id}");
    let add = json!([{"op": "add", "path": "members", "value": named(&[&a, &b])}]);
    client.operate(&path, add).await;
    let there = |id: String| {
        let row = client.sandbox.snapshot();
        let (number, _) = row.workspace(&team).unwrap();
        row.find(&id).unwrap().1.membership(number).is_some()
    };
    assert!(there(a.clone()) && there(b.clone()));
    let remove = json!([{"op": "remove", "path": format!("members[value eq \"{a}\"]")}]);
    client.operate(&path, remove).await;
    assert!(!there(a.clone()) && there(b.clone()));
    client.scim("DELETE", &format!("/scim/v2/{path}"), &json!({})).await;
    assert!(there(b.clone()), "members stay when the group goes");

    let log = client.get("/audit/v1/logs?limit=50").await.json();
    let entries = log["entries"].as_array().unwrap();
    let boss = &org.people()[0].id;
    for action in ["user_joined_workspace", "usergroup_added_to_team", "user_deactivated"] {
        let entry = entries.iter().find(|entry| entry["action"] == action).unwrap();
        assert_eq!(entry["actor"]["user"]["id"], *boss);
    }
}
