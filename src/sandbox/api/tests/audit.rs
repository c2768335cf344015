//! The audit logs API: entries, access and pagination.

use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use time::Duration;

use super::scim_client::ENTERPRISE;
use super::{Client, is_plain, s};
use crate::sandbox::org::{Actor, GridOrganization, OrgLevel, PersonIndex};
use crate::sandbox::{DEFAULT_CLIENT_ID, InstallTarget, SandboxOptions};

const START: i64 = 1_790_000_000;

/// Returns ordinary members who can be deactivated.
fn members(org: &GridOrganization) -> Vec<PersonIndex> {
    let plain = |index: &PersonIndex| {
        org.person(*index).is_some_and(|one| {
            one.is_active()
                && one.org_level == OrgLevel::Member
                && one.guest_level().is_none()
                && one
                    .memberships
                    .iter()
                    .all(|one| one.level < crate::sandbox::org::WorkspaceLevel::Admin)
        })
    };
    org.directory().iter().copied().filter(plain).collect()
}

/// Deactivates members, one per second, as the primary owner.
fn deactivate(client: &Client, count: usize) -> Vec<String> {
    let org = client.sandbox.snapshot();
    let owner = org.find(&org.primary_owner().unwrap().id).unwrap().0;
    let people = members(&org).into_iter().take(count);
    people
        .map(|index| {
            client.sandbox.advance_clock(Duration::SECOND);
            let actor = Actor::Person(owner);
            client.sandbox.change_org(actor, |edit| edit.deactivate(index)).unwrap();
            org.person(index).unwrap().id.clone()
        })
        .collect()
}

async fn logs(client: &Client, query: &str) -> Value {
    let response = client.get(&format!("/audit/v1/logs?{query}")).await;
    assert_eq!(response.status, StatusCode::OK, "{}", String::from_utf8_lossy(&response.body));
    response.json()
}

fn entities(page: &Value) -> Vec<String> {
    let entries = page["entries"].as_array().unwrap();
    entries.iter().map(|entry| s(&entry["entity"]["user"]["id"]).to_owned()).collect()
}

#[tokio::test]
async fn entry_has_actor_action_entity_and_location() {
    let client = Client::unlimited(60);
    assert_eq!(logs(&client, "").await["entries"], json!([]));
    let gone = deactivate(&client, 1).remove(0);
    let org = client.sandbox.snapshot();
    let person = org.find(&gone).unwrap().1;
    let owner = org.primary_owner().unwrap();
    let page = logs(&client, "").await;
    let entry = &page["entries"][0];
    assert_eq!(page["ok"], true);
    assert_eq!(page["response_metadata"]["next_cursor"], "");
    assert_eq!(s(&entry["id"]).len(), 36);
    assert_eq!(
        (&entry["action"], &entry["date_create"]),
        (&json!("user_deactivated"), &json!(START + 1))
    );
    assert_eq!(entry["actor"]["type"], "user");
    assert_eq!(entry["actor"]["user"]["email"], owner.email);
    assert_eq!(entry["actor"]["user"]["account_type"], "primary_owner");
    assert_eq!(entry["entity"]["type"], "user");
    let user = json!({"id": gone, "name": person.full_name(), "email": person.email,
        "team": org.id, "account_type": "member"});
    assert_eq!(entry["entity"]["user"], user);
    let place = json!({"type": "enterprise", "id": org.id, "name": org.name, "domain": org.domain});
    assert_eq!(entry["context"]["location"], place);
    assert_eq!(client.sandbox.requests(None).counts["audit.logs"], 2);
}

#[tokio::test]
async fn entry_of_an_apps_change_names_the_app() {
    let client = Client::unlimited(200);
    let user = client.person(is_plain);
    let team = client.team(&user, false);
    let at = format!("user_id={user}&team_id={team}");
    let role = format!("role_id=Rl0L&user_ids={user}&entity_ids={team}");
    for (method, args) in [
        ("admin.users.assign", at.clone()),
        ("admin.users.setAdmin", at.clone()),
        ("admin.roles.addAssignments", role.clone()),
        ("admin.roles.removeAssignments", role),
        ("admin.users.setRegular", at.clone()),
        ("admin.users.remove", at),
        ("admin.teams.settings.setName", format!("team_id={team}&name=Renamed")),
    ] {
        assert_eq!(client.code(method, &args).await, "", "{method}");
    }
    let page = logs(&client, "").await;
    let mut entries = page["entries"].as_array().unwrap().clone();
    entries.reverse();
    let actions: Vec<&str> = entries.iter().map(|entry| s(&entry["action"])).collect();
    assert_eq!(
        actions,
        [
            "user_joined_workspace",
            "role_change_to_admin",
            "role_assigned",
            "role_removed",
            "role_change_to_user",
            "user_deactivated",
            "prefs_setting_changed",
        ]
    );
    let named = json!({"id": "Rl0L", "name": "Analytics Admin", "type": "system"});
    assert_eq!(entries[2]["entity"], json!({"type": "role", "role": named}));
    assert_eq!(entries[2]["details"], json!({"target_user": user, "target_entity": team}));
    assert_eq!(entries[1]["entity"]["user"]["account_type"], "admin");
    assert_eq!(entries[6]["entity"]["workspace"]["name"], "Renamed");
    for entry in &entries {
        assert_eq!(entry["context"]["app"]["name"], "Switchboard");
        assert_eq!(entry["context"]["location"]["id"], team);
    }
}

