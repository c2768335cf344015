//! Query parameters and headers that select rows: an empty, repeated or contradictory one is rejected by every
//! route, and named.

use std::collections::BTreeSet;

use anyhow::Context as _;
use http::{HeaderValue, Method};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{ApiResponse, Client, TestApp, bearer, link_url};

/// A query parameter of an operation of the document.
struct Parameter {
    method: Method,
    path: String,
    name: String,
    is_list: bool,
}

/// Returns every query parameter of the document.
fn documented(document: &Value, account: &str) -> anyhow::Result<Vec<Parameter>> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().context("no paths")? {
        for (method, operation) in item.as_object().context("no methods")? {
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                if parameter["in"] != "query" {
                    continue;
                }
                let name = parameter["name"].as_str().context("no name")?;
                let is_keyed = parameter["style"] == "deepObject";
                let id = if path.starts_with("/integrated-accounts/") { account } else { "X1" };
                found.push(Parameter {
                    method: method.to_uppercase().parse()?,
                    path: path.replace("{id}", id).replace("{user_id}", "U1"),
                    name: if is_keyed { format!("{name}[key]") } else { name.to_owned() },
                    is_list: name.ends_with("[]"),
                });
            }
        }
    }
    Ok(found)
}

/// Checks that a request was rejected for these parameters; errors of raw calls have the provider's format.
#[track_caller]
fn assert_names(response: &ApiResponse, names: &[&str], what: &str) {
    response.api_error(400, "invalid_query");
    if response.header("content-type") == "application/problem+json" {
        assert_eq!(response.pointers(), names, "{what}: {}", response.text);
    }
    for name in names {
        assert!(response.text.contains(name), "{what}: {}", response.text);
    }
}

