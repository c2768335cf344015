//! No data crosses environments, and no key exceeds its scopes: every route of the document and the
//! proxy is tried. A route that is not in [`ROUTES`] fails the test.

use std::collections::BTreeSet;

use anyhow::Context as _;
use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::domain::access::Scope;
use switchboard::domain::ids::{DeliveryId, JobId, SyncRunId};
use switchboard::sandbox::org::{OrgLevel, Person, WorkspaceLevel};
use time::format_description::well_known::Rfc3339;
use tokio_util::sync::CancellationToken;

use crate::support::{ApiResponse, Client, ClosedPort, TestApp, bearer};

/// Result for a key of another environment.
#[derive(Debug, Clone, Copy, PartialEq)]
enum ForeignResult {
    /// The account is not found.
    AccountNotFound,
    /// A response with data of its own environment only.
    Own,
    /// "Not found", as for an id that does not exist.
    NotFound,
    /// The same for everybody: the route is public.
    Public,
}

/// A route: method and path of the document, request body, required scope, result for a foreign key.
struct Route {
    method: &'static str,
    path: &'static str,
    body: &'static str,
    scope: Option<Scope>,
    foreign: ForeignResult,
}

const fn read(path: &'static str) -> Route {
    let (scope, foreign) = (Some(Scope::Read), ForeignResult::AccountNotFound);
    Route { method: "get", path, body: "", scope, foreign }
}

const fn post(
    path: &'static str,
    body: &'static str,
    scope: Scope,
    foreign: ForeignResult,
) -> Route {
    Route { method: "post", path, body, scope: Some(scope), foreign }
}

const fn delete(path: &'static str) -> Route {
    Route { method: "delete", scope: Some(Scope::Write), ..read(path) }
}

const fn change(method: &'static str, path: &'static str, body: &'static str) -> Route {
    Route { method, ..post(path, body, Scope::Write, ForeignResult::AccountNotFound) }
}

const fn of_webhook(method: &'static str, path: &'static str, body: &'static str) -> Route {
    Route { method, ..post(path, body, Scope::Admin, ForeignResult::NotFound) }
}

const fn of_violation(method: &'static str, path: &'static str, body: &'static str) -> Route {
    Route { method, ..post(path, body, Scope::Write, ForeignResult::NotFound) }
}

const fn public(path: &'static str) -> Route {
    Route { method: "get", path, body: "", scope: None, foreign: ForeignResult::Public }
}

/// A policy that any environment may have.
const POLICY: &str = r#"{"name": "Guests", "kind": "guests_must_expire",
    "parameters": {"within_days": 90}}"#;
/// The evaluation of a policy that is not stored.
const EVALUATION: &str = r#"{"policy": {"name": "Guests", "kind": "guests_must_expire",
    "parameters": {"within_days": 90}}}"#;

/// A rule set of the first account.
const RULE_SET: &str = r#"{"integrated_account_id": "ACCOUNT", "name": "Departments",
    "rules": [{"when": {"field": "title", "op": "eq", "value": "CEO"}, "then": {"roles": ["org:admin"]}}]}"#;
/// A reconciliation of the first account.
const RECONCILIATION: &str = r#"{"integrated_account_id": "ACCOUNT",
    "desired": {"users": [{"email": "ada@example.com"}]}}"#;