#[tokio::test]
async fn profiles_groups_and_the_organizations_name_have_entries() {
    let client = Client::unlimited(100);
    let user = client.person(is_plain);
    let path = format!("Users/{user}");
    let number = format!("{}:employeeNumber", ENTERPRISE[1]);
    for (path_of, value) in [
        ("title", "Night Watch"),
        ("emails[type eq \"work\"].value", "night.watch@lumenworks.example"),
        (number.as_str(), "one-of-none"),
    ] {
        let operation = json!([{"op": "replace", "path": path_of, "value": value}]);
        client.operate(&path, operation).await;
    }
    let (group, team) = client.sandbox.with_org(|org| {
        let group = org.groups.idp_groups().next().unwrap().1;
        (group.id.clone(), org.workspaces[1].id.clone())
    });
    let channel = client.channel(&team);
    let link = format!("usergroup_id={group}&team_ids={team}");
    let channels = format!("usergroup_id={group}&channel_ids={channel}");
    for (method, args) in [
        ("admin.usergroups.addTeams", &link),
        ("admin.usergroups.addTeams", &link),
        ("admin.usergroups.addChannels", &channels),
        ("admin.usergroups.removeChannels", &channels),
    ] {
        assert_eq!(client.code(method, args).await, "", "{method}");
    }
    let name = json!({"name": "Lumen"});
    client.post_json("/_sandbox/organization", &name).await;
    let page = logs(&client, "").await;
    let mut entries = page["entries"].as_array().unwrap().clone();
    entries.reverse();
    let actions: Vec<&str> = entries.iter().map(|entry| s(&entry["action"])).collect();
    assert_eq!(
        actions,
        [
            "user_profile_updated",
            "user_email_updated",
            "usergroup_added_to_team",
            "default_channel_added_to_usergroup",
            "default_channel_removed_from_usergroup",
            "organization_renamed",
        ]
    );
    assert_eq!(entries[2]["entity"]["usergroup"]["id"], group);
    assert_eq!(entries[2]["context"]["location"]["id"], team);
    assert_eq!(entries[3]["details"], json!({"channel": channel}));
    assert_eq!(entries[5]["entity"]["type"], "enterprise");
    assert_eq!(entries[5]["entity"]["enterprise"]["name"], "Lumen");
}

