//! Providers with odd responses: a table of what is odd, run against every list, lookup and change of both connectors,
//! against the raw lists and against the token endpoint. Whatever comes, the response is right, or it says what was odd; nothing panics, waits
//! without end, is empty without a reason or ends an account. A further row is one line in [`odd::rows`].

mod circles;
mod memory;
mod odd;
mod reads;
mod refreshes;
mod two_ids;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::join_all;
use futures_util::stream::{self, TryStreamExt as _};
use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use switchboard::sandbox::DEFAULT_CLIENT_ID;
use url::Url;
use url::form_urlencoded::Serializer;

use self::odd::{Expected, rows};
use crate::support::{Answer, Browser, Change, Client, Middleman, Script, TestApp, link_url};

/// So many rows are tried at the same time, each with a gateway of its own.
const TOGETHER: usize = 6;
/// No response takes longer.
const PATIENCE: Duration = Duration::from_secs(40);

/// A gateway whose provider is reached through a server between, and callers of its two accounts.
struct Stage {
    middleman: Middleman,
    slack: Client,
    scim: Client,
}

/// The ids that paths name.
struct Ids([(&'static str, String); 4]);

impl Ids {
    fn path(&self, path: &str) -> String {
        self.0.iter().fold(path.to_owned(), |path, (name, id)| path.replace(name, id))
    }
}

async fn ids(api: &Client) -> anyhow::Result<Ids> {
    let first = async |list: &str, pointer: &str| -> anyhow::Result<String> {
        let page = api.get(list).await?.okay()?;
        Ok(page.pointer(pointer).and_then(Value::as_str).context("nothing there")?.to_owned())
    };
    Ok(Ids([
        ("{user}", first("users?limit=1", "/result/0/id").await?),
        ("{team}", first("workspaces?limit=1", "/result/0/id").await?),
        ("{group}", first("groups?limit=1", "/result/0/id").await?),
        ("{role}", first("role-assignments?limit=1", "/result/0/id").await?),
    ]))
}

/// An application whose customers may name addresses of this machine.
async fn open_app(pool: PgPool) -> anyhow::Result<TestApp> {
    // The gateways beside share the connections.
    let options = pool.connect_options().as_ref().clone();
    let pool = PgPoolOptions::new().max_connections(20).connect_with(options).await?;
    TestApp::with(pool, |setup| {
        setup.config.upstream.allow_private_addresses = true;
        (setup.sandbox.users, setup.sandbox.workspaces) = (60, 3);
    })
    .await
}

/// Links the sandbox's SCIM, behind a server between, as a customer's directory; gives the account's id.
async fn link_scim(app: &TestApp, middleman: &Middleman) -> anyhow::Result<String> {
    let token = app.sandbox.install(DEFAULT_CLIENT_ID, &["admin"])?.access_token;
    let base_url = format!("{}/scim/v2", middleman.url);
    let tenant = middleman.url.rsplit(':').next().unwrap_or_default();
    let wish = json!({"tenant_id": tenant, "provider": "scim"});
    let link: Url = link_url(&app.home, &wish).await?;
    let mut form = Serializer::new(String::new());
    form.extend_pairs([("provider", "scim"), ("base_url", &base_url), ("token", &token)]);
    let page = Browser::new()?.post(&link, &form.finish()).await?;
    anyhow::ensure!(page.status == 200, "{}", page.text);
    let path = format!("integrated-accounts?tenant_id={tenant}");
    let list = app.home.api.get(&path).await?.okay()?;
    let account = list.pointer("/result/0/id").and_then(Value::as_str).context("no account")?;
    Ok(account.to_owned())
}

impl Stage {
    /// A stage for this script, which is not played yet.
    async fn set(app: &TestApp, slack: &str, script: Option<&Script>) -> anyhow::Result<Self> {
        let is_slow = matches!(script, Some(Script::Hang | Script::Trickle { .. }));
        let (url, middleman) = app
            .through_middleman(|config| {
                if is_slow {
                    // Nothing else than what is slow comes through this gateway before the last look.
                    let limits = &mut config.upstream;
                    (limits.response_timeout_s, limits.whole_response_timeout_s) = (1.0, 1.0);
                }
            })
            .await?;
        let scim = link_scim(app, &middleman).await?;
        let on = |account: &str| anyhow::Ok(app.on(account)?.at(url.clone()));
        Ok(Self { slack: on(slack)?, scim: on(&scim)?, middleman })
    }

    /// Both accounts can still be used, through the first gateway as well.
    async fn assert_active(&self, app: &TestApp, row: &str) -> anyhow::Result<()> {
        self.middleman.clear();
        for api in [&self.slack, &self.scim] {
            let again = api.clone().at(app.base_url.clone()).get("users?limit=1").await?;
            anyhow::ensure!(again.status == 200, "{row}: the account is gone: {}", again.text);
        }
        Ok(())
    }
}

/// What a response says beside its rows: the detail of its problem, or its warnings.
fn told(answer: &Answer) -> Option<String> {
    let problem = answer.body.get("detail").and_then(Value::as_str).map(str::to_owned);
    problem.or(answer.body.get("warnings").map(Value::to_string))
}

/// The changes of Slack's directory, each of a person, group or workspace of its own where it makes one.
async fn change(api: &Client, ids: &Ids, name: &str) -> anyhow::Result<Vec<(String, Answer)>> {
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
async fn changes_are_told_or_say_what_is_odd(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let slack = app.link("acme").await?;
    let ids = ids(&app.on(&slack)?).await?;
    // What can be read all the same changes nothing here.
    let odd = rows().into_iter().filter(|row| match row.expected {
        Expected::Clear => true,
        Expected::Told(what) => ["ok", "not JSON"].contains(&what),
        Expected::Same | Expected::Read => false,
    });
    let odd = odd.enumerate();
    let tried = stream::iter(odd.map(Ok::<_, anyhow::Error>));
    tried
        .try_for_each_concurrent(TOGETHER, async |(number, row)| {
            let stage = Stage::set(&app, &slack, Some(&row.script)).await?;
            stage.middleman.set("", row.script.clone());
            let person = format!("odd{number}");
            let changes = change(&stage.slack, &ids, &person);
            let changes = tokio::time::timeout(PATIENCE * 2, changes);
            for (name, answer) in changes.await.with_context(|| row.name)?? {
                let place = format!("{} / {name}: {} {}", row.name, answer.status, answer.text);
                anyhow::ensure!(answer.status != 500, "{place}");
                let is_problem = answer.status >= 400;
                anyhow::ensure!(!is_problem || told(&answer).is_some(), "{place}");
                anyhow::ensure!(is_problem || !answer.body.is_null(), "{place}");
            }
            stage.assert_active(&app, row.name).await
        })
        .await
}

/// A script that makes another body of each.
fn changing(change: impl Fn(&str) -> String + Send + Sync + 'static) -> Script {
    Script::Change(Change(Arc::new(change)))
}
