//! Odd responses of a token endpoint, a line each: what is in one is taken, and what is no response of such an
//! endpoint says nothing about the grant.

use anyhow::{Context as _, ensure};
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use switchboard::domain::clock::Clock as _;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::endpoint::{Endpoint, Reply, account, come_back, pair, token_in_use};
use crate::support::TestApp;

const DAY_HALF: i64 = 43_200;
const HOUR: i64 = 3_600;
const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";
const FORM: &str = "application/x-www-form-urlencoded";

/// What a response leads to. `A` and `R` in a body stand for the new tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// Both tokens are taken; the access token ends after so many seconds.
    Both(i64),
    /// The access token is taken, the refresh token stays.
    AccessAlone(i64),
    /// The refresh token is taken, and the next call renews the pair.
    RefreshAlone,
    /// Nothing is known of the grant: it stays, and the caller reads this code.
    Nothing(&'static str),
    /// The grant is lost.
    Lost,
}

type Row = (u16, &'static str, &'static str, Then);

/// Responses with tokens, which no response to a refresh or to a code may lose.
const GRANTED: &[Row] = &[
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":43200}"#,
        Then::Both(DAY_HALF),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":"43200"}"#,
        Then::Both(DAY_HALF),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":" 600.0 "}"#,
        Then::Both(600),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":600.75}"#,
        Then::Both(600),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":" A\n","refresh_token":" R ","expires_in":600}"#,
        Then::Both(600),
    ),
    (
        200,
        JSON,
        r#"{"ok":"true","access_token":"A","refresh_token":"R","expires_in":600}"#,
        Then::Both(600),
    ),
    (200, JSON, r#"{"access_token":"A","refresh_token":"R","expires_in":600}"#, Then::Both(600)),
    (
        201,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":600}"#,
        Then::Both(600),
    ),
    (
        200,
        "text/plain",
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":600}"#,
        Then::Both(600),
    ),
    (
        200,
        HTML,
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":600}"#,
        Then::Both(600),
    ),
    (
        200,
        "",
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":600}"#,
        Then::Both(600),
    ),
    (
        200,
        JSON,
        "\u{feff}\r\n {\"ok\":true,\"access_token\":\"A\",\"refresh_token\":\"R\",\"expires_in\":600}",
        Then::Both(600),
    ),
    (200, FORM, "access_token=A&refresh_token=R&expires_in=600", Then::Both(600)),
    (
        200,
        JSON,
        r#"{"ok":true,"authed_user":{"access_token":"A","refresh_token":"R","expires_in":"600"}}"#,
        Then::Both(600),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"authed_user":{"access_token":"A","refresh_token":"R"},"expires_in":600}"#,
        Then::Both(600),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"authed_user":null,"access_token":"A","refresh_token":"R","expires_in":600,"scope":null}"#,
        Then::Both(600),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"authed_user":{"access_token":""},"access_token":"A","refresh_token":"R","expires_in":600}"#,
        Then::Both(600),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":600,"token_type":7,"scope":["admin"]}"#,
        Then::Both(600),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":600,"error":"","warning":"x"}"#,
        Then::Both(600),
    ),
    (
        503,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":600}"#,
        Then::Both(600),
    ),
];

