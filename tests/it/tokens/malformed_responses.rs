//! Malformed responses of a token endpoint, one per line: valid tokens in one are stored, and a response that is not
//! one of a token endpoint does not change the grant.

use anyhow::{Context as _, ensure};
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use switchboard::domain::clock::Clock as _;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::endpoint::{Endpoint, Reply, account, pair, return_to_callback, token_in_use};
use crate::support::TestApp;

const TWELVE_HOURS_S: i64 = 43_200;
const HOUR_S: i64 = 3_600;
const JSON: &str = "application/json";
const HTML: &str = "text/html; charset=utf-8";
const FORM: &str = "application/x-www-form-urlencoded";

/// Expected result of a response. `A` and `R` in a body stand for the new tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// Both tokens are stored; the access token expires after so many seconds.
    Both(i64),
    /// The access token is stored, the refresh token stays.
    AccessTokenOnly(i64),
    /// The refresh token is stored, and the next call refreshes the pair.
    RefreshTokenOnly,
    /// The grant's status is unknown: it stays, and the caller gets this code.
    Unknown(&'static str),
    /// The grant is lost.
    Lost,
}

type Row = (u16, &'static str, &'static str, Expected);

/// Responses with tokens, which must be stored after a refresh or a code exchange.
const GRANTED: &[Row] = &[
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":43200}"#,
        Expected::Both(TWELVE_HOURS_S),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":"43200"}"#,
        Expected::Both(TWELVE_HOURS_S),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":" 600.0 "}"#,
        Expected::Both(600),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":600.75}"#,
        Expected::Both(600),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":" A\n","refresh_token":" R ","expires_in":600}"#,
        Expected::Both(600),
    ),
    (
        200,
        JSON,
        r#"{"ok":"true","access_token":"A","refresh_token":"R","expires_in":600}"#,
        Expected::Both(600),
    ),
    (
        200,
        JSON,
        r#"{"access_token":"A","refresh_token":"R","expires_in":600}"#,
        Expected::Both(600),
    ),
    (
        201,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":600}"#,
        Expected::Both(600),
    ),
    (
        200,
        "text/plain",
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":600}"#,
        Expected::Both(600),
    ),
    (
        200,
        HTML,
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":600}"#,
        Expected::Both(600),
    ),
    (
        200,
        "",
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":600}"#,
        Expected::Both(600),
    ),
    (
        200,
        JSON,
        "\u{feff}\r\n {\"ok\":true,\"access_token\":\"A\",\"refresh_token\":\"R\",\"expires_in\":600}",
        Expected::Both(600),
    ),
    (200, FORM, "access_token=A&refresh_token=R&expires_in=600", Expected::Both(600)),
    (
        200,
        JSON,
        r#"{"ok":true,"authed_user":{"access_token":"A","refresh_token":"R","expires_in":"600"}}"#,
        Expected::Both(600),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"authed_user":{"access_token":"A","refresh_token":"R"},"expires_in":600}"#,
        Expected::Both(600),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"authed_user":null,"access_token":"A","refresh_token":"R","expires_in":600,"scope":null}"#,
        Expected::Both(600),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"authed_user":{"access_token":""},"access_token":"A","refresh_token":"R","expires_in":600}"#,
        Expected::Both(600),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":600,"token_type":7,"scope":["admin"]}"#,
        Expected::Both(600),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":600,"error":"","warning":"x"}"#,
        Expected::Both(600),
    ),
    (
        503,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":600}"#,
        Expected::Both(600),
    ),
];

