//! Rule sets: what is stored, refused and visible.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::ApiResponse;
use crate::sync::{SyncedApp, id_of};

impl SyncedApp {
    /// Creates a rule set with these rules.
    pub(super) async fn rule_set(&self, rules: Value, more: Value) -> anyhow::Result<String> {
        let created = self.post_rule_set(rules, more).await?;
        id_of(&created.created()?)
    }

    pub(super) async fn post_rule_set(
        &self,
        rules: Value,
        more: Value,
    ) -> anyhow::Result<ApiResponse> {
        let mut body =
            json!({"integrated_account_id": self.account, "name": "Departments", "rules": rules});
        if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
            body.extend(more.clone());
        }
        self.app.home.admin.post("rule-sets", &body).await
    }

    /// Returns the id and the name of a workspace.
    pub(super) fn place(&self, index: usize) -> (String, String) {
        self.app.sandbox.with_org(|org| {
            let workspace = &org.workspaces[index];
            (workspace.id.clone(), workspace.name.clone())
        })
    }
}

/// A rule for a department.
#[expect(clippy::needless_pass_by_value, reason = "callers write the value in place")]
pub(super) fn rule(department: &str, then: Value) -> Value {
    json!({"when": {"field": "department", "op": "eq", "value": department}, "then": then})
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_rule_set_is_created_listed_changed_and_deleted(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let admin = &synced.app.home.admin;
    let (id, name) = synced.place(1);
    let rules = json!([rule(
        "Sales",
        json!({"workspaces": [id, {"id": name, "channel_ids": ["C1"]}],
        "roles": ["org:admin", {"id": "ws:admin", "workspace_id": id}], "user_type": "member"})
    )]);
    let created = synced.post_rule_set(rules, json!({})).await?.created()?;
    let set = &created["result"];
    assert_eq!((&set["mode"], &set["auto"]), (&json!("additive"), &json!(false)));
    assert_eq!(set["rules"][0]["then"]["workspaces"][0], json!({"id": id}));
    assert_eq!(set["rules"][0]["then"]["roles"][0], json!({"id": "org:admin"}));
    assert_eq!(set["guards"]["max_removals"], json!({"count": 20, "percent": 10}));
    let path = format!("rule-sets/{}", id_of(&created)?);
    assert_eq!(&admin.get(&path).await?.success()?["result"], set);
    let change = json!({"name": "Offices", "mode": "authoritative", "auto": true,
        "guards": {"protected": ["ceo@example.com"]}});
    let changed = admin.patch(&path, &change).await?.success()?;
    assert_eq!(changed["result"]["rules"], set["rules"]);
    assert_eq!(changed["result"]["mode"], "authoritative");
    let second = synced.rule_set(json!([rule("IT", json!({"roles": ["org:admin"]}))]), json!({}));
    let second = second.await?;
    let listed = admin.get("rule-sets?limit=1").await?.success()?;
    assert_eq!(listed["result"][0]["name"], "Offices");
    let cursor = listed["next_cursor"].as_str().unwrap_or_default().to_owned();
    let rest = admin.get(&format!("rule-sets?limit=1&next_cursor={cursor}")).await?.success()?;
    assert_eq!((&rest["result"][0]["id"], &rest["next_cursor"]), (&json!(second), &Value::Null));
    admin.delete(&path).await?.success()?;
    admin.get(&path).await?.problem(404, "not_found");
    admin.delete(&path).await?.problem(404, "not_found");
    admin.patch(&path, &json!({"name": "x"})).await?.problem(404, "not_found");
    let log = admin.get("audit-log?limit=1000").await?.success()?;
    let actions: Vec<&str> = log["result"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|entry| entry["action"].as_str())
        .filter(|action| action.starts_with("rule_set."))
        .collect();
    let created = "rule_set.created";
    assert_eq!(actions, ["rule_set.deleted", created, "rule_set.changed", created]);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rules_that_can_never_work_are_refused_with_the_reason(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    let then = json!({"roles": ["org:admin"]});
    let place = json!({"workspaces": ["No such workspace"]});
    // Without a copy nothing is known about names.
    synced.rule_set(json!([rule("Sales", place.clone())]), json!({})).await?;
    synced.synced().await?;
    let when = |when: Value| json!([{"when": when, "then": then}]);
    let of = |then: Value| json!([rule("Sales", then)]);
    for (rules, more, pointer, message) in [
        (json!([]), json!({}), "/rules", "1 to 200"),
        (vec![rule("Sales", then.clone()); 201].into(), json!({}), "/rules", "1 to 200"),
        (of(then.clone()), json!({"name": " "}), "/name", "1 to 200 characters"),
        (of(then.clone()), json!({"mode": "strict"}), "/mode", "unknown variant"),
        (
            of(then.clone()),
            json!({"guards": {"max_removals": {"count": 1, "percent": 200}}}),
            "/guards/max_removals/percent",
            "between 0 and 100",
        ),
        (of(json!({})), json!({}), "/rules/0/then", "at least one of"),
        (of(json!({"user_type": "bot"})), json!({}), "/rules/0/then/user_type", "must not be"),
        (
            of(place),
            json!({}),
            "/rules/0/then/workspaces/0",
            "no workspace has the id or name No such",
        ),
        (of(json!({"groups": ["S9"]})), json!({}), "/rules/0/then/groups/0", "no group has"),
        (of(json!({"roles": ["boss"]})), json!({}), "/rules/0/then/roles/0/id", "is not a role"),
        (
            of(json!({"roles": [{"id": "ws:admin", "workspace_id": "T9"}]})),
            json!({}),
            "/rules/0/then/roles/0/workspace_id",
            "no workspace has",
        ),
        (of(json!({"roles": [{"place": 1}]})), json!({}), "/rules/0/then/roles/0", "place"),
        (when(json!({"field": "x"})), json!({}), "/rules/0/when", "name of a field"),
        (when(json!({"any": []})), json!({}), "/rules/0/when", "at least one condition"),
        (
            when(json!({"all": [{"not": {"expression": "1 +"}}]})),
            json!({}),
            "/rules/0/when/all/0/not/expression",
            "",
        ),
        (of(then.clone()), json!({"rule": 1}), "/rule", "unknown field"),
    ] {
        let refused = synced.post_rule_set(rules.clone(), more.clone()).await?;
        refused.problem(422, "invalid_body");
        assert_eq!(refused.pointers(), [pointer], "{}", refused.text);
        assert!(refused.text.contains(message), "{}", refused.text);
    }
    let several = json!([
        rule("Sales", json!({"workspaces": ["T8"], "roles": ["boss"]})),
        rule("IT", json!({"workspaces": ["T9"], "user_type": "bot"}))
    ]);
    let refused = synced.post_rule_set(several, json!({})).await?;
    assert_eq!(
        refused.pointers(),
        [
            "/rules/0/then/workspaces/0",
            "/rules/0/then/roles/0/id",
            "/rules/1/then/user_type",
            "/rules/1/then/workspaces/0",
        ]
    );
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_account_token_sees_the_rule_sets_of_its_account_and_changes_none(
    pool: PgPool,
) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let other = synced.app.link("globex").await?;
    let rules = json!([rule("Sales", json!({"roles": ["org:admin"]}))]);
    let id = synced.rule_set(rules.clone(), json!({})).await?;
    let theirs = json!({"integrated_account_id": other});
    let theirs = synced.rule_set(rules.clone(), theirs).await?;
    let own = synced.account_token(&synced.account, json!(["read", "write"])).await?;
    let listed = own.get("rule-sets").await?.success()?;
    assert_eq!((&listed["result_count"], &listed["result"][0]["id"]), (&json!(1), &json!(id)));
    let path = format!("rule-sets/{id}");
    own.get(&path).await?.success()?;
    let foreign = format!("rule-sets/{theirs}");
    own.get(&foreign).await?.problem(404, "not_found");
    let user = json!({"user": "U1"});
    own.post(&format!("{foreign}/preview"), &user).await?.problem(404, "not_found");
    let filter = format!("rule-sets?integrated_account_id={other}");
    own.get(&filter).await?.problem(404, "account_not_found");
    let body = json!({"name": "x", "rules": rules});
    own.post("rule-sets", &body).await?.problem(403, "insufficient_scope");
    own.patch(&path, &json!({"name": "x"})).await?.problem(403, "insufficient_scope");
    own.delete(&path).await?.problem(403, "insufficient_scope");
    // A rule set of another account can't be planned.
    let named = json!({ "rule_set_id": theirs });
    let refused = own.post("reconciliations", &named).await?;
    refused.problem(422, "invalid_body");
    assert_eq!(refused.pointers(), ["/rule_set_id"]);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_plan_of_a_rule_set_owns_what_its_rules_name(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let ((one, _), (two, _)) = (synced.place(0), synced.place(1));
    let role = json!({"id": "ws:admin", "workspace_id": two});
    let rules = json!([
        rule("Sales", json!({"workspaces": [one]})),
        rule("IT", json!({"workspaces": [one, two], "roles": [role]}))
    ]);
    let more = json!({"mode": "authoritative", "guards": {"protected": ["ceo@example.com"]}});
    let id = synced.rule_set(rules, more).await?;
    let body = json!({"rule_set_id": id,
        "scope": {"workspaces": [{"id": one, "mode": "additive"}]}});
    let accepted = synced.api.post("reconciliations", &body).await?;
    assert_eq!(accepted.status, 202, "{}", accepted.text);
    let (options, rule_set): (Value, String) =
        sqlx::query_as("select options, rule_set_id from reconciliations")
            .fetch_one(&synced.app.pool)
            .await?;
    assert_eq!((&options["mode"], &rule_set), (&json!("authoritative"), &id));
    assert_eq!(options["guards"]["protected"], json!(["ceo@example.com"]));
    let scope = json!({"workspaces": [{"id": one, "mode": "additive"}], "roles": [], "groups": []});
    assert_eq!(options["scope"], scope);
    let both = json!({"rule_set_id": id, "desired": {"users": []}});
    let refused = synced.api.post("reconciliations", &both).await?;
    assert_eq!(refused.pointers(), ["/desired"]);
    let prune = json!({"rule_set_id": id, "prune": true});
    assert_eq!(synced.api.post("reconciliations", &prune).await?.pointers(), ["/prune"]);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_automatic_rule_set_follows_the_feed_from_its_end(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool.clone(), json!({})).await?;
    synced.synced().await?;
    let position = async || {
        let query = "select sequence from rule_set_positions";
        sqlx::query_scalar::<_, i64>(query).fetch_optional(&pool).await
    };
    let end = async || {
        let query = "select last_sequence from account_feeds";
        sqlx::query_scalar::<_, i64>(query).fetch_one(&pool).await
    };
    let rules = json!([rule("Sales", json!({"roles": ["org:admin"]}))]);
    let id = synced.rule_set(rules.clone(), json!({})).await?;
    assert_eq!(position().await?, None);
    let path = format!("rule-sets/{id}");
    let admin = &synced.app.home.admin;
    admin.patch(&path, &json!({"auto": true})).await?.success()?;
    let first = end().await?;
    assert_eq!(position().await?, Some(first));
    // Events since then are not applied by changed rules.
    synced.app.clock.advance(time::Duration::seconds(1));
    let (user, _) = synced.some_member().await?;
    synced.api.patch(&format!("users/{user}"), &json!({"title": "New"})).await?.success()?;
    assert!(end().await? > first);
    // Changes of another rule set, which is not automatic, leave the events that wait.
    let other = synced.rule_set(rules, json!({"name": "Other"})).await?;
    assert_eq!(position().await?, Some(first));
    admin.delete(&format!("rule-sets/{other}")).await?.success()?;
    assert_eq!(position().await?, Some(first));
    admin.patch(&path, &json!({"name": "Changed"})).await?.success()?;
    assert_eq!(position().await?, Some(end().await?));
    admin.delete(&path).await?.success()?;
    assert_eq!(position().await?, None);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_change_retains_what_others_change_at_the_same_time(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let rules = json!([rule("Sales", json!({"roles": ["org:admin"]}))]);
    let id = synced.rule_set(rules, json!({"auto": true})).await?;
    let path = format!("rule-sets/{id}");
    let mut other = synced.app.pool.begin().await?;
    sqlx::query("UPDATE rule_sets SET auto = false").execute(&mut *other).await?;
    let body = json!({"name": "x"});
    let change = synced.app.home.admin.patch(&path, &body);
    let commit = async {
        // The change was made to the rule set as it was before, and waits for the other one.
        let waiting = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&synced.app.pool).await? == 0 {
            tokio::task::yield_now().await;
        }
        Ok(other.commit().await?)
    };
    let (changed, ()) = tokio::try_join!(change, commit)?;
    let changed = changed.success()?;
    assert_eq!(
        (&changed["result"]["name"], &changed["result"]["auto"]),
        (&json!("x"), &json!(false))
    );
    Ok(())
}
