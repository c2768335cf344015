//! Desired states as JSON, CSV and NDJSON: what is stored, and what is refused.

use serde_json::{Value, json};
use sqlx::PgPool;
use time::Duration;

use super::{CSV, NDJSON};
use crate::support::ApiResponse;
use crate::sync::{SyncedApp, id_of};

/// Returns the errors of rows: row, place and message.
fn row_errors(response: &ApiResponse) -> Vec<(u64, &str, &str)> {
    let errors = response.body["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |value: &'_ Value| -> Option<String> { value.as_str().map(str::to_owned) };
    assert!(errors.iter().all(|error| text(&error["message"]).is_some()), "{}", response.text);
    errors
        .iter()
        .map(|error| {
            let of = |name: &str| error[name].as_str().unwrap_or_default();
            (error["row"].as_u64().unwrap_or_default(), of("pointer"), of("message"))
        })
        .collect()
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn json_csv_and_ndjson_say_the_same(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let ada = json!({"email": "Ada@example.com", "department": "Sales", "workspaces": ["T1"],
        "roles": [{"id": "ws:admin", "workspace_id": "T1"}], "custom_fields": {"site": "Berlin"}});
    let bob = json!({"email": "bob@example.com", "title": null, "groups": ["S1", "S2"]});
    let csv = "email,department,title,workspaces,roles,groups,custom_fields.site\r\n\
               Ada@example.com,Sales,,T1,ws:admin@T1,,Berlin\r\n\
               bob@example.com,,null,,,S1;S2,\r\n";
    let options = json!({"integrated_account_id": synced.account, "mode": "authoritative",
        "scope": {"workspaces": [{"id": "T1", "mode": "additive"}]}, "prune": true,
        "guards": {"max_removals": {"count": 3, "percent": 0}}, "max_errors": 5,
        "approve": "if_no_removals"});
    let mut body = options.clone();
    body["desired"] = json!({"users": [ada, bob], "match_by": "email",
        "workspaces": [{"name": "New"}]});
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("integrated_account_id", &synced.account)
        .append_pair("mode", "authoritative")
        .append_pair("scope", &options["scope"].to_string())
        .append_pair("prune", "true")
        .append_pair("guards", &options["guards"].to_string())
        .append_pair("max_errors", "5")
        .append_pair("approve", "if_no_removals")
        .append_pair("workspaces", r#"[{"name": "New"}]"#)
        .finish();
    let in_json = synced.api.post("reconciliations", &body).await?;
    let in_csv = synced.upload(&query, "text/csv; charset=UTF-8", csv).await?;
    let in_ndjson = synced.upload(&query, NDJSON, &format!("{ada}\n{bob}")).await?;
    for response in [&in_json, &in_csv, &in_ndjson] {
        assert_eq!(response.status, 202, "{}", response.text);
    }
    let stored: Vec<(Value, Value, i64)> = sqlx::query_as(
        "select options, new_workspaces, desired_users from reconciliations order by reconciliation_id",
    )
    .fetch_all(&synced.app.pool)
    .await?;
    assert_eq!(stored.len(), 3);
    for (options, workspaces, users) in &stored {
        assert_eq!((options, workspaces, *users), (&stored[0].0, &json!([{"name": "New"}]), 2));
        assert_eq!(options["scope"]["workspaces"][0]["id"], "T1");
        assert_eq!(options["guards"]["max_removals"]["count"], 3);
        assert_eq!(options["approve"], "if_no_removals");
    }
    let staged = synced.staged().await?;
    let people = |key: &str| -> Vec<&Value> {
        staged.iter().filter(|row| row.1 == key).map(|row| &row.2).collect()
    };
    for key in ["ada@example.com", "bob@example.com"] {
        let [one, two, three] = people(key)[..] else { anyhow::bail!("{staged:?}") };
        assert!(one == two && two == three, "{one} {two} {three}");
    }
    assert_eq!(people("ada@example.com")[0]["workspaces"], json!([{"id": "T1"}]));
    let log = synced.app.home.admin.get("audit-log?action=reconciliation.requested").await?;
    assert_eq!(log.success()?["result_count"], 3);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn nothing_is_planned_from_rows_that_cannot_be_used(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let csv = "email,user_type,workspaces\n\
               ada@example.com,member,T1\n\
               bob@example.com,employee,T1\n\
               ,member,T1\n\
               eve@example.com,member\n\
               Ada@example.com,member,T2\n";
    let refused = synced.upload("", CSV, csv).await?;
    let detail = &refused.problem(422, "invalid_desired_state")["detail"];
    assert!(detail.to_string().contains("4 of 5 rows"), "{detail}");
    let found = row_errors(&refused);
    let places: Vec<(u64, &str)> = found.iter().map(|(row, place, _)| (*row, *place)).collect();
    assert_eq!(places, [(3, "user_type"), (4, "email"), (5, ""), (6, "email")]);
    assert!(found[3].2.contains("the same in row 2"), "{found:?}");

    let users = json!([
        {"email": "ada@example.com"},
        {"email": "bob@example.com", "user_type": "employee"},
        {"name": "Eve"},
        {"email": "kim@example.com", "roles": [{"id": "org:admin", "place": 1}]},
        {"email": "lea@example.com", "remote_data": {}},
    ]);
    let listed = json!({"desired": {"users": users}});
    let refused = synced.api.post("reconciliations", &listed).await?;
    refused.problem(422, "invalid_desired_state");
    let found = row_errors(&refused);
    let places: Vec<(u64, &str)> = found.iter().map(|(row, place, _)| (*row, *place)).collect();
    assert_eq!(
        places,
        [
            (2, "/desired/users/1/user_type"),
            (3, "/desired/users/2/email"),
            (4, "/desired/users/3/roles/0"),
            (5, "/desired/users/4/remote_data"),
        ]
    );

    let place = synced.place(0).0;
    let scope = json!({"workspaces": [{"id": place, "mode": "authoritative"}]});
    for query in
        ["prune=true".to_owned(), "mode=authoritative".to_owned(), format!("scope={scope}")]
    {
        let refused = synced.upload(&query, CSV, "email,workspaces\n").await?;
        let problem = refused.problem(422, "invalid_desired_state");
        assert!(problem["detail"].to_string().contains("no people"), "{query}: {problem}");
    }

    let header = synced.upload("skip_bad_rows=true", CSV, "email,Abteilung\na@b.c,x\n").await?;
    header.problem(422, "invalid_desired_state");
    assert_eq!(header.pointers(), ["Abteilung"]);
    assert_eq!(synced.staged().await?, []);
    let count: i64 = sqlx::query_scalar("select count(*) from reconciliations")
        .fetch_one(&synced.app.pool)
        .await?;
    assert_eq!(count, 0);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn bad_rows_are_left_out_of_plans_that_remove_nobody(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let csv = "email,user_type\nada@example.com,member\nbob@example.com,employee\n";
    for removing in [
        "prune=true",
        "mode=authoritative",
        "scope={\"groups\":[{\"id\":\"S1\",\"mode\":\"authoritative\"}]}",
    ] {
        let query = format!("skip_bad_rows=true&{removing}");
        let refused = synced.upload(&query, CSV, csv).await?;
        let detail = &refused.problem(422, "invalid_desired_state")["detail"];
        assert!(detail.to_string().contains("would lose access"), "{detail}");
        assert_eq!(synced.staged().await?, []);
    }
    let accepted = synced.upload("skip_bad_rows=true", CSV, csv).await?;
    assert_eq!(accepted.status, 202, "{}", accepted.text);
    let keys: Vec<String> = synced.staged().await?.into_iter().map(|row| row.1).collect();
    assert_eq!(keys, ["ada@example.com"]);
    let (users, errors): (i64, Value) =
        sqlx::query_as("select desired_users, row_errors from reconciliations")
            .fetch_one(&synced.app.pool)
            .await?;
    assert_eq!((users, &errors[0]["row"]), (1, &json!(3)));
    assert_eq!(errors[0]["column"], "user_type");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn people_are_matched_by_the_field_that_the_request_names(
    pool: PgPool,
) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    for (by, csv, key) in [
        ("external_id", "external_id,name\nX-1,Ada\nx-1,Eve\n", "X-1"),
        ("employee_number", "employee_number,name\n007,Ada\n7,Eve\n", "007"),
        ("username", "username,name\nAda,Ada\n", "ada"),
    ] {
        let accepted = synced.upload(&format!("match_by={by}"), CSV, csv).await?;
        assert_eq!(accepted.status, 202, "{}", accepted.text);
        assert!(synced.staged().await?.iter().any(|row| row.1 == key), "{by}");
    }
    let missing = synced.upload("match_by=username", CSV, "email\na@b.c\n").await?;
    missing.problem(422, "invalid_desired_state");
    assert_eq!(row_errors(&missing)[0].1, "username");
    let body = json!({"match_by": "email", "desired": {"match_by": "username", "users": []}});
    let both = synced.api.post("reconciliations", &body).await?;
    both.problem(422, "invalid_body");
    assert_eq!(both.pointers(), ["/match_by", "/desired/match_by"]);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn options_are_validated_before_rows_are_read(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let rule_set = "rls_01J8ZQ5V9Y3M7T2K4N6P8R0S1T";
    let workspaces = json!([{"name": " "}, {"name": "A"}, {"name": "A"}]);
    for (body, pointers) in [
        (json!({}), vec!["/desired"]),
        (json!({"desired": {"users": []}, "max_errors": 0}), vec!["/max_errors"]),
        (json!({"desired": {"users": []}, "mode": "both"}), vec!["/mode"]),
        (json!({"desired": {"users": []}, "approve": "always"}), vec!["/approve"]),
        (json!({"desired": {"users": []}, "approve": "within_guards"}), vec!["/approve"]),
        (json!({"desired": {"people": []}}), vec!["/desired/people"]),
        (json!({"desired": {"users": [1]}}), vec!["/desired/users/0"]),
        (
            json!({"desired": {"users": []}, "guards": {"max_removals": {"count": 1, "percent": 101}}}),
            vec!["/guards/max_removals/percent"],
        ),
        (
            json!({"desired": {"users": [], "workspaces": workspaces}}),
            vec!["/desired/workspaces/0/name", "/desired/workspaces/2/name"],
        ),
        (json!({"rule_set_id": rule_set}), vec!["/rule_set_id"]),
    ] {
        let refused = synced.api.post("reconciliations", &body).await?;
        refused.problem(422, "invalid_body");
        assert_eq!(refused.pointers(), pointers, "{body}");
    }
    for (query, name) in [
        ("mode=both", "mode"),
        ("scope=T1", "scope"),
        ("scope={\"workspaces\":[{\"id\":\"T1\"}]}", "scope"),
        ("guards={}x", "guards"),
        ("max_errors=0", "max_errors"),
        ("rule_set_id=x", "rule_set_id"),
        ("approve=yes", "approve"),
        ("workspaces=[{\"name\":\"\"}]", "workspaces/0/name"),
    ] {
        let refused = synced.upload(query, CSV, "email\na@b.c\n").await?;
        refused.problem(400, "invalid_query");
        assert_eq!(refused.pointers(), [name], "{query}");
    }
    let unknown = synced.upload("prune=true", "application/json", "{}").await?;
    unknown.problem(400, "invalid_query");
    for kind in ["text/plain", "text/csv; charset=iso-8859-1", "application/xml"] {
        let refused = synced.upload("", kind, "email\na@b.c\n").await?;
        refused.problem(415, "unsupported_media_type");
    }
    assert_eq!(synced.staged().await?, []);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_plan_needs_a_complete_copy_of_the_users(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    let body = json!({"desired": {"users": [{"email": "ada@example.com"}]}});
    synced.api.post("reconciliations", &body).await?.problem(409, "not_synced");
    synced.upload("", CSV, "email\nada@example.com\n").await?.problem(409, "not_synced");
    synced.synced().await?;
    let path = format!("integrated-accounts/{}", synced.account);
    let disabled = json!({"sync": {"enabled": false}});
    synced.app.home.api.patch(&path, &disabled).await?.success()?;
    synced.api.post("reconciliations", &body).await?.problem(409, "sync_disabled");
    assert_eq!(synced.staged().await?, []);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_account_token_plans_for_its_own_account_only(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let other = synced.app.link("globex").await?;
    let own = synced.account_token(&synced.account, json!(["read", "write"])).await?;
    let reader = synced.account_token(&synced.account, json!(["read"])).await?;
    let foreign = synced.account_token(&other, json!(["read", "write"])).await?;
    let body = json!({"desired": {"users": [{"email": "ada@example.com"}]}});
    let named = json!({"integrated_account_id": synced.account, "desired": body["desired"]});
    reader.post("reconciliations", &body).await?.problem(403, "insufficient_scope");
    foreign.post("reconciliations", &named).await?.problem(404, "account_not_found");
    let uploaded = format!("reconciliations?integrated_account_id={}", synced.account);
    let csv = Some((CSV, "email\nada@example.com\n"));
    foreign.send(http::Method::POST, &uploaded, csv).await?.problem(404, "account_not_found");
    assert_eq!(synced.staged().await?, []);
    let accepted = own.post("reconciliations", &body).await?;
    assert_eq!(accepted.status, 202, "{}", accepted.text);
    assert_eq!(synced.staged().await?.len(), 1);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rows_without_a_plan_in_the_making_are_deleted_after_a_day(
    pool: PgPool,
) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let accepted = synced.upload("", CSV, "email\nada@example.com\n").await?;
    let id = id_of(&accepted.body)?;
    // Those of an upload that was interrupted.
    sqlx::query(
        "insert into reconciliation_rows select environment_id, integrated_account_id, 'rec_other', 1, match_key,
             person, created_at from reconciliation_rows",
    )
    .execute(&synced.app.pool)
    .await?;
    let (store, retention) = (&synced.app.state.store, Duration::days(30));
    let purge = async |hours| {
        store.purge_expired(synced.app.state.clock.now() + Duration::hours(hours), retention).await
    };
    purge(23).await?;
    assert_eq!(synced.staged().await?.len(), 2);
    purge(25).await?;
    let left: Vec<String> = sqlx::query_scalar("select reconciliation_id from reconciliation_rows")
        .fetch_all(&synced.app.pool)
        .await?;
    assert_eq!(left, [id]);
    sqlx::query("update reconciliations set status = 'cancelled'")
        .execute(&synced.app.pool)
        .await?;
    purge(25).await?;
    assert_eq!(synced.staged().await?, []);
    Ok(())
}