/// Every route. `ACCOUNT` in a body is the first environment's account, `USER` an admin of its first workspace, `NOW`
/// the time of its clock, `LATER` an hour later.
const ROUTES: &[Route] = &[
    read("/users"),
    read("/users/{id}"),
    read("/users/{id}/history"),
    read("/workspaces/{id}/history"),
    read("/groups/{id}/history"),
    read("/role-assignments/{id}/history"),
    read("/roles"),
    read("/roles/{id}"),
    read("/role-assignments"),
    read("/role-assignments/{id}"),
    read("/workspaces"),
    read("/workspaces/{id}"),
    post(
        "/role-assignments",
        r#"{"user_id": "USER", "role_id": "Rl01"}"#,
        Scope::Write,
        ForeignResult::AccountNotFound,
    ),
    delete("/role-assignments/{id}"),
    post(
        "/workspaces/{id}/members",
        r#"{"user_id": "USER"}"#,
        Scope::Write,
        ForeignResult::AccountNotFound,
    ),
    delete("/workspaces/{id}/members/{user_id}"),
    read("/workspaces/{id}/members"),
    change("post", "/workspaces", r#"{"name": "Brand New"}"#),
    change("patch", "/workspaces/{id}", r#"{"description": "Changed"}"#),
    read("/groups"),
    read("/groups/{id}"),
    change("post", "/groups", r#"{"name": "Brand New"}"#),
    change("patch", "/groups/{id}", r#"{"name": "Changed"}"#),
    read("/groups/{id}/members"),
    change("post", "/groups/{id}/members", r#"{"user_id": "USER"}"#),
    delete("/groups/{id}/members/{user_id}"),
    delete("/groups/{id}"),
    read("/me"),
    change("post", "/users", r#"{"email": "new@example.com"}"#),
    change("patch", "/users/{id}", r#"{"title": "Changed"}"#),
    change("post", "/users/assign_role", r#"{"user_id": "USER", "roles": [{"id": "Rl02"}]}"#),
    change("post", "/users/remove_role", r#"{"user_id": "USER", "roles": [{"id": "Rl02"}]}"#),
    delete("/users/{id}"),
    post(
        "/batch",
        r#"{"operations": [{"method": "GET", "path": "/users/USER"}]}"#,
        Scope::Write,
        ForeignResult::Own,
    ),
    Route { foreign: ForeignResult::Own, ..read("/providers") },
    Route { foreign: ForeignResult::Own, ..read("/providers/{name}") },
    Route { foreign: ForeignResult::Own, ..read("/integrated-accounts") },
    read("/integrated-accounts/{id}"),
    change(
        "patch",
        "/integrated-accounts/{id}",
        r#"{"context": {"plan": "gold"}, "sync": {"enabled": true}}"#,
    ),
    read("/integrated-accounts/{id}/sync-settings"),
    post("/integrated-accounts/{id}/refresh", "", Scope::Write, ForeignResult::AccountNotFound),
    post("/integrated-accounts/{id}/tokens", "{}", Scope::Read, ForeignResult::AccountNotFound),
    read("/integrated-accounts/{id}/tokens"),
    delete("/integrated-accounts/{id}/tokens/{token_id}"),
    read("/integrated-accounts/{id}/scopes"),
    read("/integrated-accounts/{id}/capabilities"),
    post(
        "/link-tokens",
        r#"{"tenant_id": "acme", "integrated_account_id": "ACCOUNT"}"#,
        Scope::Write,
        ForeignResult::AccountNotFound,
    ),
    Route { foreign: ForeignResult::Own, ..read("/link-tokens") },
    post(
        "/portal-links",
        r#"{"integrated_account_id": "ACCOUNT", "views": ["directory"]}"#,
        Scope::Write,
        ForeignResult::AccountNotFound,
    ),
    Route { foreign: ForeignResult::NotFound, ..delete("/link-tokens/{id}") },
    post(
        "/provider-apps",
        r#"{"provider": "slack_enterprise", "client_id": "5.6", "client_secret": "x"}"#,
        Scope::Admin,
        ForeignResult::Own,
    ),
    Route { foreign: ForeignResult::Own, scope: Some(Scope::Admin), ..read("/provider-apps") },
    Route {
        foreign: ForeignResult::NotFound,
        scope: Some(Scope::Admin),
        ..read("/provider-apps/{id}")
    },
    Route {
        foreign: ForeignResult::NotFound,
        scope: Some(Scope::Admin),
        ..change("patch", "/provider-apps/{id}", r#"{"scopes": ["admin"]}"#)
    },
    Route {
        foreign: ForeignResult::NotFound,
        scope: Some(Scope::Admin),
        ..delete("/provider-apps/{id}")
    },
    post("/environments", r#"{"name": "Brand New"}"#, Scope::Admin, ForeignResult::Own),
    post("/api-keys", r#"{"name": "new", "scopes": ["read"]}"#, Scope::Admin, ForeignResult::Own),
    post("/api-keys/{id}/rotate", r#"{"overlap_s": 60}"#, Scope::Admin, ForeignResult::NotFound),
    Route {
        foreign: ForeignResult::NotFound,
        scope: Some(Scope::Admin),
        ..delete("/api-keys/{id}")
    },
    read("/access-review"),
    Route { foreign: ForeignResult::Own, scope: Some(Scope::Admin), ..read("/audit-log") },
    Route { foreign: ForeignResult::Own, scope: Some(Scope::Admin), ..read("/audit-log/export") },
    Route { foreign: ForeignResult::Own, ..read("/mappings") },
    post(
        "/mappings",
        r#"{"resource": "users", "field": "tried", "expression": "1"}"#,
        Scope::Admin,
        ForeignResult::Own,
    ),
    post("/mappings/preview", r#"{"expression": "1"}"#, Scope::Read, ForeignResult::Own),
    Route { foreign: ForeignResult::NotFound, ..read("/mappings/{id}") },
    Route {
        method: "patch",
        ..post("/mappings/{id}", r#"{"expression": "2"}"#, Scope::Admin, ForeignResult::NotFound)
    },
    Route {
        foreign: ForeignResult::NotFound,
        scope: Some(Scope::Admin),
        ..delete("/mappings/{id}")
    },
    Route { foreign: ForeignResult::Own, ..read("/events") },
    post("/webhooks", r#"{"url": "https://hooks.example.com/"}"#, Scope::Admin, ForeignResult::Own),
    Route { foreign: ForeignResult::Own, scope: Some(Scope::Admin), ..read("/webhooks") },
    of_webhook("get", "/webhooks/{id}", ""),
    of_webhook("patch", "/webhooks/{id}", r#"{"description": "Theirs"}"#),
    of_webhook("post", "/webhooks/{id}/rotate-secret", ""),
    of_webhook("post", "/webhooks/{id}/test", ""),
    of_webhook("post", "/webhooks/{id}/replay", r#"{"from": "NOW"}"#),
    of_webhook("get", "/webhooks/{id}/deliveries", ""),
    of_webhook("get", "/webhooks/{id}/deliveries/{delivery_id}", ""),
    of_webhook("post", "/webhooks/{id}/deliveries/{delivery_id}/resend", ""),
    of_webhook("delete", "/webhooks/{id}", ""),
    post("/policies", POLICY, Scope::Admin, ForeignResult::Own),
    post("/policies/starter", "", Scope::Admin, ForeignResult::Own),
    Route { foreign: ForeignResult::Own, ..read("/policies") },
    Route { foreign: ForeignResult::Own, ..read("/policies/kinds") },
    Route { foreign: ForeignResult::Own, ..read("/policies/evaluations") },
    post("/policies/evaluate", EVALUATION, Scope::Read, ForeignResult::AccountNotFound),
    Route { foreign: ForeignResult::NotFound, ..read("/policies/{id}") },
    post("/policies/{id}/evaluate", "{}", Scope::Read, ForeignResult::NotFound),
    Route {
        method: "patch",
        ..post("/policies/{id}", r#"{"severity": "info"}"#, Scope::Admin, ForeignResult::NotFound)
    },
    Route { foreign: ForeignResult::Own, ..read("/reconciliations") },
    Route { foreign: ForeignResult::NotFound, ..read("/reconciliations/{id}") },
    Route { foreign: ForeignResult::NotFound, ..read("/reconciliations/{id}/steps") },
    of_violation("post", "/reconciliations/{id}/apply", r#"{"hash": "HASH"}"#),
    of_violation("post", "/reconciliations/{id}/pause", ""),
    of_violation("post", "/reconciliations/{id}/resume", ""),
    of_violation("post", "/reconciliations/{id}/inverse", ""),
    of_violation("post", "/reconciliations/{id}/cancel", ""),
    Route { foreign: ForeignResult::Own, ..read("/drift") },
    Route { foreign: ForeignResult::NotFound, ..read("/drift/{id}") },
    of_violation(
        "post",
        "/drift/{id}/acknowledge",
        r#"{"reason": "Agreed", "expires_at": "LATER"}"#,
    ),
    of_violation("post", "/drift/{id}/fix", ""),
    // With its violations.
    Route {
        foreign: ForeignResult::NotFound,
        scope: Some(Scope::Admin),
        ..delete("/policies/{id}")
    },
    post("/rule-sets", RULE_SET, Scope::Admin, ForeignResult::AccountNotFound),
    Route { foreign: ForeignResult::Own, ..read("/rule-sets") },
    Route { foreign: ForeignResult::NotFound, ..read("/rule-sets/{id}") },
    post("/rule-sets/{id}/preview", r#"{"user": "USER"}"#, Scope::Read, ForeignResult::NotFound),
    Route {
        method: "patch",
        ..post("/rule-sets/{id}", r#"{"auto": true}"#, Scope::Admin, ForeignResult::NotFound)
    },
    change("post", "/reconciliations", RECONCILIATION),
    Route {
        foreign: ForeignResult::NotFound,
        scope: Some(Scope::Admin),
        ..delete("/rule-sets/{id}")
    },
    Route { foreign: ForeignResult::Own, ..read("/jobs") },
    Route { foreign: ForeignResult::Own, ..read("/syncs") },
    Route { foreign: ForeignResult::NotFound, ..read("/syncs/{id}") },
    // From `held` to `queued`, `cancelled`, and again.
    post("/syncs/{id}/accept", "", Scope::Write, ForeignResult::NotFound),
    post("/syncs/{id}/cancel", "", Scope::Write, ForeignResult::NotFound),
    post("/syncs/{id}/resume", "", Scope::Write, ForeignResult::NotFound),
    // An account has one run at a time.
    post("/syncs/{id}/cancel", "", Scope::Write, ForeignResult::NotFound),
    post("/syncs/{id}/reject", "", Scope::Write, ForeignResult::NotFound),
    change("post", "/syncs", r#"{"integrated_account_id": "ACCOUNT"}"#),
    Route { foreign: ForeignResult::Own, scope: Some(Scope::Admin), ..read("/api-keys") },
    Route { foreign: ForeignResult::NotFound, scope: Some(Scope::Admin), ..read("/api-keys/{id}") },
    Route { foreign: ForeignResult::Own, ..read("/environments") },
    Route { foreign: ForeignResult::NotFound, ..read("/environments/{id}") },
    Route {
        foreign: ForeignResult::NotFound,
        scope: Some(Scope::Admin),
        ..change("patch", "/environments/{id}", r#"{"link_page": {"name": "Theirs"}}"#)
    },
    public("/healthz"),
    public("/readyz"),
    Route { scope: Some(Scope::Proxy), ..read("/proxy/api/auth.test") },
    Route { scope: Some(Scope::Proxy), ..read("/proxy/scim/v2/Users") },
    // The last one, because it deletes the account.
    delete("/integrated-accounts/{id}"),
];

/// The first environment with a linked account, and ids of its resources.
struct Fixture {
    app: TestApp,
    account: String,
    /// Another customer's account in the same environment.
    second: String,
    user: String,
    team: String,
    group: String,
    key: String,
    mapping: String,
    token: String,
    /// An OAuth client without accounts.
    client: String,
    /// A link token for the account.
    link: String,
    /// A custom field of that account.
    own_mapping: String,
    /// A run of the directory sync of that account whose removals can be accepted.
    held_run: String,
    /// Another one, to reject.
    rejected_run: String,
    /// A webhook that refuses connections.
    webhook: String,
    /// A delivery to it.
    delivery: String,
    /// A policy of that account.
    policy: String,
    /// A violation of it.
    violation: String,
    /// A rule set of that account.
    rule_set: String,
    reconciliation: String,
    hash: String,
    _closed: ClosedPort,
}

/// Adds a held run of the directory sync to an account and returns its id.
async fn add_held_run(app: &TestApp, account: &str) -> anyhow::Result<String> {
    let (clock, entropy) = (&*app.state.clock, &*app.state.entropy);
    let run = SyncRunId::generate(clock, entropy).to_string();
    sqlx::query(
        "INSERT INTO sync_runs (environment_id, integrated_account_id, sync_run_id, job_id, status,
             resources, started_by, created_at, checkpoint)
         VALUES ($1, $2, $3, $4, 'held', '{users}', 'schedule', $5, 'null')",
    )
    .bind(app.home.environment_id.to_string())
    .bind(account)
    .bind(&run)
    .bind(JobId::generate(clock, entropy).to_string())
    .bind(clock.now())
    .execute(&app.pool)
    .await?;
    Ok(run)
}

/// Adds a webhook with a delivery of the first event and returns their ids.
async fn add_webhook(app: &TestApp, url: &str) -> anyhow::Result<(String, String)> {
    let webhook = app.home.admin.post("webhooks", &json!({ "url": url })).await?.created()?;
    let webhook = webhook.pointer("/result/id").and_then(Value::as_str).context("no webhook")?;
    let (clock, entropy) = (&*app.state.clock, &*app.state.entropy);
    let delivery = DeliveryId::generate(clock, entropy).to_string();
    sqlx::query(
        "INSERT INTO webhook_deliveries
         SELECT environment_id, $2, $3, event_id, type, position, 'failed', 1, '[]', NULL, $4
         FROM events WHERE environment_id = $1 ORDER BY position LIMIT 1",
    )
    .bind(app.home.environment_id.to_string())
    .bind(webhook)
    .bind(&delivery)
    .bind(clock.now())
    .execute(&app.pool)
    .await?;
    Ok((webhook.to_owned(), delivery))
}

/// Adds a policy of an account that a user violates by a role, and returns its id and that of the violation.
async fn add_policy(app: &TestApp, account: &str, user: &str) -> anyhow::Result<(String, String)> {
    let nobody = json!({"role_ids": ["ws:admin"], "allowed": {"user_ids": ["nobody"]}});
    let body = json!({"name": "No admins", "kind": "role_holders", "parameters": nobody,
        "integrated_account_ids": [account]});
    let policy = app.home.admin.post("policies", &body).await?.created()?;
    let policy = policy.pointer("/result/id").and_then(Value::as_str).context("no policy")?;
    while app.policies.work_once(&CancellationToken::new()).await? {}
    let found = app.home.api.get(&format!("drift?user_id={user}")).await?.success()?;
    let violation = found.pointer("/result/0/id").and_then(Value::as_str);
    Ok((policy.to_owned(), violation.context("no violation")?.to_owned()))
}

impl Fixture {
    async fn new(pool: PgPool) -> anyhow::Result<Self> {
        let app = TestApp::with(pool, |setup| {
            setup.config.webhooks.allow_private_addresses = true;
        })
        .await?;
        let account = app.link("acme").await?;
        let second = app.link("globex").await?;
        let (user, team, group) = app.sandbox.with_org(|org| {
            let is_admin = |person: &&Person| {
                let level = person.membership(0).map(|one| one.level);
                level == Some(WorkspaceLevel::Admin) && person.org_level == OrgLevel::Member
            };
            let user = org.people().iter().find(is_admin).map(|person| person.id.clone());
            let group = org.groups.idp_groups().next().map(|(_, group)| group.id.clone());
            (user, org.workspaces.first().map(|team| team.id.clone()), group)
        });
        let (user, team) = (user.context("no user")?, team.context("no team")?);
        let body = json!({"name": "another", "scopes": ["read"]});
        let key = app.home.admin.post("api-keys", &body).await?.created()?;
        let key = key.pointer("/result/id").and_then(Value::as_str).context("no key")?.to_owned();
        let body = json!({"resource": "roles", "field": "ours", "expression": "1"});
        let mapping = app.home.admin.post("mappings", &body).await?.created()?;
        let mapping = mapping.pointer("/result/id").and_then(Value::as_str);
        let mapping = mapping.context("no mapping")?.to_owned();
        let tokens = format!("integrated-accounts/{account}/tokens");
        let token = app.home.api.post(&tokens, &json!({})).await?.created()?;
        let token = token.pointer("/result/id").and_then(Value::as_str);
        let token = token.context("no token")?.to_owned();
        let client =
            json!({"provider": "slack_enterprise", "client_id": "7.8", "client_secret": "x"});
        let client = app.home.admin.post("provider-apps", &client).await?.created()?;
        let client = client.pointer("/result/id").and_then(Value::as_str);
        let client = client.context("no client")?.to_owned();
        let group = group.context("no group")?;
        let link = json!({"tenant_id": "acme", "integrated_account_id": account});
        let link = app.home.api.post("link-tokens", &link).await?.created()?;
        let link = link.pointer("/result/id").and_then(Value::as_str);
        let link = link.context("no link")?.to_owned();
        let own = json!({"resource": "users", "field": "ours_alone", "expression": "1",
            "integrated_account_id": account});
        let own = app.home.admin.post("mappings", &own).await?.created()?;
        let own = own.pointer("/result/id").and_then(Value::as_str);
        let own_mapping = own.context("no mapping")?.to_owned();
        // The history of the copy.
        let path = format!("integrated-accounts/{account}");
        app.home.api.patch(&path, &json!({"sync": {"enabled": true}})).await?.success()?;
        let run = json!({"integrated_account_id": account});
        assert_eq!(app.home.api.post("syncs", &run).await?.status, 202);
        assert!(app.jobs.work_once(&CancellationToken::new()).await?);
        let held_run = add_held_run(&app, &account).await?;
        let rejected_run = add_held_run(&app, &account).await?;
        let closed = ClosedPort::reserve()?;
        let url = format!("http://{}/", closed.address()?);
        let (webhook, delivery) = add_webhook(&app, &url).await?;
        let (policy, violation) = add_policy(&app, &account, &user).await?;
        let rule_set: Value = serde_json::from_str(&RULE_SET.replace("ACCOUNT", &account))?;
        let rule_set = app.home.admin.post("rule-sets", &rule_set).await?.created()?;
        let rule_set = rule_set.pointer("/result/id").and_then(Value::as_str);
        let rule_set = rule_set.context("no rule set")?.to_owned();
        let body = json!({"integrated_account_id": account,
            "desired": {"users": [{"email": "new@example.com", "name": "Ne W"}]}});
        let planned = app.home.api.post("reconciliations", &body).await?;
        let reconciliation = planned.body.pointer("/result/id").and_then(Value::as_str);
        let reconciliation = reconciliation.context("no reconciliation")?.to_owned();
        while app.jobs.work_once(&CancellationToken::new()).await? {}
        let planned =
            app.home.api.get(&format!("reconciliations/{reconciliation}")).await?.success()?;
        let hash =
            planned.pointer("/result/hash").and_then(Value::as_str).context("no hash")?.to_owned();
        Ok(Self {
            app,
            account,
            second,
            user,
            team,
            group,
            key,
            mapping,
            token,
            client,
            link,
            own_mapping,
            held_run,
            rejected_run,
            webhook,
            delivery,
            policy,
            violation,
            rule_set,
            reconciliation,
            hash,
            _closed: closed,
        })
    }

    /// Gives the reconciliation the status that a route is valid for.
    async fn prepare(&self, route: &Route) -> anyhow::Result<()> {
        let action = route.path.strip_prefix("/reconciliations/{id}/");
        let (status, applied) = match action {
            Some("apply" | "cancel") => ("planned", 0),
            Some("pause") => ("applying", 0),
            Some("resume") => ("paused", 0),
            Some("inverse") => ("applied", 1),
            _ => return Ok(()),
        };
        let update =
            "UPDATE reconciliations SET status = $1, applied = $2 WHERE reconciliation_id = $3";
        let query = sqlx::query(update).bind(status).bind(applied).bind(&self.reconciliation);
        query.execute(&self.app.pool).await?;
        Ok(())
    }

    /// Calls a route about the first environment's account with another key.
    async fn call(&self, route: &Route, client: &Client) -> anyhow::Result<ApiResponse> {
        let named = client.clone().with("x-integrated-account-id", &self.account)?;
        self.call_without_account(route, &named).await
    }

    /// Calls it without the header that names the account.
    async fn call_without_account(
        &self,
        route: &Route,
        client: &Client,
    ) -> anyhow::Result<ApiResponse> {
        let id = match route.path {
            "/users/{id}" | "/users/{id}/history" => self.user.clone(),
            "/roles/{id}" => "org:member".to_owned(),
            "/role-assignments/{id}" | "/role-assignments/{id}/history" => {
                format!("ws:admin.{}.{}", self.user, self.team)
            }
            path if path.starts_with("/workspaces/{id}") => self.team.clone(),
            path if path.starts_with("/api-keys/{id}") => self.key.clone(),
            "/mappings/{id}" => self.mapping.clone(),
            "/link-tokens/{id}" => self.link.clone(),
            "/provider-apps/{id}" => self.client.clone(),
            "/environments/{id}" => self.app.home.environment_id.to_string(),
            "/syncs/{id}/reject" => self.rejected_run.clone(),
            path if path.starts_with("/syncs/{id}") => self.held_run.clone(),
            path if path.starts_with("/groups/{id}") => self.group.clone(),
            path if path.starts_with("/webhooks/{id}") => self.webhook.clone(),
            path if path.starts_with("/policies/{id}") => self.policy.clone(),
            path if path.starts_with("/drift/{id}") => self.violation.clone(),
            path if path.starts_with("/reconciliations/{id}") => self.reconciliation.clone(),
            path if path.starts_with("/rule-sets/{id}") => self.rule_set.clone(),
            _ => self.account.clone(),
        };
        let path = route.path.replace("{id}", &id).replace("{user_id}", &self.user);
        let path = path.replace("{token_id}", &self.token).replace("{name}", "scim");
        let path = path.replace("{delivery_id}", &self.delivery);
        let now = self.app.state.clock.now();
        let later = (now + time::Duration::hours(1)).format(&Rfc3339)?;
        let now = now.format(&Rfc3339)?;
        let body = route.body.replace("ACCOUNT", &self.account).replace("USER", &self.user);
        let body = body.replace("HASH", &self.hash);
        let body = body.replace("NOW", &now).replace("LATER", &later);
        let body = (!body.is_empty()).then_some(("application/json", body.as_str()));
        let method: Method = route.method.to_uppercase().parse()?;
        client.send(method, &path, body).await
    }

    /// Checks that a response contains no data of the first environment.
    fn assert_no_foreign_data(&self, route: &Route, response: &ApiResponse) {
        let name = self.app.sandbox.with_org(|org| org.name.clone());
        let ours = [&self.user, &self.team, &self.account, &self.key, &self.mapping, &name];
        let ours = ours.into_iter().chain([&self.client, &self.link, &self.own_mapping]);
        let ours = ours.chain([&self.held_run, &self.rejected_run]);
        let ours = ours.chain([&self.webhook, &self.delivery, &self.policy, &self.violation]);
        let ours = ours.chain([&self.rule_set]);
        let environment = self.app.home.environment_id.to_string();
        for secret in ours.chain([&environment]) {
            assert!(!response.text.contains(secret), "{}: {}", route.path, response.text);
        }
    }
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_table_contains_every_route_of_the_document(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let document = app.anonymous()?.get("openapi.json").await?.success()?;
    let mut documented = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().context("no paths")? {
        let methods = methods.as_object().context("no methods")?;
        documented.extend(methods.keys().map(|method| format!("{method} {path}")));
    }
    let here = ROUTES.iter().filter(|route| !route.path.starts_with("/proxy/"));
    let tried: BTreeSet<String> =
        here.map(|route| format!("{} {}", route.method, route.path)).collect();
    let untried: Vec<&String> = documented.difference(&tried).collect();
    assert!(untried.is_empty(), "add to ROUTES in tests/it/isolation.rs: {untried:?}");
    let removed: Vec<&String> = tried.difference(&documented).collect();
    assert!(removed.is_empty(), "no longer in the document: {removed:?}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_key_of_the_environment_passes_everywhere(pool: PgPool) -> anyhow::Result<()> {
    let fixture = Fixture::new(pool).await?;
    for route in ROUTES {
        fixture.prepare(route).await?;
        let response = fixture.call(route, &fixture.app.home.admin).await?;
        // The requested role assignment need not exist, everything else does.
        let missing = route.path == "/role-assignments/{id}" && response.status == 404;
        assert!(response.status < 300 || missing, "{}: {}", route.path, response.text);
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_key_of_another_environment_gets_nothing(pool: PgPool) -> anyhow::Result<()> {
    let fixture = Fixture::new(pool).await?;
    let other = fixture.app.tenant("other").await?;
    let called = fixture.app.sandbox.requests(None).requests.len();
    for route in ROUTES {
        let response = fixture.call(route, &other.admin).await?;
        fixture.assert_no_foreign_data(route, &response);
        match route.foreign {
            ForeignResult::AccountNotFound => {
                response.api_error(404, "account_not_found");
            }
            ForeignResult::NotFound => {
                response.problem(404, "not_found");
            }
            ForeignResult::Own | ForeignResult::Public => {
                assert!(response.status < 300, "{}: {}", route.path, response.text);
            }
        }
    }
    assert_eq!(fixture.app.sandbox.requests(None).requests.len(), called, "a provider was called");
    let list = other.admin.get("integrated-accounts").await?.success()?;
    assert_eq!(list["result_count"], 0);
    let by_tenant = other.api.get("users?tenant_id=acme&provider=slack_enterprise").await?;
    by_tenant.problem(404, "account_not_found");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn without_a_key_only_public_routes_respond(pool: PgPool) -> anyhow::Result<()> {
    let fixture = Fixture::new(pool).await?;
    for route in ROUTES {
        let response = fixture.call(route, &fixture.app.anonymous()?).await?;
        fixture.assert_no_foreign_data(route, &response);
        if route.foreign == ForeignResult::Public {
            response.success()?;
        } else {
            response.api_error(401, "unauthorized");
        }
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_a_key_without_the_scope_and_names_it(pool: PgPool) -> anyhow::Result<()> {
    let fixture = Fixture::new(pool).await?;
    for route in ROUTES {
        let Some(scope) = route.scope else { continue };
        let others: Vec<Scope> =
            Scope::ALL.iter().copied().filter(|other| *other != scope).collect();
        let client = fixture.app.client(fixture.app.home.environment_id, &others).await?;
        let response = fixture.call(route, &client).await?;
        fixture.assert_no_foreign_data(route, &response);
        let detail = response.api_error(403, "insufficient_scope");
        assert!(detail.contains(&format!("`{scope}`")), "{}: {detail}", route.path);
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_document_declares_the_scope_of_each_route(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let document = app.anonymous()?.get("openapi.json").await?.success()?;
    assert!(document["security"][0]["key"].is_array(), "{}", document["security"]);
    for route in ROUTES.iter().filter(|route| !route.path.starts_with("/proxy/")) {
        let security = &document["paths"][route.path][route.method]["security"];
        let is_open = security.as_array().is_some_and(|all| {
            all.is_empty() || all.iter().any(|one| *one == serde_json::json!({}))
        });
        assert_eq!(is_open, route.foreign == ForeignResult::Public, "{}: {security}", route.path);
        let required = route.scope.map(|scope| json!([{"key": [scope.name()]}]));
        assert_eq!(is_open, required.is_none(), "{}", route.path);
        assert!(required.is_none_or(|one| *security == one), "{}: {security}", route.path);
    }
    Ok(())
}

/// Expected result for the token of another account of the same environment.
fn expected_for_other_token(route: &Route, names_account: bool) -> Option<(u16, &'static str)> {
    let settings = ["/link-tokens", "/portal-links", "/environments"];
    match (route.scope, route.path) {
        (None, _) => None,
        (Some(Scope::Admin), _) => Some((403, "insufficient_scope")),
        (_, path) if settings.iter().any(|one| path.starts_with(one)) => {
            Some((403, "insufficient_scope"))
        }
        (_, path) if path.starts_with("/integrated-accounts/{id}") => {
            Some((404, "account_not_found"))
        }
        (_, "/mappings/{id}") => Some((404, "not_found")),
        (_, path) if path.starts_with("/syncs/{id}") => Some((404, "not_found")),
        (_, path) if path.starts_with("/policies/{id}") => Some((404, "not_found")),
        (_, path) if path.starts_with("/drift/{id}") => Some((404, "not_found")),
        (_, path) if path.starts_with("/reconciliations/{id}") => Some((404, "not_found")),
        _ if route.foreign == ForeignResult::AccountNotFound && names_account => {
            Some((404, "account_not_found"))
        }
        _ => None,
    }
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_token_of_another_account_gets_nothing(pool: PgPool) -> anyhow::Result<()> {
    let fixture = Fixture::new(pool).await?;
    let second = &fixture.second;
    let body = json!({"scopes": ["read", "write", "proxy"]});
    let tokens = format!("integrated-accounts/{second}/tokens");
    let token = fixture.app.home.api.post(&tokens, &body).await?.created()?;
    let token = token.pointer("/result/token").and_then(Value::as_str).context("no token")?;
    let token = fixture.app.anonymous()?.with("authorization", &bearer(token))?;
    // The organization is the same: only what belongs to the first account alone tells them apart.
    let ours =
        [&fixture.account, &fixture.key, &fixture.mapping, &fixture.own_mapping, &fixture.token];
    let environment = fixture.app.home.environment_id.to_string();
    let ours = ours.into_iter().chain([&fixture.client, &fixture.link, &environment]);
    let ours = ours.chain([&fixture.held_run, &fixture.rejected_run]);
    let ours = ours.chain([&fixture.webhook, &fixture.delivery]);
    let ours = ours.chain([&fixture.policy, &fixture.violation]);
    let ours: Vec<&String> = ours.collect();
    for (route, names_account) in ROUTES.iter().flat_map(|route| [(route, true), (route, false)]) {
        let response = if names_account {
            fixture.call(route, &token).await?
        } else {
            fixture.call_without_account(route, &token).await?
        };
        let what = format!("{} {}: {}", route.method, route.path, response.text);
        // Its own account determines its environment.
        let is_own_account = route.path == "/integrated-accounts";
        for secret in ours.iter().filter(|one| !is_own_account || **one != &environment) {
            assert!(!response.text.contains(*secret), "{what}");
        }
        if let Some((status, kind)) = expected_for_other_token(route, names_account) {
            assert_eq!(response.status, status, "{what}");
            response.api_error(status, kind);
        }
    }
    let foreign = token.get(&format!("mappings?integrated_account_id={}", fixture.account)).await?;
    foreign.problem(404, "account_not_found");
    let first =
        fixture.app.home.api.get(&format!("integrated-accounts/{}", fixture.account)).await?;
    assert_eq!(first.success()?["result"]["status"], "active");
    Ok(())
}