#[tokio::test]
async fn entry_is_visible_after_the_delay() {
    let client = Client::unlimited(60);
    let path = "/_sandbox/audit-log";
    assert_eq!(client.get(path).await.json(), json!({"delay_s": 0}));
    let set = client.post_json(path, &json!({"delay_s": 120})).await;
    assert_eq!((set.status, set.json()), (StatusCode::OK, json!({"delay_s": 120})));
    let gone = deactivate(&client, 2);
    assert!(entities(&logs(&client, "").await).is_empty());
    client.sandbox.advance_clock(Duration::seconds(118));
    assert!(entities(&logs(&client, "").await).is_empty());
    client.sandbox.advance_clock(Duration::SECOND);
    assert_eq!(entities(&logs(&client, "").await), gone[..1]);
    client.sandbox.advance_clock(Duration::SECOND);
    assert_eq!(entities(&logs(&client, "").await), [gone[1].clone(), gone[0].clone()]);
    let earlier = format!("latest={}", START + 1);
    assert_eq!(entities(&logs(&client, &earlier).await), gone[..1]);
    for wrong in [
        json!({"delay_s": -1}),
        json!({"delay_s": 1.5}),
        json!({"delay_s": 604_801}),
        json!({"delay": 1}),
        json!({}),
    ] {
        let refused = client.post_json(path, &wrong).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    assert_eq!(client.get(path).await.json(), json!({"delay_s": 120}));
    client.sandbox.reset();
    assert_eq!(client.get(path).await.json(), json!({"delay_s": 0}));
}

#[tokio::test]
async fn pages_are_newest_first_and_stable() {
    let client = Client::unlimited(120);
    let mut gone = deactivate(&client, 7);
    gone.reverse();
    let first = logs(&client, "limit=3").await;
    assert_eq!(entities(&first), gone[..3]);
    // New entries do not shift the pages.
    deactivate(&client, 1);
    let cursor = s(&first["response_metadata"]["next_cursor"]).replace('=', "%3D");
    let second = logs(&client, &format!("limit=9&cursor={cursor}")).await;
    assert_eq!(entities(&second), gone[3..]);
    let stale = client.get(&format!("/audit/v1/logs?action=user_created&cursor={cursor}")).await;
    assert_eq!(
        (stale.status, stale.json()["error"].clone()),
        (StatusCode::BAD_REQUEST, json!("invalid_cursor"))
    );
}

#[tokio::test]
async fn filters_narrow_the_log() {
    let client = Client::unlimited(120);
    let gone = deactivate(&client, 4);
    let back = client.sandbox.snapshot().find(&gone[0]).unwrap().0;
    client.sandbox.change_org(Actor::Provider, |edit| edit.reactivate(back)).unwrap();
    let owner = client.sandbox.snapshot().primary_owner().unwrap().id.clone();
    let count = async |query: String| entities(&logs(&client, &query).await).len();
    assert_eq!(count(String::new()).await, 5);
    assert_eq!(count("action=user_reactivated".to_owned()).await, 1);
    assert_eq!(count("action=user_reactivated,user_deactivated".to_owned()).await, 5);
    assert_eq!(count(format!("actor={owner}")).await, 4);
    assert_eq!(count("actor=USLACKUSER".to_owned()).await, 1);
    assert_eq!(count(format!("entity={}", gone[0])).await, 2);
    assert_eq!(count(format!("oldest={}&latest={}", START + 2, START + 3)).await, 2);
    for (query, error) in [
        ("action=nothing_of_the_kind", "invalid_action"),
        ("oldest=x", "invalid_range"),
        ("oldest=1000", "invalid_range"),
        ("oldest=1790000003&latest=1790000001", "invalid_range"),
        ("oldest=1990000000", "invalid_range"),
        ("cursor=bm9uZQ%3D%3D", "invalid_cursor"),
    ] {
        let response = client.get(&format!("/audit/v1/logs?{query}")).await;
        assert_eq!(
            (response.status, s(&response.json()["error"])),
            (StatusCode::BAD_REQUEST, error),
            "{query}"
        );
    }
}

#[tokio::test]
async fn requires_an_owners_org_installation() {
    let client = Client::unlimited(60);
    let refusal = async |token: &str, path: &str| {
        let client = Client { sandbox: client.sandbox.clone(), token: token.to_owned() };
        let response = client.get(path).await;
        (response.status.as_u16(), s(&response.json()["error"]).to_owned())
    };
    let said = |status: u16, code: &str| (status, code.to_owned());
    let path = "/audit/v1/logs";
    let unauthenticated = client.send(Request::get(path).body(Body::empty()).unwrap()).await;
    assert_eq!(unauthenticated.status, StatusCode::UNAUTHORIZED);
    assert_eq!(unauthenticated.json()["error"], "missing_authentication");
    assert_eq!(refusal("xoxp-guess", path).await, said(401, "invalid_authentication"));
    let narrow = client.sandbox.install(DEFAULT_CLIENT_ID, &["users:read"]).unwrap().access_token;
    assert_eq!(refusal(&narrow, path).await, said(401, "invalid_authentication"));
    let admin = client.sandbox.snapshot();
    let admin = admin.people().iter().find(|one| one.org_level == OrgLevel::Admin).unwrap();
    let by_admin = client.installed_by(&admin.id, InstallTarget::Org);
    assert_eq!(refusal(&by_admin, path).await, said(403, "user_not_authorized"));
    let workspace = client.sandbox.snapshot().workspaces[0].id.clone();
    let small = client.installed_by(&admin.id, InstallTarget::Workspace(workspace));
    assert_eq!(refusal(&small, path).await, said(403, "team_not_authorized"));
    assert_eq!(refusal(&client.token, "/audit/v1/other").await, said(404, "bad_endpoint"));
    let post = client.post(path, &[]).await;
    assert_eq!(post.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn actions_and_schemas_are_public_and_limits_are_per_organization() {
    let client = Client::new(SandboxOptions { users: 20, ..SandboxOptions::default() });
    let actions = client.get("/audit/v1/actions").await.json();
    let users: Vec<&str> = actions["actions"]["user"].as_array().unwrap().iter().map(s).collect();
    assert!(users.contains(&"user_deactivated"));
    let schemas = client.get("/audit/v1/schemas").await.json();
    assert!(schemas["schemas"].as_array().unwrap().iter().any(|one| one["type"] == "role"));
    for _ in 0..25 {
        assert_eq!(client.get("/audit/v1/logs").await.status, StatusCode::OK);
    }
    let late = client.get("/audit/v1/logs").await;
    assert_eq!(late.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(
        (late.json()["error"].clone(), late.header("retry-after")),
        (json!("rate_limited"), "2")
    );
}