/// Responses with tokens that omit a field: its previous value is used.
const INCOMPLETE: &[Row] = &[
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":"R"}"#,
        Expected::Both(TWELVE_HOURS_S),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":0}"#,
        Expected::Both(TWELVE_HOURS_S),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":"0"}"#,
        Expected::Both(TWELVE_HOURS_S),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":-1}"#,
        Expected::Both(TWELVE_HOURS_S),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":null}"#,
        Expected::Both(TWELVE_HOURS_S),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":"soon"}"#,
        Expected::Both(TWELVE_HOURS_S),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":true}"#,
        Expected::Both(TWELVE_HOURS_S),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":1e300}"#,
        Expected::Both(TWELVE_HOURS_S),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":"R","expires_in":18446744073709551615}"#,
        Expected::Both(TWELVE_HOURS_S),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","expires_in":600}"#,
        Expected::AccessTokenOnly(600),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":"","expires_in":600}"#,
        Expected::AccessTokenOnly(600),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":" \t","expires_in":600}"#,
        Expected::AccessTokenOnly(600),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":null,"expires_in":600}"#,
        Expected::AccessTokenOnly(600),
    ),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"A","refresh_token":7,"expires_in":600}"#,
        Expected::AccessTokenOnly(600),
    ),
    (200, JSON, r#"{"ok":true,"access_token":"A"}"#, Expected::AccessTokenOnly(TWELVE_HOURS_S)),
    (200, JSON, r#"{"ok":true,"refresh_token":"R","expires_in":600}"#, Expected::RefreshTokenOnly),
    (
        200,
        JSON,
        r#"{"ok":true,"access_token":"","refresh_token":"R","expires_in":600}"#,
        Expected::RefreshTokenOnly,
    ),
];

/// Responses that are not a token endpoint's, or do not refer to the grant.
const UNUSABLE: &[Row] = &[
    (200, JSON, "{}", Expected::Unknown("response_lost")),
    (200, JSON, r#"{"ok":true}"#, Expected::Unknown("response_lost")),
    (200, JSON, r#"{"ok":false}"#, Expected::Unknown("response_lost")),
    (200, JSON, r#"{"ok":false,"error":null}"#, Expected::Unknown("response_lost")),
    (200, JSON, "[]", Expected::Unknown("response_lost")),
    (200, JSON, r#"[{"access_token":"A"}]"#, Expected::Unknown("response_lost")),
    (200, JSON, "null", Expected::Unknown("response_lost")),
    (200, JSON, "", Expected::Unknown("response_lost")),
    (204, "", "", Expected::Unknown("response_lost")),
    (200, JSON, r#"{"ok":true,"access_tok"#, Expected::Unknown("response_lost")),
    (200, HTML, "<html>Sign in</html>", Expected::Unknown("response_lost")),
    (400, HTML, "<html>Bad request</html>", Expected::Unknown("response_lost")),
    (401, HTML, "<html>Blocked</html>", Expected::Unknown("response_lost")),
    (403, HTML, "<html>Blocked</html>", Expected::Unknown("response_lost")),
    (403, JSON, r#"{"error":"forbidden"}"#, Expected::Unknown("response_lost")),
    (200, JSON, r#"{"error":"invalid_grant"}"#, Expected::Unknown("response_lost")),
    (
        302,
        JSON,
        r#"{"ok":false,"error":"invalid_refresh_token"}"#,
        Expected::Unknown("response_lost"),
    ),
    (404, JSON, r#"{"message":"not found"}"#, Expected::Unknown("response_lost")),
    (503, HTML, "<html>Maintenance</html>", Expected::Unknown("provider_down")),
    (
        503,
        JSON,
        r#"{"ok":false,"error":"invalid_refresh_token"}"#,
        Expected::Unknown("provider_down"),
    ),
    (429, JSON, r#"{"ok":false,"error":"invalid_grant"}"#, Expected::Unknown("provider_down")),
    (200, JSON, r#"{"ok":false,"error":"internal_error"}"#, Expected::Unknown("provider_down")),
    (
        200,
        JSON,
        r#"{"ok":false,"error":"blocked_by_policy"}"#,
        Expected::Unknown("blocked_by_policy"),
    ),
    (400, JSON, r#"{"error":"invalid_request"}"#, Expected::Unknown("invalid_request")),
];

/// Responses that reject the grant.
const LOST: &[Row] = &[
    (200, JSON, r#"{"ok":false,"error":"invalid_refresh_token"}"#, Expected::Lost),
    (400, JSON, r#"{"error":"invalid_grant","error_description":"x"}"#, Expected::Lost),
    (200, "text/plain", r#"{"ok":false,"error":"token_revoked"}"#, Expected::Lost),
];

/// Returns the response of a row for one tenant.
fn reply((status, kind, body, _): &Row, tenant: &str) -> Reply {
    let body = body.replace("\"A", &format!("\"A{tenant}")).replace("\"R", &format!("\"R{tenant}"));
    let body = body.replace("=A", &format!("=A{tenant}")).replace("=R", &format!("=R{tenant}"));
    let body =
        body.replace("\" A", &format!("\" A{tenant}")).replace("\" R", &format!("\" R{tenant}"));
    Reply { status: *status, kind, body }
}

/// Returns how long an account's access token is valid, in seconds.
fn seconds_left(app: &TestApp, account: &Value) -> anyhow::Result<Option<i64>> {
    let Some(end) = account["token_expires_at"].as_str() else { return Ok(None) };
    let end = OffsetDateTime::parse(end, &Rfc3339)?;
    Ok(Some((end - app.clock.now()).whole_seconds()))
}

/// Refreshes a tenant's tokens, and checks the result against the row.
async fn refreshed(app: &TestApp, row: &Row, tenant: &str) -> anyhow::Result<()> {
    let before = account(app, tenant).await?;
    let id = before.get("id").and_then(Value::as_str).context("no id")?;
    let path = format!("integrated-accounts/{id}/refresh");
    let response = app.home.api.post(&path, &json!({})).await?;
    let after = account(app, tenant).await?;
    let status = if row.3 == Expected::Lost { "needs_reauth" } else { "active" };
    ensure!(after.get("status") == Some(&json!(status)), "{after}");
    let (used, left) = match row.3 {
        Expected::Both(seconds) | Expected::AccessTokenOnly(seconds) => {
            response.success()?;
            (format!("A{tenant}"), Some(seconds))
        }
        Expected::Unknown(code) => {
            let problem = response.problem(502, "provider_error");
            let events = app.home.api.all("events?limit=100").await?.0;
            let reasons: Vec<&Value> = events
                .iter()
                .filter(|event| event["integrated_account_id"] == id)
                .filter_map(|event| event.pointer("/data/reason"))
                .collect();
            ensure!(reasons.contains(&&json!(code)), "{reasons:?}: {problem}");
            (format!("access-code-{tenant}"), Some(TWELVE_HOURS_S))
        }
        Expected::RefreshTokenOnly => {
            response.problem(502, "provider_error");
            // The next call sends the new refresh token.
            (format!("access-R{tenant}"), Some(0))
        }
        Expected::Lost => {
            response.problem(409, "account_needs_reauth");
            return Ok(());
        }
    };
    ensure!(seconds_left(app, &after)? == left, "{:?}", seconds_left(app, &after)?);
    let token = token_in_use(app, &after).await?;
    ensure!(token == used, "{token} is used");
    Ok(())
}

/// Refreshes a tenant's tokens again, and returns which refresh token was sent.
async fn refresh_token_sent(
    app: &TestApp,
    endpoint: &Endpoint,
    row: &Row,
    tenant: &str,
) -> anyhow::Result<()> {
    let next = match row.3 {
        Expected::Both(_) => format!("R{tenant}"),
        Expected::AccessTokenOnly(_) | Expected::Unknown(_) => format!("refresh-code-{tenant}"),
        Expected::RefreshTokenOnly => format!("refresh-R{tenant}"),
        Expected::Lost => return Ok(()),
    };
    endpoint.script(&next, Reply::json(200, &pair("next")));
    let before = endpoint.count(&next);
    let account = account(app, tenant).await?;
    let id = account.get("id").and_then(Value::as_str).context("no id")?;
    let path = format!("integrated-accounts/{id}/refresh");
    app.home.api.post(&path, &json!({})).await?.success()?;
    ensure!(endpoint.count(&next) == before + 1, "{next} was not sent");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_refresh_stores_every_usable_token_and_loses_no_grant(
    pool: PgPool,
) -> anyhow::Result<()> {
    // A refresh holds a connection while it waits: many of them run at the same time.
    let options = pool.connect_options().as_ref().clone();
    let pool = PgPoolOptions::new().max_connections(20).connect_with(options).await?;
    let (app, endpoint) = Endpoint::start(pool).await?;
    let rows: Vec<(String, Row)> = [GRANTED, INCOMPLETE, UNUSABLE, LOST]
        .concat()
        .into_iter()
        .enumerate()
        .map(|(number, row)| (format!("t{number}."), row))
        .collect();
    let (app, endpoint) = (&app, &endpoint);
    try_join_all(rows.iter().map(|(tenant, row)| async move {
        let status = return_to_callback(app, tenant, &format!("code-{tenant}")).await?;
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
        refresh_token_sent(app, endpoint, row, tenant).await.with_context(|| format!("{row:?}"))
    }))
    .await?;
    Ok(())
}

/// Adds to the body of a row what Slack's response to a code has beside the tokens.
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
async fn a_link_stores_every_usable_token_and_rejects_html_pages(
    pool: PgPool,
) -> anyhow::Result<()> {
    let (app, endpoint) = Endpoint::start(pool).await?;
    let (app, endpoint) = (&app, &endpoint);
    // A form has no field for the organization.
    let rows = [GRANTED, INCOMPLETE, UNUSABLE, LOST].concat();
    let rows = rows.into_iter().filter(|row| row.1 != FORM).enumerate();
    try_join_all(rows.map(|(number, row)| async move {
        let tenant = format!("t{number}.");
        let code = format!("code-{tenant}");
        endpoint.script(&code, of_exchange(reply(&row, &tenant)));
        let status = return_to_callback(app, &tenant, &code).await?;
        let left = match row.3 {
            // There is no previous value.
            Expected::Both(TWELVE_HOURS_S) if !row.2.contains("43200") => Some(HOUR_S),
            Expected::AccessTokenOnly(TWELVE_HOURS_S) => None,
            Expected::Both(seconds) | Expected::AccessTokenOnly(seconds) => Some(seconds),
            Expected::RefreshTokenOnly | Expected::Unknown(_) | Expected::Lost => {
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
