//! A user with two ids at Slack, one in a workspace and one in the organization.

use anyhow::Context as _;
use serde_json::Value;
use sqlx::PgPool;

use super::rewriting;
use crate::support::{TestApp, expected_values};

/// The user's id in the organization.
const ORG_WIDE_ID: &str = "W0TWOIDS1";

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn matches_a_user_by_either_id(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let (url, fault_proxy) = app.through_fault_proxy(|_| {}).await?;
    let api = app.client_for(&account)?.at(url);
    let held = app.sandbox.with_org(expected_values::assignments);
    for kind in ["Rl", "ws:owner"] {
        fault_proxy.clear();
        let held = held.iter().find(|(role, ..)| role.starts_with(kind));
        let (role, user, _) = held.cloned().context("no user holds it")?;
        let paths = [
            format!("users/{user}"),
            format!("role-assignments?limit=100&user[id]={user}"),
            format!("users?limit=100&role[id]={role}&updated_at[gt]=2001-01-01T00:00:00Z"),
        ];
        let mut usual = Vec::new();
        for path in &paths {
            usual.push(api.get(path).await?.success()?);
        }
        let other = user.clone();
        let known_by_other = rewriting(move |text| text.replace(&other, ORG_WIDE_ID));
        for method in ["admin.roles.listAssignments", "owners.list", "admins.list", "teams.list"] {
            fault_proxy.set(method, known_by_other.clone());
        }
        let id = user.clone();
        for method in ["users.info", "users.list"] {
            let id = id.clone();
            let has_both = rewriting(move |text| with_enterprise_id(text, &id).unwrap_or_default());
            fault_proxy.set(&format!("/api/{method}"), has_both);
        }
        for (path, usual) in paths.iter().zip(&usual) {
            let response = api.get(path).await?.success()?;
            let shown = |body: &Value| {
                let text = body["result"].to_string();
                let mut body: Value = serde_json::from_str(&text).unwrap_or_default();
                clear_cached_identifiers(&mut body);
                body
            };
            assert_eq!(shown(&response), shown(usual), "{role} {path}");
        }
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn removes_a_role_that_is_listed_under_the_other_id(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let (url, fault_proxy) = app.through_fault_proxy(|_| {}).await?;
    let api = app.client_for(&account)?.at(url);
    let held = app.sandbox.with_org(expected_values::assignments);
    let (role, user, place) =
        held.into_iter().find(|(role, ..)| role.starts_with("Rl")).context("no user holds it")?;
    let other = user.clone();
    fault_proxy.set("listAssignments", rewriting(move |text| text.replace(&other, ORG_WIDE_ID)));
    let id = user.clone();
    let has_both = rewriting(move |text| with_enterprise_id(text, &id).unwrap_or_default());
    fault_proxy.set("/api/users.info", has_both);
    let taken = api.delete(&format!("role-assignments/{role}.{user}.{place}")).await?.success()?;
    assert_eq!(taken["result"]["outcome"], "applied", "{taken}");
    let left = app.sandbox.with_org(expected_values::assignments);
    assert!(!left.contains(&(role, user, place)), "the role is held still");
    Ok(())
}

/// Assigns a user an id in the organization.
fn with_enterprise_id(text: &str, id: &str) -> Option<String> {
    let mut body: Value = serde_json::from_str(text).ok()?;
    let change = |user: &mut Value| {
        let is_this_one = user.get("id").and_then(Value::as_str) == Some(id);
        let enterprise = user.get_mut("enterprise_user").and_then(Value::as_object_mut);
        if let Some(enterprise) = enterprise.filter(|_| is_this_one) {
            enterprise.insert("id".to_owned(), ORG_WIDE_ID.into());
        }
    };
    if let Some(user) = body.get_mut("user") {
        change(user);
    }
    body.get_mut("members").and_then(Value::as_array_mut).into_iter().flatten().for_each(change);
    Some(body.to_string())
}

fn clear_cached_identifiers(value: &mut Value) {
    match value {
        Value::Array(rows) => rows.iter_mut().for_each(clear_cached_identifiers),
        Value::Object(fields) => {
            fields.remove("identifiers");
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
