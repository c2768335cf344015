//! What the parameters of kinds select, by evaluations that store nothing: allowed holders, conditions, kinds of members,
//! unknown activity, and expressions that fail.

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::org::{PersonStatus, WorkspaceLevel};

use super::Change;
use crate::sync::SyncedApp;

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn holders_are_allowed_by_each_attribute(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let [(_, user), (_, other), ..] = &*synced.plain_members() else {
        anyhow::bail!("no members");
    };
    let workspace = synced.workspace(0);
    synced.make(&[Change::level("admin.users.setAdmin", &user.id, &workspace)]).await?;
    let group = synced.app.sandbox.with_org(|org| {
        let group = user.groups.first().and_then(|index| org.groups.get(*index));
        group.map(|group| group.id.clone())
    });
    let groups = synced.all("groups?source=synced").await?;
    let foreign = groups.keys().find(|id| Some(*id) != group.as_ref()).context("one group")?;
    let of_department = |name: &str| json!({"expression": format!("department = '{name}'")});
    for (allowing, refusing) in [
        (json!({"user_ids": [user.id]}), json!({"user_ids": [other.id]})),
        (json!({"emails": [user.email.to_uppercase()]}), json!({"emails": [other.email]})),
        (json!({"departments": [user.job.department]}), json!({"departments": ["Nowhere"]})),
        (json!({"group_ids": [group]}), json!({"group_ids": ["S0"], "emails": [foreign]})),
        (of_department(&user.job.department), of_department("Nowhere")),
        (json!({"user_ids": [user.id], "expression": "false"}), json!({"expression": "false"})),
    ] {
        for (allowed, is_found) in [(&allowing, false), (&refusing, true)] {
            let parameters = json!({"role_ids": ["ws:admin"], "allowed": allowed});
            let found = synced.would_find("role_holders", &parameters).await?;
            assert_eq!(found.contains(&user.id), is_found, "{allowed}");
        }
    }
    Ok(())
}

/// Whether a list of references has one with this name.
fn has_name(list: &Value, name: &Value) -> bool {
    list.as_array().into_iter().flatten().any(|one| one["name"] == *name)
}

