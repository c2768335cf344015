//! Previews of rule sets: which rules match a person, why, and what they give.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::rule_sets::rule;
use crate::sync::SyncedApp;

impl SyncedApp {
    async fn preview(&self, set: &str, user: &str) -> anyhow::Result<Value> {
        let path = format!("rule-sets/{set}/preview");
        let preview = self.api.post(&path, &json!({ "user": user })).await?.success()?;
        Ok(preview["result"].clone())
    }

    /// Moves a member to a department, and returns the member with the e-mail address.
    async fn member_of(&self, department: &str) -> anyhow::Result<(String, String)> {
        let (user, _) = self.some_member().await?;
        let body = json!({"department": department, "title": "Engineer"});
        let changed = self.api.patch(&format!("users/{user}"), &body).await?.success()?;
        let email = changed["result"]["emails"][0]["email"].as_str().context("no e-mail")?;
        Ok((user, email.to_owned()))
    }
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_preview_explains_each_rule_and_combines_what_they_give(
    pool: PgPool,
) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let (user, email) = synced.member_of("Sales").await?;
    let ((one, name), (two, _)) = (synced.place(0), synced.place(1));
    let rules = json!([
        {"name": "Sales", "when": {"field": "department", "op": "eq", "value": "sales"},
            "then": {"workspaces": [one], "roles": [{"id": "ws:admin", "workspace_id": one}]}},
        rule("IT", json!({"workspaces": [two], "groups": []})),
        {"when": {"all": [{"field": "title", "op": "starts_with", "value": "Eng"},
            {"not": {"field": "department", "op": "in", "value": ["IT", "HR"]}}]},
            "then": {"workspaces": [{"id": one, "channel_ids": ["C1"]}], "user_type": "member"}},
        {"when": {"expression": "$contains(title, 'ngi')"}, "then": {"roles": ["org:admin"]}},
        {"when": {"any": [{"field": "workspaces", "op": "eq", "value": "nowhere"},
            {"field": "custom_fields.site", "op": "exists", "value": true}]},
            "then": {"workspaces": [name]}},
    ]);
    let set = synced.rule_set(rules, json!({})).await?;
    for named in [&user, &email, &email.to_uppercase()] {
        let preview = synced.preview(&set, named).await?;
        assert_eq!(
            (&preview["user"]["id"], &preview["user"]["email"]),
            (&json!(user), &json!(email))
        );
        let verdicts: Vec<(&Value, &Value)> = preview["rules"]
            .as_array()
            .context("no rules")?
            .iter()
            .map(|rule| (&rule["rule"], &rule["matches"]))
            .collect();
        let expected = [("Sales", true), ("rule 2", false), ("rule 3", true), ("rule 4", true)];
        let expected = expected.into_iter().chain([("rule 5", false)]);
        for (found, (rule, matches)) in verdicts.iter().zip(expected) {
            assert_eq!(*found, (&json!(rule), &json!(matches)));
        }
        let reasons: Vec<&str> = (0..5)
            .map(|index| preview["rules"][index]["reason"].as_str().unwrap_or_default())
            .collect();
        assert_eq!(reasons[0], "`department` is `Sales` (condition: eq `sales`)");
        assert_eq!(reasons[1], "`department` is `Sales` (condition: eq `IT`)");
        assert!(reasons[2].contains("`title` is `Engineer`"), "{reasons:?}");
        assert!(reasons[2].contains("(condition: in `IT`, `HR`)"), "{reasons:?}");
        assert_eq!(reasons[3], "the expression is true");
        assert!(reasons[4].contains("`custom_fields.site` has no value"), "{reasons:?}");
        let desired = json!({
            "user_type": "member",
            "workspaces": [{"id": one, "channel_ids": ["C1"]}],
            "roles": [{"id": "org:admin"}, {"id": "ws:admin", "workspace_id": one}],
        });
        assert_eq!((&preview["desired"], &preview["problem"]), (&desired, &Value::Null));
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_person_for_whom_nothing_is_certain_gets_a_problem(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let (user, _) = synced.member_of("Sales").await?;
    let failing = json!([{"name": "Failing", "when": {"expression": "$error('no')"},
        "then": {"roles": ["org:admin"]}}, rule("Sales", json!({"roles": ["org:admin"]}))]);
    let set = synced.rule_set(failing, json!({})).await?;
    let preview = synced.preview(&set, &user).await?;
    assert_eq!(
        (&preview["desired"], &preview["rules"][0]["matches"]),
        (&Value::Null, &Value::Null)
    );
    assert!(preview["problem"].to_string().contains("expression of Failing"), "{preview}");
    let contradicting = json!([
        rule("Sales", json!({"user_type": "member"})),
        {"when": {"field": "title", "op": "exists", "value": true},
            "then": {"user_type": "guest_multi_channel"}},
    ]);
    let set = synced.rule_set(contradicting, json!({})).await?;
    let preview = synced.preview(&set, &user).await?;
    assert_eq!(preview["problem"], "rule 1 and rule 2 give different kinds of membership");
    // Lists that rules have are empty for a person whom no rule matches.
    let nothing = json!([rule("IT", json!({"workspaces": [synced.place(0).0]}))]);
    let set = synced.rule_set(nothing, json!({})).await?;
    assert_eq!(synced.preview(&set, &user).await?["desired"], json!({"workspaces": []}));
    // The steps of a plan for the person now: those of an authoritative rule set take what no rule gives.
    let place = synced.api.get(&format!("users/{user}?source=synced")).await?.success()?;
    let place = place["result"]["workspaces"][0]["id"].as_str().context("no workspace")?.to_owned();
    let other = (0..3).map(|index| synced.place(index).0).find(|id| *id != place);
    let rules = json!([
        rule("IT", json!({"workspaces": [place]})),
        rule("Sales", json!({"workspaces": [other]}))
    ]);
    let owning = synced.rule_set(rules, json!({"mode": "authoritative"})).await?;
    let preview = synced.preview(&owning, &user).await?;
    let steps = preview["steps"].as_array().context("no steps")?;
    let kinds: Vec<(&Value, &Value)> =
        steps.iter().map(|step| (&step["operation"]["type"], &step["is_removal"])).collect();
    assert!(kinds.contains(&(&json!("workspace_member.remove"), &json!(true))), "{preview}");
    assert_eq!(preview["problem"], Value::Null);
    // Rules are not about people who are deactivated.
    synced.api.delete(&format!("users/{user}")).await?.success()?;
    assert_eq!(synced.preview(&set, &user).await?["desired"], json!({}));
    let path = format!("rule-sets/{set}/preview");
    let unknown = synced.api.post(&path, &json!({"user": "nobody@example.com"})).await?;
    unknown.problem(404, "not_found");
    Ok(())
}
