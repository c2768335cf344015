//! Plans are exact, applied once, and empty afterwards.

use serde_json::{Value, json};
use sqlx::PgPool;

use super::planned::{Organization, ids, outline};
use crate::sync::SyncedApp;

/// Returns the outcome of each step once.
fn outcomes(steps: &[Value]) -> Vec<String> {
    let mut outcomes: Vec<String> =
        outline(steps).into_iter().map(|(.., outcome)| outcome).collect();
    outcomes.sort();
    outcomes.dedup();
    outcomes
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_plan_changes_what_differs_and_nothing_is_left_after_it(
    pool: PgPool,
) -> anyhow::Result<()> {
    let organization = Organization::of(SyncedApp::new(pool, json!({})).await?).await?;
    let members = organization.members().await?;
    let mut people = members.iter();
    let (mover, mover_user) = people.next().expect("a member");
    let (leaver, leaver_user) = people.next().expect("another member");
    let (admin, admin_user) = people.next().expect("a third member");
    let [first, second, ..] = &*organization.workspaces else { anyhow::bail!("no workspaces") };
    let place = ids(&admin_user["workspaces"]);
    let place = place.first().expect("a workspace");
    let groups = organization.synced.all("groups?source=synced&limit=100").await?;
    let group = groups.keys().next().expect("a group");
    let desired = json!({"users": [
        {"email": mover, "department": "Reconciled", "title": "Mover", "workspaces": [first, second]},
        {"email": leaver, "status": "inactive"},
        {"email": admin, "roles": [{"id": "ws:admin", "workspace_id": place}], "groups": [group]},
        {"email": "joiner@example.com", "name": "Jo Iner", "department": "Reconciled",
            "workspaces": [first], "groups": [group]},
    ]});

    let calls = organization.calls();
    let plan = organization.plan(&desired, &json!({})).await?;
    assert_eq!(plan["status"], "planned", "{plan}");
    assert_eq!(organization.calls(), calls, "a plan has no side effect");
    let steps = organization.steps(&plan).await?;
    assert_eq!(outcomes(&steps), ["pending"], "{steps:#?}");
    assert_eq!(plan["removals"]["removals"], 1, "{plan}");
    assert_eq!(plan["removals_first"][0]["operation"]["type"], "user.deactivate");

    let applied = organization.apply(&plan).await?;
    let steps = organization.steps(&plan).await?;
    assert_eq!(applied["status"], "applied", "{steps:#?}");
    assert_eq!(outcomes(&steps), ["applied"], "{steps:#?}");

    let live = organization.live(mover_user).await?;
    assert_eq!((&live["department"], &live["title"]), (&json!("Reconciled"), &json!("Mover")));
    assert!(ids(&live["workspaces"]).contains(second), "{live}");
    assert_eq!(organization.live(leaver_user).await?["status"], "inactive");
    assert_eq!(organization.roles(admin_user, "ws:admin").await?, 1);

    let again = organization.plan(&desired, &json!({})).await?;
    assert_eq!(organization.steps(&again).await?, Vec::<Value>::new(), "{again}");

    // The inverse restores all but the new person, who is deactivated.
    let path = format!("reconciliations/{}/inverse", plan["id"].as_str().unwrap_or_default());
    let requested = organization.synced.api.post(&path, &json!({})).await?;
    assert_eq!(requested.status, 202, "{}", requested.text);
    organization.synced.work().await?;
    let inverse = organization.read(&crate::sync::id_of(&requested.body)?).await?;
    let steps = organization.steps(&inverse).await?;
    assert_eq!(outcomes(&steps), ["pending"], "{steps:#?}");
    let undone = organization.apply(&inverse).await?;
    assert_eq!(undone["status"], "applied", "{:#?}", organization.steps(&inverse).await?);
    for user in [mover_user, leaver_user, admin_user] {
        let live = organization.live(user).await?;
        for field in ["department", "title", "status"] {
            assert_eq!(live[field], user[field], "{field}: {live}");
        }
        assert_eq!(ids(&live["workspaces"]), ids(&user["workspaces"]));
    }
    assert_eq!(organization.roles(admin_user, "ws:admin").await?, 0);
    Ok(())
}
