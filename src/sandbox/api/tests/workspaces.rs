//! Creation and settings of workspaces.

use super::Client;

#[tokio::test]
async fn creates_workspace_owned_by_its_creator() {
    let client = Client::unlimited(50);
    let wanted = "team_domain=night-shift&team_name=Night%20Shift&team_discoverability=unlisted";
    let made = client.call("admin.teams.create", wanted).await;
    let team = super::s(&made["team"]).to_owned();
    let teams = client.all("admin.teams.list", "teams", "", 100).await;
    let row = teams.iter().find(|row| row["id"] == team.as_str()).unwrap();
    let owner = client.sandbox.with_org(|org| org.primary_owner().unwrap().id.clone());
    assert_eq!(row["primary_owner"]["user_id"], owner);
    assert_eq!(row["discoverability"], "unlisted");
    let info = client.call("admin.teams.settings.info", &format!("team_id={team}")).await;
    assert_eq!(info["team"]["default_channels"].as_array().unwrap().len(), 2);
    let members = client.all("admin.users.list", "users", &format!("team_id={team}"), 10).await;
    assert_eq!((members.len(), &members[0]["is_primary_owner"]), (1, &true.into()));
    for (query, code) in [
        ("team_domain=other", "must_provide_team_name"),
        ("team_domain=&team_name=Other", "must_provide_team_domain"),
        ("team_domain=night-shift&team_name=Other", "domain_taken"),
        ("team_domain=lumenworks&team_name=Other", "domain_taken"),
        ("team_domain=other&team_name=night%20shift", "name_taken_in_org"),
        ("team_domain=two%20words&team_name=Other", "bad_url"),
        ("team_domain=longer-than-twenty-one-letters&team_name=Other", "bad_url"),
        ("team_domain=o&team_name=O&team_discoverability=x", "discoverability_setting_invalid"),
    ] {
        assert_eq!(client.code("admin.teams.create", query).await, code, "{query}");
    }
}

#[tokio::test]
async fn changes_workspace_settings() {
    let client = Client::unlimited(50);
    let team = client.sandbox.with_org(|org| org.workspaces[1].id.clone());
    let channel = client.channel(&team);
    for (setting, value) in [
        ("setName", "name=New%20name".to_owned()),
        ("setDescription", "description=About%20it".to_owned()),
        ("setDiscoverability", "discoverability=closed".to_owned()),
        ("setIcon", "image_url=https://example.com/icon.png".to_owned()),
        ("setDefaultChannels", format!("channel_ids={channel}")),
    ] {
        let method = format!("admin.teams.settings.{setting}");
        let code = client.code(&method, &format!("team_id={team}&{value}")).await;
        assert_eq!(code, "", "{setting}");
        let nowhere = client.code(&method, &format!("team_id=T0&{value}")).await;
        assert_eq!(nowhere, "team_not_found", "{setting}");
    }
    let info = client.call("admin.teams.settings.info", &format!("team_id={team}")).await;
    assert_eq!(info["team"]["name"], "New name");
    assert_eq!(info["team"]["icon"]["image_230"], "https://example.com/icon.png");
    assert_eq!(info["team"]["default_channels"], serde_json::json!([channel]));
    let elsewhere = client.sandbox.with_org(|org| org.workspaces[0].id.clone());
    let foreign = client.channel(&elsewhere);
    for (setting, value, code) in [
        ("setDefaultChannels", format!("channel_ids={foreign}"), "one_or_more_invalid_channels"),
        ("setDefaultChannels", "channel_ids=general".to_owned(), "invalid_arguments"),
        ("setIcon", "image_url=icon".to_owned(), "invalid_url"),
        ("setDiscoverability", "discoverability=x".to_owned(), "discoverability_setting_invalid"),
        ("setName", "name=Headquarters".to_owned(), "failed_to_set_name"),
    ] {
        let method = format!("admin.teams.settings.{setting}");
        let refused = client.code(&method, &format!("team_id={team}&{value}")).await;
        assert_eq!(refused, code, "{setting}");
    }
}
