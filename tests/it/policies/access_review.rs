//! `/access-review`: its rows, formats, filters, the past, and who may read it.

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use crate::support::{ApiResponse, Client, bearer};
use crate::sync::SyncedApp;

/// The columns, in their order. Others may only be appended.
const COLUMNS: &str = "user_id,email,name,username,title,department,status,user_type,last_activity_at,access_type,\
    access_id,access_name,access_scope,workspace_id,workspace_name,channel_id,is_privileged,granted_at,\
    granted_by_type,granted_by_id,granted_by_name,is_older_than_sync";

/// Returns the rows of a review in JSON.
async fn rows(api: &Client, query: &str) -> anyhow::Result<Vec<Value>> {
    let review = api.get(&format!("access-review?{query}")).await?.success()?;
    let rows = review["result"].as_array().context("no rows")?.clone();
    assert_eq!(review["result_count"], rows.len(), "{query}");
    Ok(rows)
}

/// Returns the rows of a review in CSV as objects with texts.
fn records(response: &ApiResponse) -> anyhow::Result<Vec<Value>> {
    let mut reader = csv::Reader::from_reader(response.text.as_bytes());
    let columns = reader.headers()?.clone();
    reader
        .records()
        .map(|record| {
            let record = record?;
            let fields = columns.iter().zip(record.iter());
            Ok(fields.map(|(column, field)| (column.to_owned(), Value::from(field))).collect())
        })
        .collect()
}

/// Returns a row with its values as texts, as in CSV.
fn as_texts(row: &Value) -> anyhow::Result<Value> {
    let fields = row.as_object().context("no object")?.iter();
    let text = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    };
    Ok(fields.map(|(name, value)| (name.clone(), Value::from(text(value)))).collect())
}

