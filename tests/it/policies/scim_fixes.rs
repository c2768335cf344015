//! What the provider of an account can't do is in no fix, and the violation says why.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::scim::sync::synced;
use crate::scim::write_validation::schema_of;
use crate::scim::writes::set;
use crate::support::scim_server::{ScimOptions, ScimServer, attribute};
use crate::sync::SyncedApp;

/// A server with users and a group, whose account has roles; its users have no writable `active` and `roles`.
async fn read_only(pool: PgPool) -> anyhow::Result<(ScimServer, SyncedApp, String)> {
    let parts = [attribute("value", "string", "readOnly", &[])];
    let options = schema_of(&[
        attribute("active", "boolean", "readOnly", &[]),
        attribute("roles", "complex", "readOnly", &parts),
    ]);
    let server = ScimServer::start(ScimOptions { is_strict: false, ..options }).await?;
    let user = server.add_user(json!({"userName": "ada", "active": false,
        "emails": [{"value": "ada@other.example", "primary": true}], "roles": [{"value": "admin"}]}));
    server.add_user(json!({"userName": "eve", "active": true,
        "emails": [{"value": "eve@other.example", "primary": true}]}));
    server.add_group(json!({"displayName": "Staff", "members": [{"value": user}]}));
    let synced = synced(pool, &server, &json!({"roles_from": ["roles"]})).await?;
    synced.synced().await?;
    Ok((server, synced, user))
}

fn types(violation: &Value) -> Vec<&str> {
    let operations = violation["fix"].as_array().into_iter().flatten();
    operations.filter_map(|one| one["type"].as_str()).collect()
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_violation_whose_fix_the_provider_lacks_says_why(pool: PgPool) -> anyhow::Result<()> {
    let (server, synced, _) = read_only(pool).await?;
    let domains = json!({"domains": ["example.com"]});
    // It could not be run by a policy of mode `fix`, either.
    synced.policy("allowed_email_domains", domains, json!({"mode": "fix"})).await?;
    let found = synced.only_drift("").await?;
    assert_eq!(types(&found), Vec::<&str>::new(), "{found}");
    let reason = found["fix_unavailable"].as_str().context("no reason")?;
    assert!(reason.contains("`user.deactivate` does not work"), "{reason}");
    assert!(reason.contains("no writable attribute `active`"), "{reason}");
    assert_eq!(found["last_fix"], Value::Null);
    let path = format!("drift/{}/fix", found["id"].as_str().context("no id")?);
    let refused = synced.api.post(&path, &json!({})).await?;
    let problem = refused.problem(409, "nothing_to_fix");
    assert!(problem["detail"].as_str().is_some_and(|one| one.contains(reason)), "{problem}");
    assert!(server.users().iter().any(|user| user["userName"] == "eve"));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn what_is_possible_of_a_fix_is_run(pool: PgPool) -> anyhow::Result<()> {
    let (server, synced, user) = read_only(pool).await?;
    synced.policy("no_access_after_deactivation", json!({}), json!({})).await?;
    let found = synced.only_drift(&format!("&user_id={user}")).await?;
    assert_eq!(types(&found), ["group_member.remove"], "{found}");
    let reason = found["fix_unavailable"].as_str().context("no reason")?;
    assert!(reason.contains("`role_assignment.revoke` does not work"), "{reason}");
    let path = format!("drift/{}/fix", found["id"].as_str().context("no id")?);
    let fixed = synced.api.post(&path, &json!({})).await?.success()?;
    let report = &fixed["result"]["last_fix"]["operations"];
    assert_eq!(report.as_array().map(Vec::len), Some(1), "{report}");
    assert_eq!(report[0]["outcome"], "applied", "{report}");
    assert!(
        server
            .groups()
            .iter()
            .all(|group| { group["members"].as_array().is_none_or(Vec::is_empty) })
    );
    synced.evaluate().await?;
    let left = synced.only_drift(&format!("&user_id={user}")).await?;
    assert_eq!((types(&left), &left["status"]), (Vec::new(), &json!("open")), "{left}");
    assert!(left["fix_unavailable"].is_string(), "{left}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn no_fix_deletes_a_user(pool: PgPool) -> anyhow::Result<()> {
    let server = ScimServer::start(ScimOptions::default()).await?;
    server.add_users(3);
    let synced = synced(pool, &server, &json!({"delete_user": "delete"})).await?;
    synced.synced().await?;
    let domains = json!({"domains": ["nowhere.example"]});
    synced.policy("allowed_email_domains", domains, json!({})).await?;
    let found = synced.drift("&status=open").await?;
    assert_eq!(found.len(), 3);
    for one in &found {
        assert_eq!(types(one), Vec::<&str>::new(), "{one}");
        let reason = one["fix_unavailable"].as_str().context("no reason")?;
        assert!(reason.contains("deletes users in place of a deactivation"), "{reason}");
    }
    assert_eq!(server.users().len(), 3);
    // With the setting changed, the next run finds a fix.
    set(&synced.app, "acme", &json!({"delete_user": "deactivate"})).await?;
    synced.synced().await?;
    synced.evaluate().await?;
    let found = synced.drift("&status=open").await?;
    assert!(found.iter().all(|one| types(one) == ["user.deactivate"]), "{found:?}");
    let path = format!("drift/{}/fix", found[0]["id"].as_str().context("no id")?);
    let fixed = synced.api.post(&path, &json!({})).await?.success()?;
    let report = &fixed["result"]["last_fix"]["operations"];
    assert_eq!(report[0]["outcome"], "applied", "{report}");
    let inactive = server.users().iter().filter(|user| user["active"] == false).count();
    assert_eq!((server.users().len(), inactive), (3, 1));
    Ok(())
}