/// Whether a user is selected.
type Selects<'a> = Box<dyn Fn(&Value) -> bool + 'a>;

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn conditions_select_people_by_their_attributes(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let users = synced.all("users?source=synced&limit=1000&expand[]=roles&expand[]=groups").await?;
    let first = synced.workspace(0);
    let workspaces = synced.all("workspaces?source=synced").await?;
    let second = &workspaces[&synced.workspace(1)]["name"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_lowercase();
    let field =
        |field: &str, op: &str, value: Value| json!({"field": field, "op": op, "value": value});
    let cases: Vec<(Value, Selects<'_>)> = vec![
        (
            field("department", "eq", json!("sALES")),
            Box::new(|one| text(&one["department"]) == "sales"),
        ),
        (
            field("department", "ne", json!("Sales")),
            Box::new(|one| text(&one["department"]) != "sales"),
        ),
        (
            field("department", "in", json!(["Sales", "IT"])),
            Box::new(|one| ["sales", "it"].contains(&&*text(&one["department"]))),
        ),
        (
            field("title", "starts_with", json!("s")),
            Box::new(|one| text(&one["title"]).starts_with('s')),
        ),
        (
            field("title", "contains", json!("ENG")),
            Box::new(|one| text(&one["title"]).contains("eng")),
        ),
        (field("manager", "exists", json!(true)), Box::new(|one| !one["manager"].is_null())),
        (field("manager.id", "exists", json!(false)), Box::new(|one| one["manager"].is_null())),
        (
            field("is_2fa_enabled", "eq", json!(false)),
            Box::new(|one| one["is_2fa_enabled"] == false),
        ),
        (
            field("workspaces", "eq", second.clone()),
            Box::new(|one| has_name(&one["workspaces"], second)),
        ),
        (
            field("roles.id", "in", json!(["org:owner", "org:admin"])),
            Box::new(|one| {
                let roles = one["roles"].as_array().into_iter().flatten();
                roles.map(|role| &role["id"]).any(|id| id == "org:owner" || id == "org:admin")
            }),
        ),
        (
            field("groups", "eq", json!("All Employees")),
            Box::new(|one| has_name(&one["groups"], &json!("All Employees"))),
        ),
        (
            json!({"all": [field("department", "eq", json!("Sales")), field("user_type", "eq", json!("member"))]}),
            Box::new(|one| one["department"] == "Sales" && one["user_type"] == "member"),
        ),
        (
            json!({"any": [field("department", "eq", json!("Sales")), field("user_type", "ne", json!("member"))]}),
            Box::new(|one| one["department"] == "Sales" || one["user_type"] != "member"),
        ),
        (
            json!({"not": field("department", "eq", json!("Sales"))}),
            Box::new(|one| one["department"] != "Sales"),
        ),
        (
            json!({"expression": "department = 'Sales' and $count(workspaces) > 1"}),
            Box::new(|one| {
                let count = one["workspaces"].as_array().map_or(0, Vec::len);
                one["department"] == "Sales" && count > 1
            }),
        ),
    ];
    for (when, selects) in cases {
        let expected: BTreeSet<String> = users
            .iter()
            .filter(|(_, one)| one["status"] == "active" || one["status"] == "invited")
            .filter(|(_, one)| {
                let places = one["workspaces"].as_array().into_iter().flatten();
                places.map(|place| &place["id"]).any(|id| *id == json!(first))
            })
            .filter(|(_, one)| selects(one))
            .map(|(id, _)| id.clone())
            .collect();
        let parameters = json!({"when": when, "workspace_ids": [first]});
        let found = synced.would_find("forbidden_workspaces", &parameters).await?;
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected, "{when}");
        assert!(!expected.is_empty(), "nobody: {when}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn people_without_known_activity_count_where_the_policy_says_so(
    pool: PgPool,
) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let user = synced.app.sandbox.with_org(|org| {
        let mut people = org.people().iter();
        people.find(|one| one.status == PersonStatus::Invited).cloned()
    });
    let user = user.context("nobody is invited")?;
    let days = |days: u32, more: bool| json!({"days": days, "include_unknown": more});
    for (parameters, is_found) in [
        (days(1, false), false),
        (days(1, true), true),
        (days(3_650, true), false),
        (json!({"days": 1, "include_unknown": true, "user_types": ["guest_multi_channel"]}), false),
    ] {
        let found = synced.would_find("inactive_users", &parameters).await?;
        assert_eq!(found.contains(&user.id), is_found, "{parameters}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn kinds_of_members_limit_a_policy(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let single = WorkspaceLevel::SingleChannelGuest;
    let multi = WorkspaceLevel::MultiChannelGuest;
    for (kind, level) in [("guest_single_channel", single), ("guest_multi_channel", multi)] {
        let guests = synced.people(|one| one.guest_level() == Some(level));
        let expected: BTreeSet<String> = guests.into_iter().map(|(_, one)| one.id).collect();
        let parameters = json!({"domains": ["nowhere.example"], "user_types": [kind]});
        let found = synced.would_find("allowed_email_domains", &parameters).await?;
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected, "{kind}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_expression_that_fails_changes_nothing_and_is_reported(
    pool: PgPool,
) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let [(_, user), ..] = &*synced.plain_members() else {
        anyhow::bail!("no members");
    };
    let title = |title: &str| Change::set(&user.id, "title", title);
    synced.make(&[title("7")]).await?;
    let one = format!("id != '{}' or $number(title) = 1", user.id);
    synced.policy("expression", json!({"expression": one}), json!({})).await?;
    let open = synced.only_drift("").await?;
    assert_eq!(open["status"], "open");
    synced.make(&[title("seven")]).await?;
    assert_eq!(synced.only_drift("").await?, open);
    for (expression, part) in [(&*one, "1 people"), ("title", "is not true or false")] {
        let policy = json!({"name": "x", "kind": "expression",
            "parameters": {"expression": expression}});
        let found = synced.api.post("policies/evaluate", &json!({ "policy": policy })).await?;
        let problem = found.success()?["result"]["problem"].clone();
        assert!(problem.as_str().is_some_and(|text| text.contains(part)), "{problem}");
    }
    synced.make(&[title("1")]).await?;
    assert_eq!(synced.only_drift("").await?["status"], "resolved");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_failing_expression_does_not_matter_where_it_does_not_decide(
    pool: PgPool,
) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let [(_, user), ..] = &*synced.plain_members() else {
        anyhow::bail!("no members");
    };
    let title = |title: &str| Change::set(&user.id, "title", title);
    synced.make(&[title("7")]).await?;
    let is_user = json!({"field": "id", "op": "eq", "value": user.id});
    let is_sales = json!({"field": "department", "op": "eq", "value": "Moonshot"});
    let fails = json!({"expression": "$number(title) = 1"});
    let parameters = json!({"when": {"all": [is_user, {"any": [fails, is_sales]}]},
        "workspace_ids": [synced.workspace(0)]});
    synced.policy("forbidden_workspaces", parameters.clone(), json!({})).await?;
    assert_eq!(synced.drift("").await?, Vec::<Value>::new());
    // Everybody else's title is no number, and nobody else is concerned.
    assert_eq!(synced.would_find("forbidden_workspaces", &parameters).await?, Vec::<String>::new());
    synced.make(&[title("seven"), Change::department(&user.id, "Moonshot")]).await?;
    assert_eq!(synced.only_drift("").await?["status"], "open");
    Ok(())
}
