//! Assignment and removal of system roles.

use super::{Client, is_plain};
use crate::sandbox::InstallTarget;
use crate::sandbox::org::OrgLevel;

async fn held(client: &Client, role: &str, user: &str) -> Vec<String> {
    let query = format!("role_ids={role}");
    let rows = client.all("admin.roles.listAssignments", "role_assignments", &query, 200).await;
    let mine = rows.iter().filter(|row| row["user_id"] == user);
    mine.map(|row| super::s(&row["entity_id"]).to_owned()).collect()
}

#[tokio::test]
async fn assigns_and_removes_a_role() {
    let client = Client::unlimited(200);
    let user = client.person(is_plain);
    let team = client.team(&user, true);
    let args = format!("role_id=Rl0L&user_ids={user}&entity_ids={team}");
    for _ in 0..2 {
        assert_eq!(client.code("admin.roles.addAssignments", &args).await, "");
        assert_eq!(held(&client, "Rl0L", &user).await, std::slice::from_ref(&team));
    }
    for _ in 0..2 {
        assert_eq!(client.code("admin.roles.removeAssignments", &args).await, "");
        assert!(held(&client, "Rl0L", &user).await.is_empty());
    }
}

#[tokio::test]
async fn applies_valid_ids_and_reports_invalid_ones() {
    let client = Client::unlimited(200);
    let user = client.person(is_plain);
    let guest = client.person(|one| one.guest_level().is_some() && one.is_active());
    let team = client.team(&user, true);
    let org = client.sandbox.with_org(|org| org.id.clone());
    let args = format!("role_id=Rl0J&user_ids={user},{guest},U0&entity_ids={org},{team}");
    let response = client.call("admin.roles.addAssignments", &args).await;
    assert_eq!(response["error"], "failed_for_some_users_and_entities");
    let rejected: Vec<_> = response["rejected_users"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["id"].clone())
        .collect();
    assert_eq!(rejected, [guest.clone(), "U0".to_owned()]);
    let reason = serde_json::json!([{"id": team, "error": "invalid_auth"}]);
    assert_eq!(response["rejected_entities"], reason);
    assert_eq!(held(&client, "Rl0J", &user).await, std::slice::from_ref(&org));
    let code = async |args: String| client.code("admin.roles.addAssignments", &args).await;
    assert_eq!(
        code(format!("role_id=Rl01&user_ids={guest}&entity_ids={org}")).await,
        "no_valid_users"
    );
    assert_eq!(
        code(format!("role_id=Rl01&user_ids={user}&entity_ids=T0")).await,
        "no_valid_entities"
    );
    assert_eq!(
        code(format!("role_id=admin&user_ids={user}&entity_ids={org}")).await,
        "invalid_role_id"
    );
    let many = ["U0"; 11].join(",");
    assert_eq!(
        code(format!("role_id=Rl01&user_ids={many}&entity_ids={org}")).await,
        "too_many_users"
    );
}

#[tokio::test]
async fn channels_support_only_channel_managers() {
    let client = Client::unlimited(200);
    let user = client.person(is_plain);
    let channel = client.channel(&client.team(&user, true));
    let args = |role: &str| format!("role_id={role}&user_ids=['{user}']&entity_ids=['{channel}']");
    assert_eq!(client.code("admin.roles.addAssignments", &args("Rl0A")).await, "");
    assert!(held(&client, "Rl0A", &user).await.contains(&channel));
    assert_eq!(client.code("admin.roles.addAssignments", &args("Rl01")).await, "no_valid_entities");
}

#[tokio::test]
async fn only_owners_assign_role_admins() {
    let client = Client::unlimited(200);
    let user = client.person(is_plain);
    let admin = client.person(|one| one.org_level == OrgLevel::Admin && one.is_active());
    let lower = Client {
        sandbox: client.sandbox.clone(),
        token: client.installed_by(&admin, InstallTarget::Org),
    };
    let org = client.sandbox.with_org(|org| org.id.clone());
    let args = |role: &str| format!("role_id={role}&user_ids={user}&entity_ids={org}");
    for method in ["admin.roles.addAssignments", "admin.roles.removeAssignments"] {
        assert_eq!(lower.code(method, &args("Rl02")).await, "cannot_modify_role_admin", "{method}");
        assert_eq!(lower.code(method, &args("Rl03")).await, "", "{method}");
        assert_eq!(client.code(method, &args("Rl02")).await, "", "{method}");
    }
}