/// Requests a path with this query; nothing is sent to a provider.
async fn send(client: &Client, parameter: &Parameter, query: &str) -> anyhow::Result<ApiResponse> {
    let path = format!("{}?{query}", parameter.path.trim_start_matches('/'));
    let sends = parameter.method == Method::POST || parameter.method == Method::PATCH;
    let body = sends.then_some(("application/json", "{}"));
    client.send(parameter.method.clone(), &path, body).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_empty_and_repeated_values_of_every_documented_parameter(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let admin = app.home.admin.clone().with("x-integrated-account-id", &account)?;
    let nameless = &app.home.admin;
    let document = app.anonymous()?.get("openapi.json").await?.success()?;
    let parameters = documented(&document, &account)?;
    let sent = app.sandbox.requests(None).requests.len();
    let mut names = BTreeSet::new();
    for parameter in &parameters {
        let name = &parameter.name;
        names.insert(name.as_str());
        // A header would contradict the account in the query.
        let selects = ["integrated_account_id", "tenant_id", "provider"].contains(&name.as_str());
        let client = if selects { nameless } else { &admin };
        let mut rejected = vec![
            name.clone(),
            format!("{name}="),
            format!("{name}=%20%09"),
            format!("{name}=+"),
            format!("{name}=%E3%80%80"),
            format!("{}=", name.replace('[', "%5B").replace(']', "%5D")),
        ];
        if parameter.is_list {
            rejected.push(format!("{name}=a&{name}="));
        } else {
            rejected.push(format!("{name}=1&{name}=1"));
            rejected.push(format!("{name}=1&{name}="));
        }
        for query in rejected {
            let response = send(client, parameter, &query).await?;
            let what =
                format!("{} {}?{query}: {}", parameter.method, parameter.path, response.text);
            assert_eq!(response.status, 400, "{what}");
            response.problem(400, "invalid_query");
            assert!(response.pointers().contains(&name.as_str()), "{what}");
        }
    }
    assert!(names.contains("workspace[id]") && names.contains("remote_query[key]"), "{names:?}");
    assert!(parameters.len() > 60, "{} parameters", parameters.len());
    assert_eq!(app.sandbox.requests(None).requests.len(), sent, "a provider was called");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_empty_and_repeated_values_outside_of_the_document(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let (on, api) = (app.client_for(&account)?, &app.home.api);
    let users = "unified/user-directory/users";
    let link = link_url(&app.home, &json!({"tenant_id": "globex"})).await?;
    let link = link.path().trim_start_matches('/').to_owned();
    for (client, path, name) in [
        (&on, format!("{users}?workspace[id]="), "workspace[id]"),
        (&on, format!("{users}?truto_key_by=%20"), "truto_key_by"),
        (&on, format!("{users}?truto_response_format="), "truto_response_format"),
        (&on, format!("{users}?truto_key_by=id&truto_key_by=name"), "truto_key_by"),
        (&on, format!("{users}?truto_exclude_fields[]="), "truto_exclude_fields[]"),
        (&on, format!("{users}?next_cursor="), "next_cursor"),
        (api, "integrated-account?tenant_id=".to_owned(), "tenant_id"),
        (api, "proxy/api/auth.test?integrated_account_id=".to_owned(), "integrated_account_id"),
        (&on, "proxy/api/auth.test?paginate=".to_owned(), "paginate"),
        (&on, "proxy/api/users.list?paginate=true&paginate=false".to_owned(), "paginate"),
        (api, format!("{link}?provider="), "provider"),
        (api, format!("{link}?display=%20"), "display"),
        (api, format!("{link}?origin=&display=popup"), "origin"),
        (api, format!("{link}?display=popup&display=frame"), "display"),
        (api, "connect-account?link_token=".to_owned(), "link_token"),
    ] {
        let response = client.get(&path).await?;
        assert_eq!(response.status, 400, "{path}: {}", response.text);
        assert!(response.text.contains(name), "{path}: {}", response.text);
    }
    // The provider's own parameters pass unchanged.
    on.get("proxy/api/auth.test?cursor=&team_id").await?.success()?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_contradictory_selectors_and_names_both(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let (one, other) = (app.link("acme").await?, app.link("globex").await?);
    let api = &app.home.api;
    let token = api.post(&format!("integrated-accounts/{one}/tokens"), &json!({})).await?;
    let token = token.created()?["result"]["token"].as_str().context("no token")?.to_owned();
    let token = app.anonymous()?.with("authorization", &bearer(&token))?;
    let on = app.client_for(&one)?;
    let admin = app.home.admin.clone().with("x-integrated-account-id", &one)?;
    let (id, header, tenant) = ("integrated_account_id", "X-Integrated-Account-Id", "tenant_id");
    let by_id = format!("users?limit=1&integrated_account_id={one}");
    let called = app.sandbox.requests(None).requests.len();
    for (client, path, pointers) in [
        (&on, format!("users?integrated_account_id={other}"), [id, header]),
        (&on, format!("proxy/api/auth.test?integrated_account_id={other}"), [id, header]),
        (&on, format!("events?integrated_account_id={other}"), [id, header]),
        (&on, format!("mappings?integrated_account_id={other}"), [id, header]),
        (&admin, format!("audit-log?integrated_account_id={other}"), [id, header]),
        (&admin, format!("audit-log/export?integrated_account_id={other}"), [id, header]),
        (&on, "users?tenant_id=globex".to_owned(), [header, tenant]),
        (&on, "users?tenant_id=globex&provider=slack_enterprise".to_owned(), [header, tenant]),
        (&on, "roles?provider=scim".to_owned(), [header, "provider"]),
        (api, format!("{by_id}&tenant_id=globex"), [id, tenant]),
        (api, format!("{by_id}&provider=scim"), [id, "provider"]),
        (api, format!("{by_id}&tenant_id=nobody"), [id, tenant]),
        (
            &token,
            "users?tenant_id=globex&provider=slack_enterprise".to_owned(),
            ["Authorization", tenant],
        ),
        (&token, "me?tenant_id=nobody".to_owned(), ["Authorization", tenant]),
        (&token, "workspaces?provider=scim".to_owned(), ["Authorization", "provider"]),
    ] {
        let response = client.get(&path).await?;
        assert_names(&response, &pointers, &path);
    }
    let batch = json!({"operations": [{"method": "GET", "path": "/users"}]});
    let batch = on.post(&format!("batch?integrated_account_id={other}"), &batch).await?;
    batch.problem(400, "invalid_query");
    for foreign in [
        format!("users?integrated_account_id={other}"),
        format!("me?integrated_account_id={other}"),
    ] {
        token.get(&foreign).await?.problem(404, "account_not_found");
    }
    let list = token.get("integrated-accounts?tenant_id=globex").await?.success()?;
    assert_eq!(list["result_count"], 0, "{list}");
    assert_eq!(app.sandbox.requests(None).requests.len(), called, "a provider was called");

    for agreeing in [
        format!("{by_id}&tenant_id=acme&provider=slack_enterprise"),
        "users?limit=1&tenant_id=acme".to_owned(),
    ] {
        on.get(&agreeing).await?.success()?;
        token.get(&agreeing).await?.success()?;
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_an_empty_or_repeated_account_header(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let api = &app.home.api;
    for path in ["users", "proxy/api/auth.test", "me", "events", "mappings"] {
        for blank in ["", "  "] {
            let client = api.clone().with("x-integrated-account-id", blank)?;
            let response = client.get(path).await?;
            assert_names(&response, &["X-Integrated-Account-Id"], path);
        }
        let own = app.client_for(&account)?;
        let twice = own.append_header("x-integrated-account-id", HeaderValue::from_str(&account)?);
        let response = twice.get(path).await?;
        assert_names(&response, &["X-Integrated-Account-Id"], path);
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_contradictory_filters(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let admin = app.home.admin.clone().with("x-integrated-account-id", &account)?;
    let range = "from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z";
    for (path, pointers) in [
        ("workspaces/T1/members?workspace[id]=T2".to_owned(), ["id", "workspace[id]"]),
        (format!("audit-log?{range}"), ["from", "to"]),
        (format!("audit-log/export?{range}"), ["from", "to"]),
        (
            "users?response_format=raw&exclude_fields[]=name".to_owned(),
            ["response_format", "exclude_fields[]"],
        ),
        (
            "users/U1?response_format=raw&exclude_fields[]=name".to_owned(),
            ["response_format", "exclude_fields[]"],
        ),
    ] {
        let response = admin.get(&path).await?;
        assert_names(&response, &pointers, &path);
        // The rule is the message of each error: no other value resolves it.
        assert_eq!(
            response.text.contains("equal values"),
            path.starts_with("workspaces/"),
            "{}",
            response.text
        );
    }
    Ok(())
}
