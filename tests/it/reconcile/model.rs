//! Random desired states: a plan that is applied leaves nothing to do, and its inverse restores what was.

use serde_json::{Value, json};
use sqlx::PgPool;

use super::planned::{Organization, ids};
use crate::sync::SyncedApp;

/// Number of desired states.
const ROUNDS: u64 = 6;

/// A generator of small numbers.
struct Choices(u64);

impl Choices {
    /// Returns a number below `count`.
    fn below(&mut self, count: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % count.max(1)
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn some(&mut self, list: &[String]) -> Vec<String> {
        list.iter().filter(|_| self.chance(50)).cloned().collect()
    }
}

/// Returns what is compared of a user.
fn state(user: &Value) -> Value {
    json!({
        "department": user["department"], "title": user["title"], "status": user["status"],
        "workspaces": ids(&user["workspaces"]),
        "roles": user["roles"].as_array().map(|roles| {
            let mut held: Vec<String> = roles.iter()
                .map(|role| format!("{}@{}", role["id"], role["workspace_id"])).collect();
            held.sort();
            held
        }),
    })
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_applied_plan_leaves_nothing_and_its_inverse_restores(
    pool: PgPool,
) -> anyhow::Result<()> {
    let organization = Organization::of(SyncedApp::new(pool, json!({})).await?).await?;
    let members = organization.members().await?;
    let groups: Vec<String> =
        organization.synced.all("groups?source=synced&limit=100").await?.into_keys().collect();
    let emails: Vec<String> = members.keys().take(12).cloned().collect();
    let mut choices = Choices(27);
    for round in 0..ROUNDS {
        let mut people = Vec::new();
        for email in choices.some(&emails) {
            let mut person = json!({"email": email});
            let fields = person.as_object_mut().expect("an object");
            if choices.chance(15) {
                fields.insert("status".to_owned(), json!("inactive"));
            } else {
                fields.insert("status".to_owned(), json!("active"));
                if choices.chance(60) {
                    fields.insert("department".to_owned(), json!(format!("D{}", choices.below(3))));
                }
                if choices.chance(40) {
                    fields.insert("title".to_owned(), json!(format!("T{}", choices.below(3))));
                }
                if choices.chance(60) {
                    let wanted = choices.some(&organization.workspaces);
                    if let Some(place) = wanted.first().filter(|_| choices.chance(50)) {
                        let role = ["ws:admin", "ws:owner"][choices.below(2)];
                        let roles = json!([{"id": role, "workspace_id": place}]);
                        fields.insert("roles".to_owned(), roles);
                    }
                    if !wanted.is_empty() {
                        fields.insert("workspaces".to_owned(), json!(wanted));
                    }
                }
                if choices.chance(40) {
                    fields.insert("groups".to_owned(), json!(choices.some(&groups)));
                }
            }
            people.push(person);
        }
        let mode = if choices.chance(50) { "additive" } else { "authoritative" };
        let desired = json!({"users": people});
        // Groups and workspaces are owned for the named people alone: the others are not in the file.
        let options =
            json!({"mode": mode, "guards": {"max_removals": {"count": 1000, "percent": 100}}});
        let mut before = Vec::new();
        for email in &emails {
            before.push(state(&organization.live(&members[email]).await?));
        }
        let plan = organization.plan(&desired, &options).await?;
        assert_eq!(plan["status"], "planned", "{round}: {plan}");
        let applied = organization.apply(&plan).await?;
        let steps = organization.steps(&plan).await?;
        let bad: Vec<&Value> = steps
            .iter()
            .filter(|step| {
                !["applied", "unchanged", "skipped"].iter().any(|one| step["outcome"] == *one)
            })
            .collect();
        assert!(bad.is_empty(), "{round}: {bad:#?}");
        assert!(steps.is_empty() || applied["status"] == "applied", "{round}: {applied}");
        let again = organization.plan(&desired, &options).await?;
        let left = organization.steps(&again).await?;
        let left: Vec<&Value> = left.iter().filter(|step| step["outcome"] != "skipped").collect();
        assert!(left.is_empty(), "{round}: {left:#?}");
        if applied["counts"]["applied"] == 0 {
            continue;
        }
        let path = format!("reconciliations/{}/inverse", plan["id"].as_str().unwrap_or_default());
        let requested = organization.synced.api.post(&path, &json!({})).await?;
        assert_eq!(requested.status, 202, "{}", requested.text);
        organization.synced.work().await?;
        let inverse = organization.read(&crate::sync::id_of(&requested.body)?).await?;
        let undone = organization.apply(&inverse).await?;
        assert_eq!(
            undone["status"],
            "applied",
            "{round}: {:#?}",
            organization.steps(&inverse).await?
        );
        for (email, was) in emails.iter().zip(&before) {
            let is = state(&organization.live(&members[email]).await?);
            assert_eq!(is, *was, "{round} {email}: {steps:#?}");
        }
    }
    Ok(())
}