/// Returns what the lists of the copy say about access: user, type, id and workspace.
async fn expected_access(synced: &SyncedApp) -> anyhow::Result<BTreeSet<[String; 4]>> {
    let mut access = BTreeSet::new();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for user in synced.all("users?source=synced&limit=1000").await?.values() {
        let before = access.len();
        for workspace in user["workspaces"].as_array().context("no workspaces")? {
            let id = text(&workspace["id"]);
            access.insert([text(&user["id"]), "workspace".to_owned(), id.clone(), id]);
        }
        for group in user["groups"].as_array().context("no groups")? {
            let (id, no_workspace) = (text(&group["id"]), String::new());
            access.insert([text(&user["id"]), "group".to_owned(), id, no_workspace]);
        }
        for role in user["roles"].as_array().context("no roles")? {
            let (id, workspace) = (text(&role["id"]), text(&role["workspace_id"]));
            access.insert([text(&user["id"]), "role".to_owned(), id, workspace]);
        }
        if access.len() == before {
            access.insert([text(&user["id"]), String::new(), String::new(), String::new()]);
        }
    }
    Ok(access)
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn all_formats_list_the_access_of_everybody(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let api = &synced.api;
    let review = api.get("access-review").await?;
    assert_eq!(review.header("content-type"), "application/json");
    assert!(review.header("age").parse::<u32>().is_ok(), "{:?}", review.headers);
    assert!(review.body["synced_at"].is_string(), "{}", review.body["synced_at"]);
    let all = rows(api, "").await?;
    let listed: Vec<[String; 4]> = all
        .iter()
        .map(|row| {
            ["user_id", "access_type", "access_id", "workspace_id"]
                .map(|name| row[name].as_str().unwrap_or_default().to_owned())
        })
        .collect();
    let expected = expected_access(&synced).await?;
    assert_eq!(listed.iter().cloned().collect::<BTreeSet<_>>(), expected);
    assert_eq!(listed.len(), expected.len(), "a row is repeated");
    assert!(listed.iter().map(|row| &row[0]).is_sorted());
    for access_type in ["role", "workspace", "group", ""] {
        assert!(listed.iter().any(|row| row[1] == access_type), "no row with {access_type:?}");
    }
    for row in all.iter().filter(|row| row["access_type"].is_null()) {
        let of_access = COLUMNS.split(',').skip(9);
        assert!(of_access.clone().all(|name| row[name].is_null()), "{row}");
    }

    for (query, accept) in [("?format=csv", "application/json"), ("", "text/csv")] {
        let api = api.clone().with("accept", accept)?;
        let review = api.get(&format!("access-review{query}")).await?;
        assert_eq!(review.header("content-type"), "text/csv; charset=utf-8; header=present");
        assert!(review.headers.contains_key("age"), "{:?}", review.headers);
        assert!(review.text.starts_with(&format!("{COLUMNS}\r\n")), "{:.500}", review.text);
        assert!(review.text.ends_with("\r\n"));
        let records = records(&review)?;
        let expected: Vec<Value> = all.iter().map(as_texts).collect::<Result<_, _>>()?;
        assert_eq!(records, expected, "{query} {accept}");
    }
    for (query, accept) in [("?format=ndjson", "*/*"), ("", "application/x-ndjson")] {
        let api = api.clone().with("accept", accept)?;
        let review = api.get(&format!("access-review{query}")).await?;
        assert_eq!(review.header("content-type"), "application/x-ndjson");
        let lines = review.text.lines().map(serde_json::from_str);
        assert_eq!(lines.collect::<Result<Vec<Value>, _>>()?, all, "{query} {accept}");
    }

    synced.app.state.uses.finish().await;
    let admin = &synced.app.home.admin;
    let recorded = admin.get("audit-log?action=access_review.exported").await?.success()?;
    let recorded = recorded["result"].as_array().context("no rows")?;
    let calls: Option<u64> = recorded.iter().map(|row| row["calls"].as_u64()).sum();
    assert_eq!(calls, Some(6), "{recorded:?}");
    let first = recorded.last().context("not recorded")?;
    assert_eq!(
        (&first["kind"], &first["integrated_account_id"]),
        (&json!("use"), &json!(synced.account))
    );
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn filters_select_people_and_access(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let all = rows(&synced.api, "").await?;
    let of = |name: &str, value: &Value| -> Vec<Value> {
        all.iter().filter(|row| row[name] == *value).cloned().collect()
    };
    let first = |name: &str| {
        let found = all.iter().find(|row| !row[name].is_null()).with_context(|| name.to_owned());
        anyhow::Ok(found?[name].as_str().context("no text")?.to_owned())
    };
    let (workspace, department) = (first("workspace_id")?, first("department")?);
    let role = all.iter().find(|row| row["is_privileged"] == true).context("no privileged role")?;
    let role = role["access_id"].as_str().context("no id")?.to_owned();
    let mut tried = vec![
        ("is_privileged=true".to_owned(), of("is_privileged", &json!(true))),
        ("is_privileged=false".to_owned(), of("is_privileged", &json!(false))),
        (format!("workspace_id={workspace}"), of("workspace_id", &json!(workspace))),
        (format!("role_id={role}"), of("access_id", &json!(role))),
        (format!("department={}", department.to_uppercase()), of("department", &json!(department))),
        ("status=inactive".to_owned(), of("status", &json!("inactive"))),
        ("user_type=bot".to_owned(), of("user_type", &json!("bot"))),
    ];
    for access_type in ["role", "workspace", "group"] {
        let query = format!("access_type={access_type}");
        tried.push((query, of("access_type", &json!(access_type))));
    }
    let is_guest =
        |row: &&Value| row["user_type"].as_str().is_some_and(|one| one.starts_with("guest_"));
    tried.push(("user_type=guest".to_owned(), all.iter().filter(is_guest).cloned().collect()));
    let both = |row: &&Value| row["access_type"] == "workspace" && row["workspace_id"] == workspace;
    let query = format!("access_type=workspace&workspace_id={workspace}&is_privileged=false");
    tried.push((query, all.iter().filter(both).cloned().collect()));
    let mut times: Vec<OffsetDateTime> = all
        .iter()
        .filter_map(|row| OffsetDateTime::parse(row["last_activity_at"].as_str()?, &Rfc3339).ok())
        .collect();
    times.sort_unstable();
    let median = times.get(times.len() / 2).context("no activity")?;
    let days = (synced.app.state.clock.now() - *median).whole_days().max(1);
    let limit = synced.app.state.clock.now() - Duration::days(days);
    let is_inactive = |row: &&Value| {
        let at = row["last_activity_at"].as_str();
        at.is_none_or(|at| OffsetDateTime::parse(at, &Rfc3339).is_ok_and(|at| at < limit))
    };
    let inactive: Vec<Value> = all.iter().filter(is_inactive).cloned().collect();
    assert!(inactive.len() < all.len(), "everybody is inactive");
    tried.push((format!("inactive_days={days}"), inactive));
    for (query, expected) in tried {
        assert_eq!(rows(&synced.api, &query).await?, expected, "{query}");
        let is_empty_on_purpose = query == "user_type=bot" || query.contains("inactive_days");
        assert!(!expected.is_empty() || is_empty_on_purpose, "{query} selects nothing");
    }
    assert!(rows(&synced.api, "department=Nowhere").await?.is_empty());
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_invalid_and_contradictory_parameters(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    for (query, pointers) in [
        ("format=xml", &["format"][..]),
        ("inactive_days=0", &["inactive_days"]),
        ("inactive_days=3651", &["inactive_days"]),
        ("is_privileged=yes", &["is_privileged"]),
        ("access_type=channel", &["access_type"]),
        ("user_type=guests", &["user_type"]),
        ("as_of=yesterday", &["as_of"]),
        ("limit=10", &["limit"]),
        ("access_type=group&role_id=R1", &["access_type", "role_id"]),
        ("access_type=workspace&is_privileged=true", &["access_type", "is_privileged"]),
        ("access_type=group&workspace_id=T1", &["access_type", "workspace_id"]),
    ] {
        let response = synced.api.get(&format!("access-review?{query}")).await?;
        response.problem(400, "invalid_query");
        assert_eq!(response.pointers(), pointers, "{query}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_grant_has_its_time_and_actor_and_the_past_does_not_have_it(
    pool: PgPool,
) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let before = rows(&synced.api, "").await?;
    let at = synced.app.state.clock.now().format(&Rfc3339)?;
    for row in before.iter().filter(|row| !row["access_type"].is_null()) {
        assert_eq!(row["is_older_than_sync"], true, "{row}");
        assert_eq!(row["granted_by_type"], Value::Null, "{row}");
        // System roles have the provider's time, of the others it is unknown.
        let is_known = row["granted_at"].is_string();
        let is_system_role = row["access_id"].as_str().is_some_and(|id| id.starts_with("Rl"));
        assert_eq!(is_known, is_system_role, "{row}");
    }

    synced.app.clock.advance(Duration::minutes(5));
    let member = before.iter().find(|row| {
        row["status"] == "active"
            && row["user_type"] == "member"
            && !before
                .iter()
                .any(|other| other["user_id"] == row["user_id"] && other["access_id"] == "Rl04")
    });
    let user = member.context("no member")?["user_id"].clone();
    let body = json!({"user_id": user, "role_id": "Rl04"});
    synced.api.post("role-assignments", &body).await?.created()?;
    let granted: Vec<Value> = rows(&synced.api, "role_id=Rl04").await?;
    let granted = granted.iter().find(|row| row["user_id"] == user).context("no grant")?;
    assert_eq!(granted["is_older_than_sync"], false, "{granted}");
    assert_eq!(granted["granted_by_type"], "gateway", "{granted}");
    let key = granted["granted_by_id"].as_str().context("no key")?;
    assert!(key.starts_with("key_"), "{granted}");
    assert!(granted["granted_at"].is_string(), "{granted}");

    assert_eq!(rows(&synced.api, &format!("as_of={at}")).await?, before);
    let past = rows(&synced.api, &format!("role_id=Rl04&as_of={at}")).await?;
    assert!(past.iter().all(|row| row["user_id"] != user), "{past:?}");
    // A later version of the same assignment is no new grant.
    sqlx::query(
        "WITH feed AS (
             UPDATE account_feeds SET last_change_at = last_change_at + interval '1 hour'
             WHERE integrated_account_id = $1 RETURNING last_change_at),
         ended AS (
             UPDATE directory_role_assignments v SET valid_to = feed.last_change_at FROM feed
             WHERE v.integrated_account_id = $1 AND v.user_id = $2 AND v.role_id = 'Rl04'
               AND v.valid_to = 'infinity'
             RETURNING v.*)
         INSERT INTO directory_role_assignments (environment_id, integrated_account_id, kind, object_id, valid_from,
             read_at, hash, user_id, role_id, body)
         SELECT environment_id, integrated_account_id, kind, object_id, valid_to, read_at, '\\x01', user_id, role_id,
             json_build_object('role_name', 'Renamed', 'scope', 'organization', 'is_privileged', true)
         FROM ended",
    )
    .bind(&synced.account)
    .bind(user.as_str())
    .execute(&synced.app.pool)
    .await?;
    let renamed: Vec<Value> = rows(&synced.api, "role_id=Rl04").await?;
    let renamed = renamed.iter().find(|row| row["user_id"] == user).context("no grant")?;
    assert_eq!(renamed["access_name"], "Renamed");
    for field in ["granted_by_type", "granted_by_id", "is_older_than_sync"] {
        assert_eq!(renamed[field], granted[field], "{renamed}");
    }

    for time in ["2020-01-01T00:00:00Z", "2220-01-01T00:00:00Z"] {
        let response = synced.api.get(&format!("access-review?as_of={time}")).await?;
        response.problem(400, "as_of_out_of_range");
        assert_eq!(response.pointers(), ["as_of"]);
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn csv_is_quoted_and_has_no_formulas(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let users = synced.all("users?source=synced&status=active&user_type=member&limit=9").await?;
    let titles = [
        ("=HYPERLINK(\"http://x.test\",\"y\")", "\"'=HYPERLINK(\"\"http://x.test\"\",\"\"y\"\")\""),
        ("+49 30 1", "'+49 30 1"),
        ("-2", "'-2"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("one, \"two\"", "\"one, \"\"two\"\"\""),
        ("plain =1", "plain =1"),
    ];
    assert!(users.len() >= titles.len());
    for (user, (title, _)) in users.keys().zip(titles) {
        sqlx::query(
            "UPDATE directory_users
             SET body = (body::jsonb || jsonb_build_object('title', $3::text))::json
             WHERE integrated_account_id = $1 AND object_id = $2",
        )
        .bind(&synced.account)
        .bind(user)
        .bind(title)
        .execute(&synced.app.pool)
        .await?;
    }
    let review = synced.api.get("access-review?format=csv").await?;
    assert_eq!(review.status, 200, "{}", review.text);
    let all = rows(&synced.api, "").await?;
    for (user, (title, field)) in users.keys().zip(titles) {
        let line = review.text.split("\r\n").find(|line| line.starts_with(user.as_str()));
        let line = line.context("no line")?;
        assert!(line.contains(&format!(",{field},")), "{title}: {line}");
        // JSON has the value itself.
        let row = all.iter().find(|row| row["user_id"] == *user).context("no row")?;
        assert_eq!(row["title"], title);
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_account_token_reads_its_own_account_only(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let other = synced.app.link("globex").await?;
    let token = |account: String| {
        let home = &synced.app.home.api;
        async move {
            let path = format!("integrated-accounts/{account}/tokens");
            let token = home.post(&path, &json!({"scopes": ["read"]})).await?.created()?;
            let token = token.pointer("/result/token").and_then(Value::as_str);
            anyhow::Ok(bearer(token.context("no token")?))
        }
    };
    let own =
        synced.app.anonymous()?.with("authorization", &token(synced.account.clone()).await?)?;
    assert_eq!(rows(&own, "").await?, rows(&synced.api, "").await?);
    let foreign = synced.app.anonymous()?.with("authorization", &token(other).await?)?;
    let path = format!("access-review?integrated_account_id={}", synced.account);
    foreign.get(&path).await?.problem(404, "account_not_found");
    foreign.get("access-review").await?.problem(409, "not_synced");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_review_needs_a_copy_of_what_it_lists(pool: PgPool) -> anyhow::Result<()> {
    let resources = json!({"resources": ["users", "workspaces"]});
    let synced = SyncedApp::new(pool, resources).await?;
    synced.api.get("access-review").await?.problem(409, "not_synced");
    synced.synced().await?;
    for (query, missing) in [
        ("", "role_assignments"),
        ("is_privileged=true", "role_assignments"),
        ("workspace_id=T1", "role_assignments"),
        ("access_type=group", "groups"),
    ] {
        let review = synced.api.get(&format!("access-review?{query}")).await?;
        let problem = review.problem(409, "not_synced");
        assert!(problem["detail"].as_str().is_some_and(|text| text.contains(missing)), "{problem}");
    }
    assert!(!rows(&synced.api, "access_type=workspace").await?.is_empty());
    Ok(())
}
