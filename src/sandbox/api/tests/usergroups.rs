//! User groups, and links of the identity provider's groups.

use serde_json::json;

use super::{Client, is_plain, s};
use crate::sandbox::org::{Person, WorkspaceLevel};

#[tokio::test]
async fn creates_updates_and_disables_a_user_group() {
    let client = Client::unlimited(200);
    let user = client.person(is_plain);
    let team = client.team(&user, true);
    let made = format!("team_id={team}&name=Night%20shift&handle=night-shift");
    let made = client.call("usergroups.create", &made).await;
    let group = s(&made["usergroup"]["id"]).to_owned();
    let at = format!("team_id={team}&usergroup={group}");
    let filled = client.call("usergroups.users.update", &format!("{at}&users={user}")).await;
    assert_eq!(filled["usergroup"]["users"], json!([user]));
    assert_eq!(client.call("usergroups.users.list", &at).await["users"], json!([user]));
    let renamed = client.call("usergroups.update", &format!("{at}&name=Late%20shift")).await;
    assert_eq!(renamed["usergroup"]["handle"], "night-shift");
    let listed = async |more: &str| {
        let list = client.call("usergroups.list", &format!("team_id={team}{more}")).await;
        list["usergroups"].as_array().unwrap().iter().any(|row| row["name"] == "Late shift")
    };
    assert!(listed("").await);
    assert_eq!(client.code("usergroups.disable", &at).await, "");
    assert!(!listed("").await && listed("&include_disabled=true").await);
    assert_eq!(client.code("usergroups.enable", &at).await, "");
    assert!(listed("").await);
}

#[tokio::test]
async fn rejects_invalid_user_groups() {
    let client = Client::unlimited(200);
    let user = client.person(is_plain);
    let (team, other) = (client.team(&user, true), client.team(&user, false));
    let code = async |query: &str| client.code("usergroups.create", query).await;
    let first = format!("team_id={team}&name=Crew&handle=crew");
    assert_eq!(code(&first).await, "");
    assert_eq!(code(&first).await, "name_already_exists");
    assert_eq!(code("name=Crew").await, "target_team_must_be_specified_in_org_context");
    assert_eq!(code(&format!("team_id={team}&name=C&handle=crew")).await, "handle_already_exists");
    assert_eq!(code(&format!("team_id={team}&name=C&handle=C%20W")).await, "bad_handle");
    let foreign = client.channel(&other);
    let code = code(&format!("team_id={team}&name=C&channels={foreign}")).await;
    assert_eq!(code, "invalid_channel_provided");
    let made = client.call("usergroups.create", &format!("team_id={other}&name=Crew")).await;
    let at = format!("team_id={other}&usergroup={}", s(&made["usergroup"]["id"]));
    let stranger = format!("{at}&users={user}");
    let code = client.code("usergroups.users.update", &stranger).await;
    assert_eq!(code, "failed_for_some_users");
}

#[tokio::test]
async fn user_group_takes_full_members_and_unique_handle() {
    let client = Client::unlimited(200);
    let team = client.sandbox.with_org(|org| org.workspaces[1].id.clone());
    let member = |level: Option<WorkspaceLevel>| {
        let fits = |one: &Person| one.guest_level() == level && one.membership(1).is_some();
        client.person(|one| one.is_active() && fits(one))
    };
    let made = client.call("usergroups.create", &format!("team_id={team}&name=Crew")).await;
    let at = format!("team_id={team}&usergroup={}", s(&made["usergroup"]["id"]));
    for (users, code) in [
        (member(Some(WorkspaceLevel::SingleChannelGuest)), "single_channel_guests_cannot_be_added"),
        (member(Some(WorkspaceLevel::MultiChannelGuest)), "invalid_users"),
        ("U404".to_owned(), "invalid_users"),
        (String::new(), "no_users_provided"),
        (member(None), ""),
    ] {
        let query = format!("{at}&users={users}");
        assert_eq!(client.code("usergroups.users.update", &query).await, code, "{users}");
    }
    let name = client.sandbox.with_org(|org| org.find(&member(None)).unwrap().1.username.clone());
    for handle in ["random", &name] {
        let query = format!("{at}&handle={handle}");
        let code = client.code("usergroups.update", &query).await;
        assert_eq!(code, "handle_already_exists", "{handle}");
    }
    let counted = client.call("usergroups.enable", &format!("{at}&include_count=1")).await;
    assert_eq!(counted["usergroup"]["user_count"], 1);
    let plain = client.call("usergroups.enable", &at).await;
    assert_eq!(plain["usergroup"].get("user_count"), None);
}

