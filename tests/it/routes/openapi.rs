//! `/openapi.json`: the description of the whole API.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::org::{GridOrganization, OrgLevel};
use time::format_description::well_known::Rfc3339;
use tokio_util::sync::CancellationToken;

use crate::support::{Client, TestApp};

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_document_is_openapi_3_1_and_describes_each_operation(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let document = app.anonymous()?.get("openapi.json").await?.success()?;
    let version = document["openapi"].as_str().context("no version")?;
    assert!(version.starts_with("3.1"), "{version}");
    let paths = document["paths"].as_object().context("no paths")?;
    let mut names = Vec::new();
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().context("no methods")? {
            let reported =
                |field: &str| operation[field].as_str().is_some_and(|text| text.len() > 5);
            assert!(reported("operationId"), "{method} {path} has no operationId");
            let described = reported("description") || reported("summary");
            assert!(described, "{method} {path} has no description");
            assert!(operation["tags"][0].is_string(), "{method} {path} has no tag");
            assert!(operation["responses"].is_object(), "{method} {path} has no responses");
            names.push(operation["operationId"].to_string());
            let parameters = operation["parameters"].as_array();
            let takes_key = parameters
                .is_some_and(|all| all.iter().any(|one| one["name"] == "Idempotency-Key"));
            assert_eq!(takes_key, method != "get", "{method} {path}");
        }
    }
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "two operations have one name");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn every_reference_in_the_document_resolves(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let document = app.anonymous()?.get("openapi.json").await?.success()?;
    let mut found = 0;
    let mut waiting = vec![&document];
    while let Some(value) = waiting.pop() {
        match value {
            Value::Object(fields) => {
                if let Some(target) = fields.get("$ref").and_then(Value::as_str) {
                    let pointer = target.strip_prefix('#').context("a reference to elsewhere")?;
                    assert!(document.pointer(pointer).is_some(), "{target} leads nowhere");
                    found += 1;
                }
                waiting.extend(fields.values());
            }
            Value::Array(items) => waiting.extend(items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    assert!(found > 9, "{found} references");
    Ok(())
}

/// The whole document, so that changes of the API are visible in review. Update it with `cargo insta accept`, or
/// `INSTA_UPDATE=always cargo test`.
#[test]
fn the_document_is_the_one_that_was_reviewed() -> anyhow::Result<()> {
    let mut document = serde_json::to_value(switchboard::http::document())?;
    if let Some(version) = document.pointer_mut("/info/version") {
        *version = "[version]".into();
    }
    insta::assert_json_snapshot!("openapi", document);
    Ok(())
}

/// Replaces the ids of examples by ids of the sandbox.
fn filled(text: &str, org: &GridOrganization) -> anyhow::Result<String> {
    let member = org.people().iter().find(|person| {
        let plain = person.org_level == OrgLevel::Member && person.guest_level().is_none();
        plain && person.is_active() && !person.is_bot() && person.membership(1).is_some()
    });
    let team = org.workspaces.get(1).context("no workspace")?;
    let group = org.groups.idp_groups().next().context("no group")?.1;
    let user = &member.context("no user is without admin rights")?.id;
    let text = text.replace("U0EXAMPLE", user).replace("T0EXAMPLE", &team.id);
    Ok(text.replace("S0EXAMPLE", &group.id))
}

/// Copies the directory of an account, and returns a policy with one of its violations.
async fn add_violation(
    app: &TestApp,
    admin: &Client,
    account: &str,
) -> anyhow::Result<(String, String)> {
    let path = format!("integrated-accounts/{account}");
    admin.patch(&path, &json!({"sync": {"enabled": true}})).await?.success()?;
    let run = admin.post("syncs", &json!({"integrated_account_id": account})).await?;
    assert_eq!(run.status, 202, "{}", run.text);
    let stop = CancellationToken::new();
    while app.jobs.work_once(&stop).await? {}
    let owners = json!({"name": "No owners", "kind": "max_holders",
        "parameters": {"role_ids": ["org:owner"], "count": 0}});
    let policy = admin.post("policies", &owners).await?.created()?;
    while app.policies.work_once(&stop).await? {}
    let violations = admin.get("drift").await?.success()?;
    let id = |body: &Value, pointer: &str| {
        body.pointer(pointer).and_then(Value::as_str).map(str::to_owned).context("no id")
    };
    Ok((id(&policy, "/result/id")?, id(&violations, "/result/0/id")?))
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn every_example_body_succeeds(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("first").await?;
    let admin = app.home.admin.clone().with("x-integrated-account-id", &account)?;
    let org = app.sandbox.snapshot();
    let (policy, violation) = add_violation(&app, &admin, &account).await?;
    let document = app.anonymous()?.get("openapi.json").await?.success()?;
    let mut tried = 0;
    for (path, item) in document["paths"].as_object().context("no paths")? {
        for method in ["post", "patch"] {
            let pointer = "/requestBody/content/application~1json/schema/$ref";
            let Some(schema) = item[method].pointer(pointer).and_then(Value::as_str) else {
                continue;
            };
            let schema = document.pointer(schema.trim_start_matches('#')).context("no schema")?;
            if path == "/reconciliations/{id}/apply" {
                // The hash of a plan is no constant.
                continue;
            }
            let example =
                schema.get("example").with_context(|| format!("{path} has no example"))?;
            let mut example = example.clone();
            // An example uses what an earlier one has created.
            match (path.as_str(), method) {
                ("/users/{id}", "patch") => example["email"] = "other@example.com".into(),
                ("/workspaces/{id}", "patch") => example["name"] = "Other".into(),
                (
                    "/syncs"
                    | "/portal-links"
                    | "/policies/{id}/evaluate"
                    | "/policies/evaluate"
                    | "/rule-sets"
                    | "/reconciliations",
                    "post",
                ) => {
                    example["integrated_account_id"] = account.as_str().into();
                }
                ("/drift/{id}/acknowledge", "post") => {
                    let later = app.state.clock.now() + time::Duration::days(1);
                    example["expires_at"] = later.format(&Rfc3339)?.into();
                }
                ("/webhooks/{id}/replay", "post") => {
                    example["from"] = app.state.clock.now().format(&Rfc3339)?.into();
                }
                _ => {}
            }
            let id = match path.split('/').nth(1).unwrap_or_default() {
                "users" => "U0EXAMPLE".to_owned(),
                "workspaces" => "T0EXAMPLE".to_owned(),
                "groups" => "S0EXAMPLE".to_owned(),
                "mappings" => {
                    let mappings = app.home.admin.get("mappings").await?.success()?;
                    mappings["result"][0]["id"].as_str().unwrap_or_default().to_owned()
                }
                "provider-apps" => {
                    let apps = admin.get("provider-apps").await?.success()?;
                    let apps = apps["result"].as_array().context("no apps")?;
                    let app = apps.last().context("no app")?;
                    app["id"].as_str().unwrap_or_default().to_owned()
                }
                "api-keys" => {
                    let keys = admin.get("api-keys").await?.success()?;
                    let keys = keys["result"].as_array().context("no keys")?;
                    let key = keys.last().context("no key")?;
                    key["id"].as_str().unwrap_or_default().to_owned()
                }
                "environments" => app.home.environment_id.to_string(),
                "policies" => policy.clone(),
                "drift" => violation.clone(),
                "rule-sets" => {
                    let sets = admin.get("rule-sets").await?.success()?;
                    sets["result"][0]["id"].as_str().unwrap_or_default().to_owned()
                }
                "webhooks" => {
                    let webhooks = admin.get("webhooks").await?.success()?;
                    webhooks["result"][0]["id"].as_str().unwrap_or_default().to_owned()
                }
                _ => account.clone(),
            };
            let address = filled(&path.replace("{id}", &id), &org)?;
            let body = filled(&example.to_string(), &org)?;
            let method: reqwest::Method = method.to_uppercase().parse()?;
            let response = admin.send(method, &address, Some(("application/json", &body))).await?;
            assert!((200..300).contains(&response.status), "{path} {body}: {}", response.text);
            assert_ne!(response.status, 207, "{path} {body}: {}", response.text);
            tried += 1;
        }
    }
    assert!(tried > 14, "{tried} examples were tried");
    Ok(())
}
