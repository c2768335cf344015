//! Web API methods, compared with the state of the organization.

use std::collections::{BTreeSet, HashSet};

use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::json;
use time::Duration;

use super::{Client, ids, s};
use crate::sandbox::DEFAULT_CLIENT_ID;
use crate::sandbox::org::{OrgLevel, PersonStatus, WorkspaceLevel};

#[tokio::test]
async fn admin_users_list_returns_each_user_exactly_once() {
    let client = Client::unlimited(237);
    let org = client.sandbox.snapshot();
    let mut seen = BTreeSet::new();
    for (query, active) in [("is_active=true", true), ("is_active=false", false)] {
        let rows = client.all("admin.users.list", "users", query, 7).await;
        assert!(rows.iter().all(|row| row["is_active"] == active));
        let wanted: BTreeSet<String> = org
            .people()
            .iter()
            .filter(|one| one.is_active() == active)
            .map(|one| one.id.clone())
            .collect();
        assert_eq!(ids(&rows), wanted);
        seen.extend(wanted);
        for row in rows {
            let (_, person) = org.find(s(&row["id"])).unwrap();
            assert_eq!(row["is_owner"], person.org_level >= OrgLevel::Owner);
            assert_eq!(row["is_restricted"], person.guest_level().is_some());
            assert_eq!(row["deactivated_ts"], person.deactivated_at());
        }
    }
    assert_eq!(seen.len(), 237);
}

#[tokio::test]
async fn lists_workspace_members_with_their_level() {
    let client = Client::unlimited(200);
    let org = client.sandbox.snapshot();
    for (number, workspace) in org.workspaces.iter().enumerate() {
        let mut wanted = HashSet::new();
        for active in ["true", "false"] {
            let query = format!("team_id={}&is_active={active}", workspace.id);
            let rows = client.all("admin.users.list", "users", &query, 9).await;
            for row in &rows {
                let (index, person) = org.find(s(&row["id"])).unwrap();
                let level = person.membership(number).unwrap().level;
                assert_eq!(row["is_primary_owner"], level == WorkspaceLevel::PrimaryOwner);
                assert_eq!(row["is_admin"], level >= WorkspaceLevel::Admin);
                assert_eq!(row["is_ultra_restricted"], level == WorkspaceLevel::SingleChannelGuest);
                wanted.insert(index);
            }
        }
        assert_eq!(wanted, workspace.members.iter().copied().collect());
        let list = client.call("users.list", &format!("team_id={}", workspace.id)).await;
        assert_eq!(list["members"].as_array().unwrap().len(), workspace.members.len());
    }
    let guests = client.all("admin.users.list", "users", "only_guests=1", 5).await;
    assert!(!guests.is_empty() && guests.iter().all(|row| row["is_restricted"] == true));
    let of = async |query: &str| client.all("admin.users.list", "users", query, 50).await;
    let (admins, owners) = (of("include_admins=1").await, of("include_owners=1").await);
    assert!(!admins.is_empty() && admins.iter().all(|row| row["is_owner"] == false), "{admins:?}");
    assert!(!owners.is_empty() && owners.iter().all(|row| row["is_owner"] == true), "{owners:?}");
    let both = of("include_admins=1&include_owners=1").await;
    assert_eq!(both.len(), admins.len() + owners.len());
    let refused = client.call("admin.users.list", "only_guests=1&include_admins=1").await;
    assert_eq!(refused["error"], "invalid_arguments");
}

#[tokio::test]
async fn teams_owners_admins_and_roles_match_the_organization() {
    let client = Client::unlimited(400);
    let org = client.sandbox.snapshot();
    let teams = client.all("admin.teams.list", "teams", "", 2).await;
    assert_eq!(ids(&teams).len(), 5);
    let team = &org.workspaces[1];
    let query = format!("team_id={}", team.id);
    let owners = client.all("admin.teams.owners.list", "owner_ids", &query, 1).await;
    assert!(owners.contains(&json!(org.person(team.primary_owner).unwrap().id)));
    let admins = client.all("admin.teams.admins.list", "admin_ids", &query, 1).await;
    assert!(!admins.is_empty());
    let info = client.call("admin.teams.settings.info", &query).await;
    assert_eq!(info["team"]["domain"], team.domain);
    for order in ["ASC", "DESC"] {
        let query = format!("sort_dir={order}");
        let rows = client.all("admin.roles.listAssignments", "role_assignments", &query, 4).await;
        assert_eq!(rows.len(), org.roles.len());
        let dates: Vec<i64> = rows.iter().map(|row| row["date_create"].as_i64().unwrap()).collect();
        assert!(dates.is_sorted_by(|a, b| if order == "ASC" { a <= b } else { a >= b }));
    }
}