#[tokio::test]
async fn org_token_requires_team_id() {
    let client = Client::unlimited(100);
    let team = client.sandbox.with_org(|org| org.workspaces[0].id.clone());
    let made = client.call("usergroups.create", &format!("team_id={team}&name=Crew")).await;
    let group = s(&made["usergroup"]["id"]).to_owned();
    for (method, missing, unknown) in [
        (
            "usergroups.disable",
            "target_team_must_be_specified_in_org_context",
            "target_team_not_on_org",
        ),
        ("usergroups.enable", "missing_argument", "team_access_not_granted"),
        ("usergroups.list", "missing_argument", "invalid_team"),
        ("usergroups.users.list", "no_such_subteam", "no_such_subteam"),
    ] {
        let query = format!("usergroup={group}");
        assert_eq!(client.code(method, &query).await, missing, "{method}");
        let query = format!("{query}&team_id=T404");
        assert_eq!(client.code(method, &query).await, unknown, "{method}");
    }
    let wrong = format!("usergroup_id={}&team_ids=T404,{team}", idp_group(&client));
    let refused = client.call("admin.usergroups.addTeams", &wrong).await;
    assert_eq!(refused, json!({"ok": false, "error": "invalid_team_ids", "errors": ["T404"]}));
}

fn idp_group(client: &Client) -> String {
    client.sandbox.with_org(|org| org.groups.idp_groups().next().unwrap().1.id.clone())
}

#[tokio::test]
async fn idp_group_is_linked_and_read_only() {
    let client = Client::unlimited(200);
    let (group, team, missing) = client.sandbox.with_org(|org| {
        let named = |name| org.groups.iter().find(move |(_, group)| group.name == name).unwrap().1;
        let all = named("All Employees");
        let absent = all.members.iter().find(|index| {
            org.person(**index).is_some_and(|one| one.is_active() && one.membership(1).is_none())
        });
        let id = org.person(*absent.unwrap()).unwrap().id.clone();
        (all.id.clone(), org.workspaces[1].id.clone(), id)
    });
    let at = format!("usergroup_id={group}");
    let linked = format!("{at}&team_id={team}");
    let code = client.code("admin.usergroups.listChannels", &linked).await;
    assert_eq!(code, "usergroup_not_linked_to_team");
    let link = format!("{at}&team_ids={team}&auto_provision=true");
    assert_eq!(client.code("admin.usergroups.addTeams", &link).await, "");
    assert!(client.row(&missing, &format!("team_id={team}")).await.is_some());
    let channel = client.channel(&team);
    let channels = async || {
        let list = client.call("admin.usergroups.listChannels", &linked).await;
        list["channels"].as_array().unwrap().len()
    };
    let change = format!("{at}&channel_ids={channel}");
    assert_eq!(client.code("admin.usergroups.addChannels", &change).await, "");
    assert_eq!(channels().await, 1);
    assert_eq!(client.code("admin.usergroups.removeChannels", &change).await, "");
    assert_eq!(channels().await, 0);
    let fill = format!("team_id={team}&usergroup={group}&users={missing}");
    assert_eq!(client.code("usergroups.users.update", &fill).await, "permission_denied");
}
