//! An HR export becomes the directory: joiners, movers, leavers, and contractors whose access ends. Then one event moves
//! a person to another department, and the rules move the workspaces.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::CSV;
use super::planned::{Organization, ids};
use crate::sync::{SyncedApp, id_of};

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_hr_export_becomes_the_directory_and_rules_follow_the_departments(
    pool: PgPool,
) -> anyhow::Result<()> {
    let organization = Organization::of(SyncedApp::new(pool, json!({})).await?).await?;
    let synced = &organization.synced;
    let members = organization.members().await?;
    let people: Vec<(&String, &Value)> = members.iter().take(3).collect();
    let [(mover, mover_user), (leaver, leaver_user), (stayer, stayer_user)] = &*people else {
        anyhow::bail!("no members")
    };
    let [first, second, ..] = &*organization.workspaces else { anyhow::bail!("no workspaces") };
    let channel = synced.app.sandbox.with_org(|org| {
        let team = org.workspaces.iter().find(|team| team.id == *second)?;
        team.channels.first().map(|channel| channel.id.clone())
    });
    let channel = channel.context("no channel")?;
    let export = format!(
        "email,name,department,status,user_type,expires_at,workspaces,channel_ids\r\n\
         {mover},,Field Sales,active,,,{first};{second},\r\n\
         {leaver},,,inactive,,,,\r\n\
         {stayer},,{department},,,,,\r\n\
         jo.iner@example.com,\"Iner, Jo\",Field Sales,active,,,{second},\r\n\
         con@agency.example,Con Tractor,,active,guest_multi_channel,2031-06-30T00:00:00Z,{second},{channel}\r\n",
        department = stayer_user["department"].as_str().unwrap_or_default(),
    );
    let query = format!("integrated_account_id={}", synced.account);
    let requested = synced.upload(&query, CSV, &export).await?;
    assert_eq!(requested.status, 202, "{}", requested.text);
    synced.work().await?;
    let plan = organization.read(&id_of(&requested.body)?).await?;
    assert_eq!(plan["summary"]["create"], 2, "{plan}");
    assert_eq!(plan["summary"]["deactivate"], 1, "{plan}");
    let applied = organization.apply(&plan).await?;
    assert_eq!(applied["status"], "applied", "{:#?}", organization.steps(&plan).await?);

    // The organization equals the file.
    assert_eq!(organization.live(leaver_user).await?["status"], "inactive");
    let live = organization.live(mover_user).await?;
    assert_eq!(live["department"], "Field Sales");
    assert!([first, second].iter().all(|id| ids(&live["workspaces"]).contains(id)), "{live}");
    let by_email = async |email: &str| -> anyhow::Result<Value> {
        let found = synced.api.get(&format!("users?email={email}")).await?.success()?;
        organization.live(&found["result"][0]).await
    };
    let joiner = by_email("jo.iner@example.com").await?;
    assert_eq!(
        (&joiner["department"], ids(&joiner["workspaces"])),
        (&json!("Field Sales"), vec![second.clone()])
    );
    let guest = by_email("con@agency.example").await?;
    assert_eq!(guest["user_type"], "guest_multi_channel", "{guest}");
    assert!(
        guest["expires_at"].as_str().is_some_and(|end| end.starts_with("2031-06-30")),
        "{guest}"
    );
    let again = synced.upload(&query, CSV, &export).await?;
    synced.work().await?;
    let again = organization.read(&id_of(&again.body)?).await?;
    assert_eq!(organization.steps(&again).await?, Vec::<Value>::new(), "{again}");

    // Departments map to workspaces by rules, which follow one event.
    let rules = json!({"integrated_account_id": synced.account, "name": "Departments",
        "mode": "authoritative", "auto": true, "rules": [
            {"name": "Sales", "when": {"field": "department", "op": "eq", "value": "Field Sales"},
                "then": {"workspaces": [second]}},
            {"name": "Research", "when": {"field": "department", "op": "eq", "value": "Field Research"},
                "then": {"workspaces": [first]}}]});
    synced.app.home.admin.post("rule-sets", &rules).await?.created()?;
    let id = joiner["id"].as_str().context("no id")?;
    let body = json!({"department": "Field Research"});
    synced.api.patch(&format!("users/{id}"), &body).await?.success()?;
    let stop = CancellationToken::new();
    while synced.app.rule_sets.work_once(&stop).await? {}
    synced.work().await?;
    let moved = organization.live(&joiner).await?;
    assert_eq!(ids(&moved["workspaces"]), vec![first.clone()], "{moved}");
    // The others of the department stay where they are.
    assert!(ids(&organization.live(mover_user).await?["workspaces"]).contains(second));
    Ok(())
}