#[tokio::test]
async fn user_objects_flag_invited_people_and_hide_emails_without_scope() {
    let client = Client::unlimited(200);
    let org = client.sandbox.snapshot();
    let invited = org.people().iter().find(|one| one.status == PersonStatus::Invited).unwrap();
    let info = client.call("users.info", &format!("user={}&include_locale=1", invited.id)).await;
    assert_eq!(info["user"]["is_invited_user"], true);
    assert_eq!(info["user"]["profile"]["email"], invited.email);
    assert_eq!(info["user"]["enterprise_user"]["enterprise_id"], org.id);
    let email = invited.email.to_uppercase();
    let found = client.call("users.lookupByEmail", &format!("email={email}")).await;
    assert_eq!(found["user"]["id"], invited.id);
    let token = client.sandbox.install(DEFAULT_CLIENT_ID, &["users:read"]).unwrap().access_token;
    let narrow = Client { sandbox: client.sandbox.clone(), token };
    let info = narrow.call("users.info", &format!("user={}", invited.id)).await;
    assert_eq!(info["user"]["profile"].get("email"), None);
    let refused = narrow.call("admin.users.list", "").await;
    assert_eq!(refused["error"], "missing_scope");
    assert_eq!(refused["needed"], "admin.users:read");
    assert_eq!(refused["provided"], "users:read");
}

#[tokio::test]
async fn people_of_other_companies_are_in_no_list() {
    let client = Client::unlimited(20);
    let org = client.sandbox.snapshot();
    let listed = ids(&client.all("admin.users.list", "users", "", 50).await);
    assert_eq!(org.external_people.len(), 3);
    for person in &org.external_people {
        let info = client.call("users.info", &format!("user={}", person.id)).await;
        assert_eq!(info["user"]["team_id"], person.team_id);
        assert_eq!(info["user"]["is_stranger"], person.is_stranger);
        let enterprise = info["user"]["enterprise_user"]["enterprise_id"].as_str();
        assert_eq!(enterprise, person.enterprise_id.as_deref());
        assert!(!listed.contains(&person.id));
        let team = format!("team_id={}", person.team_id);
        assert_eq!(client.code("users.list", &team).await, "team_not_found");
    }
}

#[tokio::test]
async fn errors_have_slacks_codes() {
    let client = Client::unlimited(20);
    for (method, query, error) in [
        ("no.such.method", "", "unknown_method"),
        ("admin.users.list", "team_id=T404", "team_not_found"),
        ("admin.users.list", "limit=0", "invalid_arguments"),
        ("admin.users.list", "is_active=perhaps", "invalid_arguments"),
        ("admin.users.list", "cursor=dXNlcjpVMDYxTkZUVDI%3D", "invalid_cursor"),
        ("admin.teams.list", "limit=1001", "invalid_limit"),
        ("admin.teams.settings.info", "", "invalid_arguments"),
        ("admin.roles.listAssignments", "sort_dir=up", "invalid_sort"),
        ("users.info", "user=U404", "user_not_found"),
        ("users.list", "", "missing_argument"),
        ("users.lookupByEmail", "email=nobody%40nowhere.example", "users_not_found"),
    ] {
        let response = client.get(&format!("/api/{method}?{query}")).await;
        assert_eq!(
            (response.status, s(&response.json()["error"])),
            (StatusCode::OK, error),
            "{method}"
        );
        assert!(!response.header("x-slack-req-id").is_empty());
    }
    let page = client.call("admin.users.list", "limit=2").await;
    let cursor = s(&page["response_metadata"]["next_cursor"]).replace('=', "%3D");
    let other = client.call("admin.users.list", &format!("is_active=0&cursor={cursor}")).await;
    assert_eq!(other["error"], "invalid_cursor");
    client.sandbox.advance_clock(Duration::minutes(61));
    let late = client.call("admin.users.list", &format!("cursor={cursor}")).await;
    assert_eq!(late["error"], "invalid_cursor");
}

#[tokio::test]
async fn accepts_multipart_forms() {
    let client = Client::unlimited(20);
    let send = async |body: &str| {
        let request = Request::post("/api/api.test")
            .header("content-type", "multipart/form-data; boundary=here")
            .body(Body::from(body.to_owned()));
        client.send(request.unwrap()).await.json()
    };
    let part = "--here\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb c\r\n--here--\r\n";
    assert_eq!(send(part).await["args"]["a"], "b c");
    assert_eq!(send("--there").await["error"], "invalid_form_data");
}

#[tokio::test]
async fn rejects_array_for_string_argument() {
    let client = Client::unlimited(20);
    let request = Request::post("/api/users.info")
        .header("content-type", "application/json; charset=utf-8")
        .header("authorization", format!("Bearer {}", client.token))
        .body(Body::from(r#"{"user":["U1"]}"#));
    let response = client.send(request.unwrap()).await.json();
    assert_eq!(response["error"], "invalid_array_arg");
}
