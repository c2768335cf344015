//! `/groups` and `/me`: groups of the identity provider, and the token's identity.

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::org::GridOrganization;

use crate::support::TestApp;

/// Returns every group of the identity provider with the ids of its members, sorted.
fn groups(org: &GridOrganization) -> Vec<(String, BTreeSet<String>)> {
    let all = org.groups.idp_groups().map(|(_, group)| {
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
async fn pagination_returns_every_group_once_with_its_members(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
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
    let group = api.get(&format!("groups/{id}")).await?.success()?;
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
async fn a_group_is_created_updated_and_deleted(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let org = app.sandbox.snapshot();
    let people: Vec<String> = org
        .people()
        .iter()
        .filter(|one| one.is_active() && !one.is_bot() && one.guest_level().is_none())
        .map(|one| one.id.clone())
        .take(3)
        .collect();
    let [one, two, three] = &people[..] else { anyhow::bail!("too few users") };
    let request = json!({"name": "Night Shift", "member_ids": [one, two]});
    let issued = api.post("groups", &request).await?.created()?;
    let id = issued["result"]["id"].as_str().context("no id")?;
    assert_eq!(issued["result"]["name"], "Night Shift");
    let members = || {
        let all = groups(&app.sandbox.snapshot());
        all.into_iter().find(|group| group.0 == id).map(|group| group.1).unwrap_or_default()
    };
    let set = |ids: &[&String]| ids.iter().map(|id| (*id).clone()).collect::<BTreeSet<_>>();
    assert_eq!(members(), set(&[one, two]));
    let path = format!("groups/{id}");
    let body = json!({"name": "Day Shift", "add_member_ids": [three], "remove_member_ids": [one]});
    let changed = api.patch(&path, &body).await?.success()?;
    assert_eq!(changed["result"]["name"], "Day Shift");
    assert_eq!(members(), set(&[two, three]));
    api.post(&format!("{path}/members"), &json!({"user_id": one})).await?.created()?;
    assert_eq!(members(), set(&[one, two, three]));
    api.delete(&format!("{path}/members/{two}")).await?.success()?;
    assert_eq!(members(), set(&[one, three]));
    let team = &org.workspaces.last().context("no workspace")?.id;
    let linked = api.patch(&path, &json!({"add_workspace_ids": [team]})).await?.success()?;
    assert_eq!(linked["parts"][0]["outcome"], "applied", "{linked}");
    let removed = api.delete(&path).await?.success()?;
    assert_eq!(removed["result"]["outcome"], "applied");
    api.get(&path).await?.problem(404, "not_found");
    let nameless = api.post("groups", &json!({"member_ids": [one]})).await?;
    nameless.problem(422, "invalid_body");
    assert_eq!(nameless.pointers(), ["/name"]);
    let both = json!({"name": "x", "member_ids": [one], "add_member_ids": [two]});
    for (response, pointers) in [
        (api.post("groups", &both).await?, vec!["/member_ids", "/add_member_ids"]),
        (api.patch(&path, &both).await?, vec!["/member_ids", "/add_member_ids"]),
        (api.patch(&path, &json!({"name": null})).await?, vec!["/name"]),
        (
            api.post("groups", &json!({"name": "x", "remove_member_ids": [one]})).await?,
            vec!["/remove_member_ids"],
        ),
    ] {
        response.problem(422, "invalid_body");
        assert_eq!(response.pointers(), pointers, "{}", response.text);
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn me_returns_the_identity_of_the_token(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let org = app.sandbox.snapshot();
    let owner = org.primary_owner().context("no owner")?;
    let me = api.get("me").await?.success()?;
    assert_eq!(me["result"]["user"]["id"], owner.id.as_str());
    assert_eq!(me["result"]["organization"], json!({"id": org.id, "name": org.name}));
    assert_eq!(me["result"]["is_organization_wide"], true);
    let scopes = me["result"]["granted_scopes"].as_array().context("no scopes")?;
    assert!(scopes.contains(&json!("admin.users:write")), "{scopes:?}");
    Ok(())
}