/// Responses with tokens that leave something out: what was known before is used.
const PARTIAL: &[Row] = &[
    (200, JSON, r#"{"ok":true,"access_token":"A","refresh_token":"R"}"#, Then::Both(DAY_HALF)),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":0}"#,
        Then::Both(DAY_HALF),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":"0"}"#,
        Then::Both(DAY_HALF),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":-1}"#,
        Then::Both(DAY_HALF),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":null}"#,
        Then::Both(DAY_HALF),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":"soon"}"#,
        Then::Both(DAY_HALF),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":true}"#,
        Then::Both(DAY_HALF),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":1e300}"#,
        Then::Both(DAY_HALF),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":18446744073709551615}"#,
        Then::Both(DAY_HALF),
    ),
    (200, JSON, r#"{"ok":true,"access_token":"A","expires_in":600}"#, Then::AccessAlone(600)),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":"","expires_in":600}"#,
        Then::AccessAlone(600),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":" \t","expires_in":600}"#,
        Then::AccessAlone(600),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":null,"expires_in":600}"#,
        Then::AccessAlone(600),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":7,"expires_in":600}"#,
        Then::AccessAlone(600),
    ),
    (200, JSON, r#"{"ok":true,"access_token":"A"}"#, Then::AccessAlone(DAY_HALF)),
    (200, JSON, r#"{"ok":true,"refresh_token":"R","expires_in":600}"#, Then::RefreshAlone),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"","refresh_token":"R","expires_in":600}"#,
        Then::RefreshAlone,
    ),
];

/// What is no response of a token endpoint, or none that names the grant.
const NOTHING: &[Row] = &[
    (200, JSON, "{}", Then::Nothing("answer_lost")),
    (200, JSON, r#"{"ok":true}"#, Then::Nothing("answer_lost")),
    (200, JSON, r#"{"ok":false}"#, Then::Nothing("answer_lost")),
    (200, JSON, r#"{"ok":false,"error":null}"#, Then::Nothing("answer_lost")),
    (200, JSON, "[]", Then::Nothing("answer_lost")),
    (200, JSON, r#"[{"access_token":"A"}]"#, Then::Nothing("answer_lost")),
    (200, JSON, "null", Then::Nothing("answer_lost")),
    (200, JSON, "", Then::Nothing("answer_lost")),
    (204, "", "", Then::Nothing("answer_lost")),
    (200, JSON, r#"{"ok":true,"access_tok"#, Then::Nothing("answer_lost")),
    (200, HTML, "<html>Sign in</html>", Then::Nothing("answer_lost")),
    (400, HTML, "<html>Bad request</html>", Then::Nothing("answer_lost")),
    (401, HTML, "<html>Blocked</html>", Then::Nothing("answer_lost")),
    (403, HTML, "<html>Blocked</html>", Then::Nothing("answer_lost")),
    (403, JSON, r#"{"error":"forbidden"}"#, Then::Nothing("answer_lost")),
    (200, JSON, r#"{"error":"invalid_grant"}"#, Then::Nothing("answer_lost")),
    (302, JSON, r#"{"ok":false,"error":"invalid_refresh_token"}"#, Then::Nothing("answer_lost")),
    (404, JSON, r#"{"message":"not found"}"#, Then::Nothing("answer_lost")),
    (503, HTML, "<html>Maintenance</html>", Then::Nothing("provider_down")),
    (503, JSON, r#"{"ok":false,"error":"invalid_refresh_token"}"#, Then::Nothing("provider_down")),
    (429, JSON, r#"{"ok":false,"error":"invalid_grant"}"#, Then::Nothing("provider_down")),
    (200, JSON, r#"{"ok":false,"error":"internal_error"}"#, Then::Nothing("provider_down")),
    (200, JSON, r#"{"ok":false,"error":"blocked_by_policy"}"#, Then::Nothing("blocked_by_policy")),
    (400, JSON, r#"{"error":"invalid_request"}"#, Then::Nothing("invalid_request")),
];

/// What names the grant.
const LOST: &[Row] = &[
    (200, JSON, r#"{"ok":false,"error":"invalid_refresh_token"}"#, Then::Lost),
    (400, JSON, r#"{"error":"invalid_grant","error_description":"x"}"#, Then::Lost),
    (200, "text/plain", r#"{"ok":false,"error":"token_revoked"}"#, Then::Lost),
];

/// The response of a row for one tenant.
fn reply((status, kind, body, _): &Row, tenant: &str) -> Reply {
    let body = body.replace("\"A", &format!("\"A{tenant}")).replace("\"R", &format!("\"R{tenant}"));
    let body = body.replace("=A", &format!("=A{tenant}")).replace("=R", &format!("=R{tenant}"));
    let body =
        body.replace("\" A", &format!("\" A{tenant}")).replace("\" R", &format!("\" R{tenant}"));
    Reply { status: *status, kind, body }
}

/// How long an account's access token is valid, in seconds.
fn seconds_left(app: &TestApp, account: &Value) -> anyhow::Result<Option<i64>> {
    let Some(end) = account["token_expires_at"].as_str() else { return Ok(None) };
    let end = OffsetDateTime::parse(end, &Rfc3339)?;
    Ok(Some((end - app.clock.now()).whole_seconds()))
}

/// Renews a tenant's tokens, and holds what became of them against the row.
async fn refreshed(app: &TestApp, row: &Row, tenant: &str) -> anyhow::Result<()> {
    let before = account(app, tenant).await?;
    let id = before.get("id").and_then(Value::as_str).context("no id")?;
    let path = format!("integrated-accounts/{id}/refresh");
    let answer = app.home.api.post(&path, &json!({})).await?;
    let after = account(app, tenant).await?;
    let status = if row.3 == Then::Lost { "needs_reauth" } else { "active" };
    ensure!(after.get("status") == Some(&json!(status)), "{after}");
    let (used, left) = match row.3 {
        Then::Both(seconds) | Then::AccessAlone(seconds) => {
            answer.okay()?;
            (format!("A{tenant}"), Some(seconds))
        }
        Then::Nothing(code) => {
            let problem = answer.problem(502, "provider_error");
            let events = app.home.api.all("events?limit=100").await?.0;
            let reasons: Vec<&Value> = events
                .iter()
                .filter(|event| event["integrated_account_id"] == id)
                .filter_map(|event| event.pointer("/data/reason"))
                .collect();
            ensure!(reasons.contains(&&json!(code)), "{reasons:?}: {problem}");
            (format!("access-code-{tenant}"), Some(DAY_HALF))
        }
        Then::RefreshAlone => {
            answer.problem(502, "provider_error");
            // The new refresh token is asked with at the next call.
            (format!("access-R{tenant}"), Some(0))
        }
        Then::Lost => {
            answer.problem(409, "account_needs_reauth");
            return Ok(());
        }
    };
    ensure!(seconds_left(app, &after)? == left, "{:?}", seconds_left(app, &after)?);
    let token = token_in_use(app, &after).await?;
    ensure!(token == used, "{token} is used");
    Ok(())
}

/// Renews a tenant's tokens again, and looks which refresh token that was asked with.
async fn asked_with(
    app: &TestApp,
    endpoint: &Endpoint,
    row: &Row,
    tenant: &str,
) -> anyhow::Result<()> {
    let next = match row.3 {
        Then::Both(_) => format!("R{tenant}"),
        Then::AccessAlone(_) | Then::Nothing(_) => format!("refresh-code-{tenant}"),
        Then::RefreshAlone => format!("refresh-R{tenant}"),
        Then::Lost => return Ok(()),
    };
    endpoint.script(&next, Reply::json(200, &pair("next")));
    let before = endpoint.count(&next);
    let account = account(app, tenant).await?;
    let id = account.get("id").and_then(Value::as_str).context("no id")?;
    let path = format!("integrated-accounts/{id}/refresh");
    app.home.api.post(&path, &json!({})).await?.okay()?;
    ensure!(endpoint.count(&next) == before + 1, "{next} was not asked with");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_refresh_takes_what_can_be_taken_and_loses_no_grant(pool: PgPool) -> anyhow::Result<()> {
    // A refresh holds a connection while it waits: many of them shall run at the same time.
    let options = pool.connect_options().as_ref().clone();
    let pool = PgPoolOptions::new().max_connections(20).connect_with(options).await?;
    let (app, endpoint) = Endpoint::start(pool).await?;
    let rows: Vec<(String, Row)> = [GRANTED, PARTIAL, NOTHING, LOST]
        .concat()
        .into_iter()
        .enumerate()
        .map(|(number, row)| (format!("t{number}."), row))
        .collect();
    let (app, endpoint) = (&app, &endpoint);
    try_join_all(rows.iter().map(|(tenant, row)| async move {
        let status = come_back(app, tenant, &format!("code-{tenant}")).await?;
        ensure!(status == 200, "{tenant}: the link is {status}");
        endpoint.script(&format!("refresh-code-{tenant}"), reply(row, tenant));
        anyhow::Ok(())
    }))
    .await?;
    try_join_all(rows.iter().map(|(tenant, row)| async move {
        refreshed(app, row, tenant).await.with_context(|| format!("{row:?}"))
    }))
    .await?;
    app.clock.advance(Duration::minutes(5));
    try_join_all(rows.iter().map(|(tenant, row)| async move {
        asked_with(app, endpoint, row, tenant).await.with_context(|| format!("{row:?}"))
    }))
    .await?;
    Ok(())
}

/// The body of a row with what Slack's response to a code has beside the tokens.
fn of_exchange(reply: Reply) -> Reply {
    let Ok(Value::Object(mut body)) =
        serde_json::from_str(reply.body.trim_start_matches('\u{feff}'))
    else {
        return reply;
    };
    body.insert("enterprise".to_owned(), json!({"id": "E1", "name": "Org"}));
    body.insert("is_enterprise_install".to_owned(), true.into());
    match body.get_mut("authed_user") {
        Some(Value::Object(user)) => user.insert("id".to_owned(), "U1".into()),
        _ => body.insert("id".to_owned(), "U1".into()),
    };
    Reply { body: Value::Object(body).to_string(), ..reply }
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_link_takes_what_can_be_taken_and_reads_nothing_into_a_page(
    pool: PgPool,
) -> anyhow::Result<()> {
    let (app, endpoint) = Endpoint::start(pool).await?;
    let (app, endpoint) = (&app, &endpoint);
    // A form has no place for the organization.
    let rows = [GRANTED, PARTIAL, NOTHING, LOST].concat();
    let rows = rows.into_iter().filter(|row| row.1 != FORM).enumerate();
    try_join_all(rows.map(|(number, row)| async move {
        let tenant = format!("t{number}.");
        let code = format!("code-{tenant}");
        endpoint.script(&code, of_exchange(reply(&row, &tenant)));
        let status = come_back(app, &tenant, &code).await?;
        let left = match row.3 {
            // Nothing was known before.
            Then::Both(DAY_HALF) if !row.2.contains("43200") => Some(HOUR),
            Then::AccessAlone(DAY_HALF) => None,
            Then::Both(seconds) | Then::AccessAlone(seconds) => Some(seconds),
            Then::RefreshAlone | Then::Nothing(_) | Then::Lost => {
                ensure!(status >= 400, "{row:?}: {status}");
                ensure!(account(app, &tenant).await.is_err(), "{row:?}");
                return Ok(());
            }
        };
        ensure!(status == 200, "{row:?}: {status}");
        let linked = account(app, &tenant).await?;
        ensure!(seconds_left(app, &linked)? == left, "{row:?}: {linked}");
        let token = token_in_use(app, &linked).await?;
        ensure!(token == format!("A{tenant}"), "{row:?}: {token} is used");
        anyhow::Ok(())
    }))
    .await?;
    Ok(())
}
