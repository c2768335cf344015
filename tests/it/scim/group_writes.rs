//! Changes of groups at a SCIM server: members in requests of limited size, in every form that servers accept; and
//! groups as workspaces.

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::writes::{MODES, id, linked, outcomes, set, writes};
use crate::support::scim_server::{ScimOptions, ScimRequest, ScimServer, json_response, open_app};

/// Maximum number of members that a request may add or remove.
const MOST: usize = 100;

/// Returns the members of a group as stored.
fn members(server: &ScimServer, group: &str) -> anyhow::Result<BTreeSet<String>> {
    let group = server.group(group).context("no such group")?;
    let members = group.get("members").and_then(Value::as_array).into_iter().flatten();
    Ok(members.filter_map(|member| Some(member["value"].as_str()?.to_owned())).collect())
}

fn ids(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("m-{number}")).collect()
}

/// Returns the largest number of members that a request adds or removes, PUT requests left out.
fn largest(server: &ScimServer) -> usize {
    let changed = server.requests().into_iter().filter(|request| request.method.as_str() != "PUT");
    let sizes = changed.map(|request| {
        let list = |name| request.body.get(name).and_then(Value::as_array);
        let initial = list("members").map_or(0, Vec::len);
        let operations = list("Operations").into_iter().flatten();
        let of = |operation: &Value| {
            let is_member =
                operation["path"].as_str().is_some_and(|path| path.starts_with("members"));
            operation["value"].as_array().map_or(usize::from(is_member), Vec::len)
        };
        initial + operations.map(of).sum::<usize>()
    });
    sizes.max().unwrap_or_default()
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn members_are_changed_in_requests_of_limited_size(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    for (mode, options) in MODES {
        let (server, api) = linked(&app, mode, options()).await?;
        let all: BTreeSet<String> = ids(0..250).into_iter().collect();
        let body = json!({"name": "Everybody", "member_ids": all});
        let group = id(&api.post("groups", &body).await?.created()?)?;
        assert_eq!(members(&server, &group)?, all, "{mode}");
        let path = format!("groups/{group}");
        let again = api.patch(&path, &json!({ "member_ids": all })).await?.success()?;
        assert_eq!(outcomes(&again), ["unchanged"], "{mode}");

        let other: BTreeSet<String> = ids(130..420).into_iter().collect();
        let body = json!({"name": "Others", "member_ids": other});
        let changed = api.patch(&path, &body).await?.success()?;
        assert_eq!(outcomes(&changed), ["applied"], "{mode}");
        assert_eq!(members(&server, &group)?, other, "{mode}");
        assert_eq!(changed["result"]["name"], "Others", "{mode}");

        let body =
            json!({"add_member_ids": ["m-1", "m-130"], "remove_member_ids": ["m-131", "m-0"]});
        api.patch(&path, &body).await?.success()?;
        let mut expected = other;
        expected.insert("m-1".to_owned());
        expected.remove("m-131");
        assert_eq!(members(&server, &group)?, expected, "{mode}");
        let before = writes(&server);
        let again = api.patch(&path, &body).await?.success()?;
        assert_eq!((outcomes(&again), writes(&server)), (vec!["unchanged"], before), "{mode}");
        assert!(largest(&server) <= MOST, "{mode}: {}", largest(&server));

        let one = api.delete(&format!("{path}/members/m-1")).await?.success()?;
        assert_eq!(outcomes(&one), ["applied"], "{mode}");
        api.patch(&path, &json!({"member_ids": []})).await?.success()?;
        assert_eq!(members(&server, &group)?, BTreeSet::new(), "{mode}");
        let deleted = api.delete(&path).await?.success()?;
        assert_eq!(deleted["result"]["outcome"], "applied", "{mode}");
        assert_eq!(server.group(&group), None, "{mode}");
        api.delete(&path).await?.problem(404, "provider_not_found");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn removals_fall_back_to_the_form_that_a_server_accepts(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    // The last server accepts the second form and does not do what it says.
    for (tenant, accepts_values, is_effective, puts) in
        [("values", true, true, 0), ("none", false, true, 1), ("wrong", true, false, 1)]
    {
        let (server, api) = linked(&app, tenant, ScimOptions::default()).await?;
        let member = |number: &str| json!({"value": number, "display": format!("Member {number}")});
        let group = server.add_group(json!({"displayName": "Crew",
            "members": [member("1"), member("2"), member("3")]}));
        server.hook(move |request| {
            let operation = &request.body["Operations"][0];
            if request.method.as_str() != "PATCH" || operation["op"] != "remove" {
                return None;
            }
            if operation["path"] != "members" || !accepts_values {
                return Some(json_response(400, &json!({"scimType": "invalidPath"})));
            }
            (!is_effective).then(|| json_response(200, &json!({})))
        });
        let body = json!({"remove_member_ids": ["2"], "add_member_ids": ["4"]});
        let changed = api.patch(&format!("groups/{group}"), &body).await?.success()?;
        assert_eq!(outcomes(&changed), ["applied"], "{tenant}");
        let expected: BTreeSet<String> = ["1", "3", "4"].map(str::to_owned).into();
        assert_eq!(members(&server, &group)?, expected, "{tenant}");
        assert_eq!(server.calls("PUT", "Groups"), puts, "{tenant}");
    }
    Ok(())
}

/// What a server does with the PATCH that adds members.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Additions {
    Effective,
    Rejected,
    Ignored,
}

/// By the standard, a removal without a filter removes all members.
#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn members_are_added_back_when_a_removal_removes_all(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    for (tenant, additions, adds, puts) in [
        ("effective", Additions::Effective, 3, 0),
        ("rejected", Additions::Rejected, 1, 1),
        ("ignored", Additions::Ignored, 3, 1),
    ] {
        let (server, api) = linked(&app, tenant, ScimOptions::default()).await?;
        let all = ids(0..250);
        let values: Vec<Value> = all.iter().map(|id| json!({ "value": id })).collect();
        let group = server.add_group(json!({"displayName": "Crew", "members": values}));
        let (hooked, id) = (server.clone(), group.clone());
        server.hook(move |request| {
            let operation = &request.body["Operations"][0];
            let done = json_response(200, &json!({}));
            match (operation["op"].as_str()?, operation["path"].as_str()?) {
                ("remove", "members") => {
                    let mut stored = hooked.group(&id)?;
                    stored.as_object_mut()?.remove("members");
                    hooked.replace_group(&id, stored);
                    Some(done)
                }
                ("add", "members") if additions == Additions::Ignored => Some(done),
                ("add", "members") if additions == Additions::Effective => None,
                _ => Some(json_response(400, &json!({"scimType": "invalidPath"}))),
            }
        });
        let body = json!({"remove_member_ids": ["m-2"]});
        let changed = api.patch(&format!("groups/{group}"), &body).await?.success()?;
        assert_eq!(outcomes(&changed), ["applied"], "{tenant}");
        let expected: BTreeSet<String> = all.into_iter().filter(|id| id != "m-2").collect();
        assert_eq!(members(&server, &group)?, expected, "{tenant}");
        let requests = server.requests();
        let is_add = |request: &&ScimRequest| request.body["Operations"][0]["op"] == "add";
        assert_eq!(requests.iter().filter(is_add).count(), adds, "{tenant}");
        assert_eq!(server.calls("PUT", "Groups"), puts, "{tenant}");
        assert!(largest(&server) <= MOST, "{tenant}: {}", largest(&server));
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_put_never_removes_members_that_lists_hide(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let options = ScimOptions { patch: false, ..ScimOptions::default() };
    let (server, api) = linked(&app, "acme", options).await?;
    let group = server.add_group(json!({"displayName": "Crew", "members": [{"value": "1"}]}));
    let hidden = group.clone();
    server.hook(move |request| {
        let is_plain =
            request.method.as_str() == "GET" && request.parameter("attributes").is_none();
        let is_group = request.path == format!("Groups/{hidden}");
        let body = json!({"id": hidden, "displayName": "Crew"});
        (is_plain && is_group).then(|| json_response(200, &body))
    });
    let changed = api.patch(&format!("groups/{group}"), &json!({"add_member_ids": ["2"]})).await?;
    changed.problem(502, "provider_error");
    assert_eq!(writes(&server), 0);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_put_never_removes_members_that_a_server_never_returns(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let options = ScimOptions { patch: false, discovery: false, ..ScimOptions::default() };
    let (server, api) = linked(&app, "acme", options).await?;
    let group = server.add_group(json!({"displayName": "Crew", "members": [{"value": "1"}]}));
    server.rewrite("Groups", |body| {
        let rows = body["Resources"].as_array_mut();
        let rows: Vec<&mut Value> = match rows {
            Some(rows) => rows.iter_mut().collect(),
            None => vec![body],
        };
        for fields in rows.into_iter().filter_map(Value::as_object_mut) {
            fields.remove("members");
        }
    });
    let path = format!("groups/{group}");
    for body in [
        json!({"add_member_ids": ["2"]}),
        json!({"remove_member_ids": ["1"]}),
        json!({"name": "Renamed"}),
    ] {
        api.patch(&path, &body).await?.problem(502, "provider_error");
    }
    assert_eq!(server.requests().iter().filter(|sent| sent.method.as_str() == "PUT").count(), 0);
    assert_eq!(members(&server, &group)?, BTreeSet::from(["1".to_owned()]));
    Ok(())
}

/// A member that another request removes in between is no reason to send a form that may remove all members.
#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_member_that_is_gone_leaves_the_others(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let (server, api) = linked(&app, "acme", ScimOptions::default()).await?;
    let all = ids(0..4);
    let group =
        id(&api.post("groups", &json!({"name": "Crew", "member_ids": all})).await?.created()?)?;
    let (hooked, id) = (server.clone(), group.clone());
    server.hook(move |request| {
        let operations = request.body["Operations"].as_array().into_iter().flatten();
        let paths = operations.filter_map(|operation| operation["path"].as_str());
        let mut gone = paths.filter(|path| path.contains("m-1"));
        gone.next()?;
        let mut stored = hooked.group(&id)?;
        stored["members"].as_array_mut()?.retain(|member| member["value"] != "m-1");
        hooked.replace_group(&id, stored);
        let body = json!({"status": "400", "scimType": "noTarget", "detail": "no such member"});
        Some(json_response(400, &body))
    });
    let path = format!("groups/{group}");
    let changed =
        api.patch(&path, &json!({"remove_member_ids": ["m-1", "m-2"]})).await?.success()?;
    assert_eq!(outcomes(&changed), ["applied"]);
    let rest = ["m-0", "m-3"].map(str::to_owned);
    assert_eq!(members(&server, &group)?, BTreeSet::from(rest));
    for request in server.requests() {
        let mut operations = request.body["Operations"].as_array().into_iter().flatten();
        let has_list =
            |operation: &Value| operation["op"] == "remove" && !operation["value"].is_null();
        assert!(!operations.any(has_list), "{}", request.body);
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn members_are_removed_whatever_the_type_of_their_ids(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    for (tenant, options) in MODES {
        let (server, api) = linked(&app, tenant, options()).await?;
        let numbers = json!([{"value": 7}, {"value": 8}]);
        let group = server.add_group(json!({"displayName": "Crew", "members": numbers}));
        let path = format!("groups/{group}");
        let changed = api.patch(&path, &json!({"remove_member_ids": ["7"]})).await?.success()?;
        assert_eq!(outcomes(&changed), ["applied"], "{tenant}");
        let stored = server.group(&group).context("no group")?["members"].clone();
        assert_eq!(stored, json!([{"value": 8}]), "{tenant}");
    }
    // A removal by path that the server accepts, or for which it finds no member, and that removes nothing.
    for (tenant, status) in [("ignored", 200), ("no-target", 400)] {
        let (server, api) = linked(&app, tenant, ScimOptions::default()).await?;
        let texts = json!([{"value": "7"}, {"value": "8"}]);
        let group = server.add_group(json!({"displayName": "Crew", "members": texts}));
        server.hook(move |request| {
            let path = request.body["Operations"][0]["path"].as_str()?;
            let body = json!({"scimType": "noTarget"});
            path.contains('[').then(|| json_response(status, &body))
        });
        let path = format!("groups/{group}");
        let changed = api.patch(&path, &json!({"remove_member_ids": ["7"]})).await?.success()?;
        assert_eq!(outcomes(&changed), ["applied"], "{tenant}");
        assert_eq!(members(&server, &group)?, BTreeSet::from(["8".to_owned()]), "{tenant}");
        assert_eq!(server.calls("PUT", "Groups"), 0, "{tenant}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn groups_are_workspaces_by_the_settings(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    for (mode, options) in MODES {
        let (server, api) = linked(&app, mode, options()).await?;
        let user = server.add_user(json!({"userName": "ada", "active": true}));
        let inside = server.add_group(json!({"displayName": "ws-sales"}));
        let outside = server.add_group(json!({"displayName": "Everybody"}));
        let member = json!({ "user_id": user });
        let path = format!("workspaces/{inside}/members");
        let rejected = api.post(&path, &member).await?;
        let problem = rejected.problem(501, "unsupported_by_provider");
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains("workspaces_from"), "{mode}: {detail}");

        set(&app, mode, &json!({"workspaces_from": {"prefix": "ws-"}})).await?;
        let added = api.post(&path, &member).await?.created()?;
        assert_eq!(added["result"]["outcome"], "applied", "{mode}");
        assert_eq!(members(&server, &inside)?, BTreeSet::from([user.clone()]), "{mode}");
        let again = api.post(&path, &member).await?.created()?;
        assert_eq!(again["result"]["outcome"], "unchanged", "{mode}");
        let other = api.post(&format!("workspaces/{outside}/members"), &member).await?;
        other.problem(404, "provider_not_found");
        let guest =
            json!({"user_id": user, "user_type": "guest_multi_channel", "channel_ids": ["C1"]});
        api.post(&path, &guest).await?.problem(501, "unsupported_by_provider");

        let body = json!({"email": "eve@example.com", "workspaces": [{"id": inside}]});
        let created = api.post("users", &body).await?.created()?;
        assert_eq!(outcomes(&created), ["applied", "applied"], "{mode}");
        let removed = api.delete(&format!("{path}/{user}")).await?.success()?;
        assert_eq!(removed["result"]["outcome"], "applied", "{mode}");
        assert_eq!(members(&server, &inside)?, BTreeSet::from([id(&created)?]), "{mode}");
    }
    Ok(())
}
