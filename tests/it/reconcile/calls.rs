//! The provider calls that a plan announces are those that applying it takes.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::mixture::Mixture;
use super::planned::{Organization, ids};
use crate::sync::SyncedApp;

/// The numbers of the provider's requests by method.
type Counts = BTreeMap<String, u64>;

fn counts(organization: &Organization) -> Counts {
    organization.synced.app.sandbox.requests(None).counts
}

/// Returns the requests since others were counted.
fn since(organization: &Organization, before: &Counts) -> Counts {
    let more = counts(organization).into_iter().map(|(method, count)| {
        let earlier = before.get(&method).copied().unwrap_or_default();
        (method, count - earlier)
    });
    more.filter(|(_, count)| *count > 0).collect()
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_planned_calls_are_those_of_the_application(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::with(pool, json!({}), |setup| setup.sandbox.users = 120).await?;
    let organization = Organization::of(synced).await?;
    let mixture = Mixture::of(&organization).await?;
    let whole = mixture.desired(0)?;
    let mut desired = vec![json!({"workspaces": whole["workspaces"], "users": []})];
    for user in whole["users"].as_array().into_iter().flatten() {
        desired.push(json!({"users": [user]}));
    }
    desired.push(mixture.desired(1)?);
    let mut differences = Vec::new();
    for desired in desired {
        let plan = organization.plan(&desired, &json!({})).await?;
        let before = counts(&organization);
        let applied = organization.apply(&plan).await?;
        assert_eq!(applied["status"], "applied", "{:#?}", organization.steps(&plan).await?);
        let made = since(&organization, &before);
        let sum: u64 = made.values().sum();
        if plan["provider_calls"] != sum {
            let types: Vec<String> = organization
                .steps(&plan)
                .await?
                .iter()
                .map(|step| format!("{}={}", step["operation"]["type"], step["provider_calls"]))
                .collect();
            differences.push(format!(
                "{types:?}: planned {}, made {sum}: {made:?}",
                plan["provider_calls"]
            ));
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
    Ok(())
}

/// Changes fields of a person at the provider, by SCIM.
async fn change_at_provider(
    organization: &Organization,
    user: &Value,
    operations: &Value,
) -> anyhow::Result<()> {
    let id = user["id"].as_str().unwrap_or_default();
    let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": operations});
    organization.synced.api.patch(&format!("proxy/scim/v2/Users/{id}"), &body).await?.success()?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_change_that_the_profile_shows_takes_no_other_read(pool: PgPool) -> anyhow::Result<()> {
    let organization = Organization::of(SyncedApp::new(pool, json!({})).await?).await?;
    let members = organization.members().await?;
    let people: Vec<(&String, &Value)> =
        members.iter().filter(|(_, user)| user["title"].is_string()).take(4).collect();
    let [(one, one_user), (two, two_user), (three, three_user), (four, four_user)] = &*people
    else {
        anyhow::bail!("too few people")
    };
    let desired = json!({"users": [{"email": one, "title": "Planned", "department": "Planned"}]});
    let plan = organization.plan(&desired, &json!({})).await?;
    assert_eq!(plan["provider_calls"], 3, "{plan}");
    let before = counts(&organization);
    assert_eq!(organization.apply(&plan).await?["status"], "applied");
    let expected: Counts =
        [("scim.users.get".to_owned(), 2), ("scim.users.update".to_owned(), 1)].into();
    assert_eq!(since(&organization, &before), expected);
    let path = format!("users/{}?source=synced", one_user["id"].as_str().unwrap_or_default());
    let copied = organization.synced.api.get(&path).await?.success()?["result"].clone();
    let live = organization.live(one_user).await?;
    for (field, value) in live.as_object().into_iter().flatten() {
        // A list has other times and identifiers than a single read.
        if one_user[field] == *value || ["title", "department"].contains(&field.as_str()) {
            assert_eq!(copied[field], *value, "{field}");
        }
    }
    assert_eq!(copied["title"], "Planned");

    // Others remove the title, change it, and change something else.
    let desired = [two, three, four].map(|email| json!({"email": email, "title": "Planned"}));
    let plan = organization.plan(&json!({"users": desired}), &json!({})).await?;
    let title = |value: &str| json!([{"op": "replace", "path": "title", "value": value}]);
    let removed = json!([{"op": "remove", "path": "title"}]);
    change_at_provider(&organization, two_user, &removed).await?;
    change_at_provider(&organization, three_user, &title("Other")).await?;
    let other = json!([{"op": "replace", "path": "timezone", "value": "Asia/Tokyo"}]);
    change_at_provider(&organization, four_user, &other).await?;
    organization.apply(&plan).await?;
    let steps = organization.steps(&plan).await?;
    let outcomes: BTreeMap<&str, &str> = steps
        .iter()
        .filter_map(|step| Some((step["subject"]["key"].as_str()?, step["outcome"].as_str()?)))
        .collect();
    let expected = [(two, "conflict"), (three, "conflict"), (four, "applied")];
    assert_eq!(outcomes, expected.map(|(email, outcome)| (email.as_str(), outcome)).into());
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_person_whom_others_deactivated_is_found_by_the_profile(
    pool: PgPool,
) -> anyhow::Result<()> {
    let organization = Organization::of(SyncedApp::new(pool, json!({})).await?).await?;
    let members = organization.members().await?;
    let (email, user) = members.iter().next().context("no member")?;
    let id = user["id"].as_str().context("no id")?;
    let groups = organization.synced.all("groups?source=synced&limit=100").await?;
    let group = groups.keys().find(|group| !ids(&user["groups"]).contains(group));
    let group = group.context("a member of all groups")?;
    let desired = json!({"users": [{"email": email, "department": "Planned", "groups": [group]}]});
    let plan = organization.plan(&desired, &json!({})).await?;
    let path = format!("proxy/scim/v2/Users/{id}");
    let deactivated = organization.synced.api.delete(&path).await?;
    assert!(deactivated.status < 300, "{}", deactivated.text);
    organization.apply(&plan).await?;
    let steps = organization.steps(&plan).await?;
    let member = steps.iter().find(|step| step["operation"]["type"] == "group_member.add");
    assert_eq!(member.context("no such step")?["outcome"], "conflict", "{steps:#?}");
    let copied = organization.synced.api.get(&format!("users/{id}?source=synced")).await?;
    assert_eq!(copied.success()?["result"]["status"], "inactive");
    Ok(())
}
