//! Channels (read-only).

use serde_json::Value;

use super::{Client, ids, is_plain, s};
use crate::sandbox::org::OrgLevel;
use crate::sandbox::{DEFAULT_CLIENT_ID, InstallTarget};

fn names(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| s(&row["name"])).collect()
}

#[tokio::test]
async fn lists_channels_of_a_workspace_by_type() {
    let client = Client::unlimited(200);
    let team = client.sandbox.with_org(|org| org.workspaces[0].id.clone());
    let list = async |query: &str| {
        let query = format!("team_id={team}{query}");
        client.all("conversations.list", "channels", &query, 2).await
    };
    let open = list("").await;
    assert_eq!(ids(&open).len(), 6);
    assert!(names(&open).contains(&"summer-party-2023"));
    assert!(!names(&list("&exclude_archived=true").await).contains(&"summer-party-2023"));
    for row in list("&types=public_channel,private_channel").await {
        let info = format!("channel={}&include_num_members=true", s(&row["id"]));
        let info = client.call("conversations.info", &info).await;
        assert_eq!(info["channel"]["num_members"], row["num_members"]);
    }
    assert_eq!(client.code("conversations.list", "").await, "missing_argument");
    let types = format!("team_id={team}&types=public");
    assert_eq!(client.code("conversations.list", &types).await, "invalid_types");
    let types = format!("team_id={team}&types=im");
    assert_eq!(client.code("conversations.list", &types).await, "missing_scope");
}

#[tokio::test]
async fn members_and_user_channels_agree() {
    let client = Client::unlimited(200);
    let user = client.person(is_plain);
    let team = client.team(&user, true);
    let query = format!("user={user}&team_id={team}");
    let mine = client.all("users.conversations", "channels", &query, 3).await;
    assert!(names(&mine).contains(&"general"));
    let query = format!("team_id={team}");
    for row in client.all("conversations.list", "channels", &query, 100).await {
        let query = format!("channel={}", s(&row["id"]));
        let members = client.all("conversations.members", "members", &query, 7).await;
        assert_eq!(members.len(), row["num_members"], "{}", row["name"]);
        let is_in = members.contains(&user.clone().into());
        assert_eq!(is_in, names(&mine).contains(&s(&row["name"])), "{}", row["name"]);
    }
    assert_eq!(client.code("conversations.members", "channel=C0").await, "channel_not_found");
}

#[tokio::test]
async fn administrators_search_all_channels() {
    let client = Client::unlimited(200);
    let teams = client.sandbox.with_org(|org| org.workspaces.len());
    let search = async |query: &str| {
        client.all("admin.conversations.search", "conversations", query, 20).await
    };
    assert_eq!(ids(&search("").await).len(), 7 * teams);
    let found = search("query=GENERAL&sort=name&sort_dir=asc").await;
    assert_eq!(names(&found), vec!["general"; teams]);
    assert_eq!(search("search_channel_types=private").await.len(), teams);
    assert_eq!(search("search_channel_types=org_wide").await.len(), 0);
    let biggest = search("").await;
    let counts: Vec<u64> = biggest.iter().filter_map(|row| row["member_count"].as_u64()).collect();
    assert!(counts.is_sorted_by(|a, b| a >= b));
    let code = async |query: &str| client.code("admin.conversations.search", query).await;
    assert_eq!(code("sort=size").await, "invalid_sort");
    assert_eq!(code("sort_dir=up").await, "invalid_sort_dir");
    assert_eq!(code("search_channel_types=x").await, "invalid_search_channel_type");
    assert_eq!(code("team_ids=T0").await, "team_not_found");
    assert_eq!(code("limit=21").await, "invalid_arguments");
    let connected = "external_team_not_connected_to_this_org";
    assert_eq!(code("connected_team_ids=E0").await, connected);
    let closed = search("search_channel_types=archived").await;
    assert!(closed.iter().all(|row| row["member_count"] == -1));
    let either = search("search_channel_types=archived,private").await;
    assert_eq!(either.len(), closed.len() + teams);
    let best = search("query=general&sort=relevant").await;
    assert_eq!(best[0]["name"], "general");
}

#[tokio::test]
async fn only_primary_owner_searches_private_channels() {
    let client = Client::unlimited(200);
    let admin = client.person(|one| one.org_level == OrgLevel::Admin && one.is_active());
    let token = client.installed_by(&admin, InstallTarget::Org);
    let client = Client { sandbox: client.sandbox, token };
    let rows = client.all("admin.conversations.search", "conversations", "", 20).await;
    assert!(!rows.is_empty() && rows.iter().all(|row| row["is_private"] == false));
    let private = "search_channel_types=private";
    assert_eq!(client.code("admin.conversations.search", private).await, "not_allowed");
}

#[tokio::test]
async fn token_sees_channels_of_its_workspace_and_scopes() {
    let client = Client::unlimited(200);
    let user = client.person(is_plain);
    let (own, other) = (client.team(&user, true), client.team(&user, false));
    let (near, far) = (client.channel(&own), client.channel(&other));
    let scopes = &["groups:read"];
    let narrow = client.sandbox.install(DEFAULT_CLIENT_ID, scopes).unwrap().access_token;
    let token = client.installed_by(&user, InstallTarget::Workspace(own));
    let member = Client { sandbox: client.sandbox.clone(), token };
    for method in ["conversations.info", "conversations.members"] {
        assert_eq!(member.code(method, &format!("channel={near}")).await, "");
        let code = member.code(method, &format!("channel={far}")).await;
        assert_eq!(code, "channel_not_found");
    }
    let list = member.call("conversations.list", &format!("team_id={other}")).await;
    assert!(ids(list["channels"].as_array().unwrap()).contains(&near));
    let narrow = Client { sandbox: client.sandbox, token: narrow };
    for method in ["conversations.info", "conversations.members"] {
        let refused = narrow.call(method, &format!("channel={near}")).await;
        let said = (s(&refused["error"]), s(&refused["needed"]));
        assert_eq!(said, ("missing_scope", "channels:read"));
    }
    assert_eq!(
        narrow.code("users.conversations", "types=private_channel").await,
        "missing_argument"
    );
}
