//! Sessions: list, end and settings.

use serde_json::Value;

use super::{Client, ids, is_plain, s};
use crate::sandbox::org::{Actor, OrgLevel, WorkspaceLevel};

async fn sessions(client: &Client, user: &str) -> Vec<Value> {
    let team = client.team(user, true);
    let query = format!("user_id={user}&team_id={team}");
    let list = client.call("admin.users.session.list", &query).await;
    list["active_sessions"].as_array().cloned().unwrap_or_default()
}

/// Returns an ordinary member with a session on a phone and on another device.
fn user_of_two(client: &Client) -> String {
    client.sandbox.with_org(|org| {
        let mut people = org.people().iter().enumerate();
        let found = people.find(|(index, one)| is_plain(one) && org.sessions_of(*index).len() > 1);
        found.unwrap().1.id.clone()
    })
}

#[tokio::test]
async fn lists_each_session_once_and_ends_it() {
    let client = Client::unlimited(200);
    let all = client.all("admin.users.session.list", "active_sessions", "", 7).await;
    let rows: Vec<Value> =
        all.iter().map(|row| serde_json::json!({"id": row["session_id"].to_string()})).collect();
    assert!(ids(&rows).len() > 100);
    let user = user_of_two(&client);
    let first = sessions(&client, &user).await;
    let end = format!("user_id={user}&session_id={}", first[0]["session_id"]);
    assert_eq!(client.code("admin.users.session.invalidate", &end).await, "");
    assert_eq!(client.code("admin.users.session.invalidate", &end).await, "session_not_found");
    assert_eq!(sessions(&client, &user).await.len(), first.len() - 1);
}

#[tokio::test]
async fn reset_ends_sessions_of_selected_devices() {
    let client = Client::unlimited(200);
    let user = user_of_two(&client);
    let before = sessions(&client, &user).await.len();
    let mobile = format!("user_id={user}&mobile_only=true");
    assert_eq!(client.code("admin.users.session.reset", &mobile).await, "");
    assert_eq!(sessions(&client, &user).await.len(), before - 1);
    let all = format!("user_ids={user}");
    assert_eq!(client.code("admin.users.session.resetBulk", &all).await, "");
    let team = client.team(&user, true);
    let query = format!("user_id={user}&team_id={team}");
    assert_eq!(client.code("admin.users.session.list", &query).await, "no_active_sessions");
    let half = format!("user_ids={user},U0");
    let code = client.code("admin.users.session.resetBulk", &half).await;
    assert_eq!(code, "failed_for_some_users");
    let code = client.code("admin.users.session.list", &format!("user_id={user}")).await;
    assert_eq!(code, "missing_team");
    let code = client.code("admin.users.session.list", &format!("team_id={team}")).await;
    assert_eq!(code, "missing_user");
}

#[tokio::test]
async fn only_primary_owner_ends_own_sessions() {
    let client = Client::unlimited(200);
    let owner = client.person(|one| one.org_level == OrgLevel::PrimaryOwner);
    let admin = client.person(|one| one.org_level == OrgLevel::Admin && one.is_active());
    let token = client.sandbox.install_as(crate::sandbox::DEFAULT_CLIENT_ID, &admin, super::SCOPES);
    let other = Client { sandbox: client.sandbox.clone(), token: token.unwrap().access_token };
    let at = format!("user_id={owner}");
    let code = other.code("admin.users.session.reset", &at).await;
    assert_eq!(code, "cannot_reset_primary_owner");
    assert_eq!(client.code("admin.users.session.reset", &at).await, "");
}

#[tokio::test]
async fn session_settings_persist_until_cleared() {
    let client = Client::unlimited(200);
    let user =
        client.person(|one| one.memberships.iter().any(|one| one.level == WorkspaceLevel::Member));
    let at = format!("user_ids={user}");
    let get_settings = async || client.call("admin.users.session.getSettings", &at).await;
    assert_eq!(s(&get_settings().await["no_settings_applied"][0]), user);
    for one in ["duration=86400", "desktop_app_browser_quit=true"] {
        let set = format!("{at}&{one}");
        assert_eq!(client.code("admin.users.session.setSettings", &set).await, "");
    }
    let stored = &get_settings().await["session_settings"][0];
    assert_eq!(
        (&stored["duration"], &stored["desktop_app_browser_quit"]),
        (&86_400.into(), &true.into())
    );
    for wrong in [28_799, 315_569_521] {
        let set = format!("{at}&duration={wrong}");
        let code = client.code("admin.users.session.setSettings", &set).await;
        assert_eq!(code, "invalid_arguments");
    }
    assert_eq!(client.code("admin.users.session.clearSettings", &at).await, "");
    assert_eq!(get_settings().await["session_settings"], serde_json::json!([]));
    let code = client.code("admin.users.session.setSettings", &at).await;
    assert_eq!(code, "at_least_one_session_setting_required");
}

#[tokio::test]
async fn deactivation_ends_sessions() {
    let client = Client::unlimited(200);
    let user = user_of_two(&client);
    assert!(!sessions(&client, &user).await.is_empty());
    let index = client.sandbox.with_org(|org| org.find(&user).unwrap().0);
    client.sandbox.change_org(Actor::Provider, |edit| {
        edit.deactivate(index).unwrap();
        edit.reactivate(index).unwrap();
    });
    assert!(sessions(&client, &user).await.is_empty());
}

#[tokio::test]
async fn only_changed_sessions_have_a_recent_state() {
    let client = Client::unlimited(200);
    let all = client.all("admin.users.session.list", "active_sessions", "", 100).await;
    let (changed, same): (Vec<&Value>, Vec<&Value>) =
        all.iter().partition(|row| row.get("recent").is_some());
    assert!(!changed.is_empty() && !same.is_empty());
    assert!(changed.iter().all(|row| row["recent"] != row["created"]));
}
