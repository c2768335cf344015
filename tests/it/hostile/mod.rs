//! Providers with malformed responses: a table of faults, run against every list, lookup and change of both connectors,
//! against raw lists and against the token endpoint. Either the result is right, or it names the fault; nothing panics,
//! hangs, is empty without a reason or invalidates an account. A new row is one line in [`malformed::rows`].

mod cursor_cycles;
mod malformed;
mod memory;
mod reads;
mod refreshes;
mod user_aliases;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::join_all;
use futures_util::stream::{self, TryStreamExt as _};
use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use switchboard::sandbox::DEFAULT_CLIENT_ID;

use self::malformed::{Expected, rows};
use crate::support::scim_server::link_server;
use crate::support::{ApiResponse, Client, FaultProxy, Rewrite, Script, TestApp};

/// Concurrent rows, each with a gateway of its own.
const MAX_CONCURRENT_ROWS: usize = 6;
/// Maximum time of a response on a machine that is busy with other work; a response takes less than ten seconds on an
/// idle one.
const RESPONSE_TIMEOUT: Duration = Duration::from_mins(3);

/// A gateway behind a fault proxy, and clients of its two accounts.
struct Scenario {
    fault_proxy: FaultProxy,
    slack: Client,
    scim: Client,
}

/// Ids in the paths.
struct Ids([(&'static str, String); 4]);

impl Ids {
    fn path(&self, path: &str) -> String {
        self.0.iter().fold(path.to_owned(), |path, (name, id)| path.replace(name, id))
    }
}

async fn ids(api: &Client) -> anyhow::Result<Ids> {
    let first = async |list: &str, pointer: &str| -> anyhow::Result<String> {
        let page = api.get(list).await?.success()?;
        Ok(page.pointer(pointer).and_then(Value::as_str).context("not found")?.to_owned())
    };
    Ok(Ids([
        ("{user}", first("users?limit=1", "/result/0/id").await?),
        ("{team}", first("workspaces?limit=1", "/result/0/id").await?),
        ("{group}", first("groups?limit=1", "/result/0/id").await?),
        ("{role}", first("role-assignments?limit=1", "/result/0/id").await?),
    ]))
}

/// Starts a gateway whose customers may connect to loopback addresses.
async fn open_app(pool: PgPool) -> anyhow::Result<TestApp> {
    // All gateways share the connections.
    let options = pool.connect_options().as_ref().clone();
    let pool = PgPoolOptions::new().max_connections(20).connect_with(options).await?;
    TestApp::with(pool, |setup| {
        setup.config.upstream.allow_private_addresses = true;
        (setup.sandbox.users, setup.sandbox.workspaces) = (60, 3);
    })
    .await
}

/// Links the sandbox's SCIM behind a fault proxy as a customer's directory; returns the account's id.
async fn link_scim(app: &TestApp, fault_proxy: &FaultProxy) -> anyhow::Result<String> {
    let token = app.sandbox.install(DEFAULT_CLIENT_ID, &["admin"])?.access_token;
    let base_url = format!("{}/scim/v2", fault_proxy.url);
    let tenant = fault_proxy.url.rsplit(':').next().unwrap_or_default();
    link_server(app, tenant, &base_url, &token).await
}

impl Scenario {
    /// Creates a scenario for this fault, which is not active yet.
    async fn set(app: &TestApp, slack: &str, script: Option<&Script>) -> anyhow::Result<Self> {
        let is_slow = matches!(script, Some(Script::Hang | Script::Trickle { .. }));
        let (url, fault_proxy) = app
            .through_fault_proxy(|config| {
                if is_slow {
                    // Only what is slow passes through this gateway before the last check.
                    let limits = &mut config.upstream;
                    (limits.response_timeout_s, limits.whole_response_timeout_s) = (1.0, 1.0);
                }
            })
            .await?;
        let scim = link_scim(app, &fault_proxy).await?;
        let on = |account: &str| anyhow::Ok(app.client_for(account)?.at(url.clone()));
        Ok(Self { slack: on(slack)?, scim: on(&scim)?, fault_proxy })
    }

    /// Checks that both accounts can still be used, through the first gateway as well.
    async fn assert_active(&self, app: &TestApp, row: &str) -> anyhow::Result<()> {
        self.fault_proxy.clear();
        for api in [&self.slack, &self.scim] {
            let again = api.clone().at(app.base_url.clone()).get("users?limit=1").await?;
            anyhow::ensure!(
                again.status == 200,
                "{row}: the account is not active: {}",
                again.text
            );
        }
        Ok(())
    }
}

/// Returns what a response reports beside its rows: the detail of its problem, or its warnings.
fn reported(response: &ApiResponse) -> Option<String> {
    let problem = response.body.get("detail").and_then(Value::as_str).map(str::to_owned);
    problem.or(response.body.get("warnings").map(Value::to_string))
}

/// Changes of Slack's directory, each to a user, group or workspace of its own where it creates one.
async fn change(api: &Client, ids: &Ids, name: &str) -> anyhow::Result<Vec<(String, ApiResponse)>> {
    let body = |text: Value| {
        serde_json::from_str::<Value>(&ids.path(&text.to_string())).unwrap_or_default()
    };
    let user = body(json!({"email": format!("{name}@odd.example"), "name": "Odd Person"}));
    let patch = body(json!({"title": format!("Odd {name}")}));
    let group = body(json!({"name": format!("Odd {name}"), "member_ids": ["{user}"]}));
    let member = body(json!({"user_id": "{user}"}));
    let role = body(json!({"role_id": "Rl01", "user_id": "{user}", "workspace_id": "{team}"}));
    let posts = [
        ("users", user),
        ("groups", group),
        ("workspaces/{team}/members", member),
        ("role-assignments", role),
    ];
    let posts = posts.iter().map(|(route, body)| async move {
        let route = ids.path(route);
        anyhow::Ok((format!("POST {route}"), api.post(&route, body).await?))
    });
    let mut all: Vec<_> = join_all(posts).await.into_iter().collect::<Result<_, _>>()?;
    let route = ids.path("users/{user}");
    all.push((format!("PATCH {route}"), api.patch(&route, &patch).await?));
    Ok(all)
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn changes_are_reported_or_name_the_malformed_response(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let slack = app.link("acme").await?;
    let ids = ids(&app.client_for(&slack)?).await?;
    // Faults that can be read correctly need no test here.
    let malformed = rows().into_iter().filter(|row| match row.expected {
        Expected::Problem => true,
        Expected::Reported(what) => ["ok", "not JSON"].contains(&what),
        Expected::Unchanged | Expected::Readable => false,
    });
    let malformed = malformed.enumerate();
    let tried = stream::iter(malformed.map(Ok::<_, anyhow::Error>));
    tried
        .try_for_each_concurrent(MAX_CONCURRENT_ROWS, async |(number, row)| {
            let scenario = Scenario::set(&app, &slack, Some(&row.script)).await?;
            scenario.fault_proxy.set("", row.script.clone());
            let person = format!("odd{number}");
            let changes = change(&scenario.slack, &ids, &person);
            let changes = tokio::time::timeout(RESPONSE_TIMEOUT * 2, changes);
            for (name, response) in changes.await.with_context(|| row.name)?? {
                let place = format!("{} / {name}: {} {}", row.name, response.status, response.text);
                anyhow::ensure!(response.status != 500, "{place}");
                let is_problem = response.status >= 400;
                anyhow::ensure!(!is_problem || reported(&response).is_some(), "{place}");
                anyhow::ensure!(is_problem || !response.body.is_null(), "{place}");
            }
            scenario.assert_active(&app, row.name).await
        })
        .await
}

/// Creates a fault that rewrites the body.
fn rewriting(change: impl Fn(&str) -> String + Send + Sync + 'static) -> Script {
    Script::Rewrite(Rewrite(Arc::new(change)))
}
