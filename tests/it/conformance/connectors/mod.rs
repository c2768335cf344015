//! Every connector against the unified API: the same checks for each kind of account. Its capabilities decide which
//! apply: an operation that works is checked, and one that does not must be rejected with the reason.

#![expect(clippy::indexing_slicing, reason = "a field that a JSON value does not have is null")]

mod groups;
mod reads;
mod roles;
mod users;

use anyhow::Context as _;
use serde_json::Value;
use sqlx::PgPool;
use switchboard::sandbox::DEFAULT_CLIENT_ID;

use crate::scim::writes::{MODES, Mode};
use crate::support::scim_server::{ScimOptions, ScimServer, link_server, open_app};
use crate::support::{ApiResponse, Client, TestApp};

/// Kinds of servers that lack something.
const LIMITED_SERVERS: [Mode; 3] = [
    ("no-groups", || ScimOptions { groups: false, ..ScimOptions::default() }),
    ("no-filters", || ScimOptions { filter: false, ..ScimOptions::default() }),
    ("no-discovery", || ScimOptions { discovery: false, ..ScimOptions::default() }),
];

/// A linked account, and what works for it.
pub(crate) struct Subject<'a> {
    /// Names the account in messages.
    name: &'a str,
    /// A client of the account.
    pub(crate) api: Client,
    /// A role that any user can be assigned.
    role_id: &'a str,
    capabilities: Value,
}

impl<'a> Subject<'a> {
    /// Reads what works for an account.
    pub(crate) async fn new(
        app: &TestApp,
        name: &'a str,
        account: &str,
        role_id: &'a str,
    ) -> anyhow::Result<Self> {
        let path = format!("integrated-accounts/{account}/capabilities");
        let capabilities = app.home.api.get(&path).await?.success()?["result"].clone();
        Ok(Self { name, api: app.client_for(account)?, role_id, capabilities })
    }

    fn find(&self, resource: &str, list: &str, key: &str, name: &str) -> anyhow::Result<&Value> {
        let resources = self.capabilities["resources"].as_array().into_iter().flatten();
        let mut named = resources.filter(|known| known["resource"] == resource);
        let all = named.next().context("no such resource")?[list].as_array();
        let found = all.into_iter().flatten().find(|known| known[key] == name);
        found.with_context(|| format!("{}: no {name} of {resource}", self.name))
    }

    /// Whether a method of a resource works.
    fn supports(&self, resource: &str, method: &str) -> anyhow::Result<bool> {
        let method = self.find(resource, "methods", "method", method)?;
        method["is_supported"].as_bool().context("no is_supported")
    }

    /// Whether requests can set a field of a resource.
    fn can_write(&self, resource: &str, field: &str) -> anyhow::Result<bool> {
        let field = self.find(resource, "fields", "name", field)?;
        field["is_writable"].as_bool().context("no is_writable")
    }

    /// Checks that a method that does not work is rejected with the reason.
    fn assert_rejected(&self, response: &ApiResponse) {
        assert_eq!(response.status, 501, "{}: {}", self.name, response.text);
        response.problem(501, "unsupported_by_provider");
    }

    /// Checks a change to a state that already holds. It is applied again where the object is not read before.
    fn assert_repeated(&self, response: &Value) {
        let outcome = outcome(response);
        assert!(["applied", "unchanged"].contains(&outcome), "{}: {response}", self.name);
    }

    /// Returns all rows of a list.
    async fn all(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        Ok(self.api.all(path).await.with_context(|| self.name.to_owned())?.0)
    }
}

/// Checks an account; returns the users that it created.
pub(crate) async fn check(subject: &Subject<'_>) -> anyhow::Result<Vec<String>> {
    let users = users::create_and_list(subject).await?;
    let [first, second, ..] = users.as_slice() else { anyhow::bail!("too few users") };
    users::change(subject, first, second).await?;
    groups::change(subject, &users).await?;
    roles::assign_and_remove(subject, second).await?;
    reads::check(subject).await?;
    Ok(users)
}

fn id(response: &Value) -> anyhow::Result<String> {
    Ok(response.pointer("/result/id").and_then(Value::as_str).context("no id")?.to_owned())
}

/// Returns the outcome of a response's first step.
fn outcome(response: &Value) -> &str {
    response.pointer("/parts/0/outcome").and_then(Value::as_str).unwrap_or_default()
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn slack_enterprise(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let account = app.link("acme").await?;
    check(&Subject::new(&app, "slack_enterprise", &account, "Rl0C").await?).await?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn scim_servers_of_each_kind(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    for (name, options) in MODES.into_iter().chain(LIMITED_SERVERS) {
        let server = ScimServer::start(options()).await?;
        let account = server.link(&app, name).await?;
        check(&Subject::new(&app, name, &account, "roles:admin").await?).await?;
    }
    Ok(())
}

/// Slack has no filters in version 2, holds one role per user, and deactivates a user that is deleted.
#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn slacks_own_scim(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let base_url = format!("{}/scim/v2", app.config.slack_enterprise.api_url);
    let token = app.sandbox.install(DEFAULT_CLIENT_ID, &["admin"])?.access_token;
    let account = link_server(&app, "slack", &base_url, &token).await?;
    check(&Subject::new(&app, "slack", &account, "roles:admin").await?).await?;
    assert_eq!(app.calls("scim.users.replace"), 0, "Slack's PATCH is understood");
    assert_eq!(app.calls("scim.groups.replace"), 0);
    Ok(())
}
