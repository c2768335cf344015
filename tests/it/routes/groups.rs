//! `/groups` and `/me`: groups of the identity provider, and whose token it is.

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::org::Organization;

use crate::support::TestApp;

/// Every group of the identity provider with the ids of its members, sorted.
fn groups(org: &Organization) -> Vec<(String, BTreeSet<String>)> {
    let all = org.groups.of_identity_provider().map(|(_, group)| {
        let members = group.members.iter().filter_map(|index| org.person(*index));
        (group.id.clone(), members.map(|person| person.id.clone()).collect())
    });
    let mut all: Vec<_> = all.collect();
    all.sort();
    all
}

fn ids(rows: &Value) -> BTreeSet<String> {
    let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
    rows.iter().filter_map(|row| Some(row["id"].as_str()?.to_owned())).collect()
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn paging_gives_every_group_once_with_its_members(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked().await?;
    let expected = groups(&app.sandbox.snapshot());
    assert!(expected.len() > 3);
    for limit in [2, 1_000] {
        let (rows, _) = api.all(&format!("groups?limit={limit}")).await?;
        let mut listed: Vec<_> = rows
            .iter()
            .map(|row| (row["id"].as_str().unwrap_or_default().to_owned(), ids(&row["members"])))
            .collect();
        listed.sort();
        assert_eq!(listed, expected, "with a limit of {limit}");
    }
    let (id, members) = expected.iter().max_by_key(|one| one.1.len()).context("no group")?;
    let group = api.get(&format!("groups/{id}")).await?.okay()?;
    assert_eq!(group["result"]["member_count"], members.len());
    let (paged, pages) = api.all(&format!("groups/{id}/members?limit=3")).await?;
    assert_eq!(&ids(&json!(paged)), members);
    assert_eq!(pages, members.len().div_ceil(3));
    let member = members.first().context("no member")?;
    let (theirs, _) = api.all(&format!("groups?user[id]={member}")).await?;
    let holds = expected.iter().filter(|group| group.1.contains(member)).count();
    assert_eq!(theirs.len(), holds);
    api.get("groups/S0NOWHERE").await?.problem(404, "not_found");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_group_is_made_changed_and_deleted(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked().await?;
    let org = app.sandbox.snapshot();
    let people: Vec<String> = org
        .people()
        .iter()
        .filter(|one| one.is_active() && !one.is_bot() && one.guest().is_none())
        .map(|one| one.id.clone())
        .take(3)
        .collect();
    let [one, two, three] = &people[..] else { anyhow::bail!("too few people") };
    let wish = json!({"name": "Night Shift", "member_ids": [one, two]});
    let made = api.post("groups", &wish).await?.created()?;
    let id = made["result"]["id"].as_str().context("no id")?;
    assert_eq!(made["result"]["name"], "Night Shift");
    let members = || {
        let all = groups(&app.sandbox.snapshot());
        all.into_iter().find(|group| group.0 == id).map(|group| group.1).unwrap_or_default()
    };
    let set = |ids: &[&String]| ids.iter().map(|id| (*id).clone()).collect::<BTreeSet<_>>();
    assert_eq!(members(), set(&[one, two]));
    let path = format!("groups/{id}");
    let body = json!({"name": "Day Shift", "add_member_ids": [three], "remove_member_ids": [one]});
    let changed = api.patch(&path, &body).await?.okay()?;
    assert_eq!(changed["result"]["name"], "Day Shift");
    assert_eq!(members(), set(&[two, three]));
    api.post(&format!("{path}/members"), &json!({"user_id": one})).await?.created()?;
    assert_eq!(members(), set(&[one, two, three]));
    api.delete(&format!("{path}/members/{two}")).await?.okay()?;
    assert_eq!(members(), set(&[one, three]));
    let team = &org.workspaces.last().context("no workspace")?.id;
    let linked = api.patch(&path, &json!({"add_workspace_ids": [team]})).await?.okay()?;
    assert_eq!(linked["parts"][0]["outcome"], "done", "{linked}");
    let gone = api.delete(&path).await?.okay()?;
    assert_eq!(gone["result"]["outcome"], "done");
    api.get(&path).await?.problem(404, "not_found");
    let nameless = api.post("groups", &json!({"member_ids": [one]})).await?;
    nameless.problem(422, "invalid_body");
    assert_eq!(nameless.pointers(), ["/name"]);
    let both = json!({"name": "x", "member_ids": [one], "add_member_ids": [two]});
    for (answer, pointers) in [
        (api.post("groups", &both).await?, vec!["/member_ids", "/add_member_ids"]),
        (api.patch(&path, &both).await?, vec!["/member_ids", "/add_member_ids"]),
        (api.patch(&path, &json!({"name": null})).await?, vec!["/name"]),
        (
            api.post("groups", &json!({"name": "x", "remove_member_ids": [one]})).await?,
            vec!["/remove_member_ids"],
        ),
    ] {
        answer.problem(422, "invalid_body");
        assert_eq!(answer.pointers(), pointers, "{}", answer.text);
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_token_says_whose_it_is(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked().await?;
    let org = app.sandbox.snapshot();
    let owner = org.primary_owner().context("no owner")?;
    let me = api.get("me").await?.okay()?;
    assert_eq!(me["result"]["user"]["id"], owner.id.as_str());
    assert_eq!(me["result"]["organization"], json!({"id": org.id, "name": org.name}));
    assert_eq!(me["result"]["is_organization_wide"], true);
    let scopes = me["result"]["granted_scopes"].as_array().context("no scopes")?;
    assert!(scopes.contains(&json!("admin.users:write")), "{scopes:?}");
    Ok(())
}
