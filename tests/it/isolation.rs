//! Nothing crosses an environment, and no key does more than its scopes: every route of the document,
//! and the proxy, is tried. A route that is not in [`ROUTES`] fails the test.

use std::collections::BTreeSet;

use anyhow::Context as _;
use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::domain::access::Scope;
use switchboard::sandbox::org::{Level, OrgLevel, Person};

use crate::support::{Answer, Client, TestApp, bearer};

/// What a key of another environment gets.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Foreign {
    /// The account is not there.
    AccountNotFound,
    /// An answer of its own environment, without a trace of the first one.
    Own,
    /// "Not found", as for an id that nobody has.
    NotFound,
    /// The same as everybody: the route is public.
    Public,
}

/// A route: method and path of the document, what is sent, the scope it takes, what a foreign key gets.
struct Route {
    method: &'static str,
    path: &'static str,
    body: &'static str,
    scope: Option<Scope>,
    foreign: Foreign,
}

const fn read(path: &'static str) -> Route {
    let (scope, foreign) = (Some(Scope::Read), Foreign::AccountNotFound);
    Route { method: "get", path, body: "", scope, foreign }
}

const fn post(path: &'static str, body: &'static str, scope: Scope, foreign: Foreign) -> Route {
    Route { method: "post", path, body, scope: Some(scope), foreign }
}

const fn delete(path: &'static str) -> Route {
    Route { method: "delete", scope: Some(Scope::Write), ..read(path) }
}

const fn change(method: &'static str, path: &'static str, body: &'static str) -> Route {
    Route { method, ..post(path, body, Scope::Write, Foreign::AccountNotFound) }
}

const fn public(path: &'static str) -> Route {
    Route { method: "get", path, body: "", scope: None, foreign: Foreign::Public }
}

/// Every route. `ACCOUNT` in a body is the first environment's account, `USER` an admin of its first workspace.
const ROUTES: &[Route] = &[
    read("/users"),
    read("/users/{id}"),
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
        Foreign::AccountNotFound,
    ),
    delete("/role-assignments/{id}"),
    post(
        "/workspaces/{id}/members",
        r#"{"user_id": "USER"}"#,
        Scope::Write,
        Foreign::AccountNotFound,
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
        Foreign::Own,
    ),
    Route { foreign: Foreign::Own, ..read("/integrated-accounts") },
    read("/integrated-accounts/{id}"),
    change("patch", "/integrated-accounts/{id}", r#"{"context": {"plan": "gold"}}"#),
    post("/integrated-accounts/{id}/refresh", "", Scope::Write, Foreign::AccountNotFound),
    post("/integrated-accounts/{id}/tokens", "{}", Scope::Read, Foreign::AccountNotFound),
    read("/integrated-accounts/{id}/tokens"),
    delete("/integrated-accounts/{id}/tokens/{token_id}"),
    read("/integrated-accounts/{id}/scopes"),
    post(
        "/link-tokens",
        r#"{"tenant_id": "acme", "integrated_account_id": "ACCOUNT"}"#,
        Scope::Write,
        Foreign::AccountNotFound,
    ),
    Route { foreign: Foreign::Own, ..read("/link-tokens") },
    Route { foreign: Foreign::NotFound, ..delete("/link-tokens/{id}") },
    post(
        "/provider-apps",
        r#"{"provider": "slack_enterprise", "client_id": "5.6", "client_secret": "x"}"#,
        Scope::Admin,
        Foreign::Own,
    ),
    Route { foreign: Foreign::Own, scope: Some(Scope::Admin), ..read("/provider-apps") },
    Route { foreign: Foreign::NotFound, scope: Some(Scope::Admin), ..read("/provider-apps/{id}") },
    Route {
        foreign: Foreign::NotFound,
        scope: Some(Scope::Admin),
        ..change("patch", "/provider-apps/{id}", r#"{"scopes": ["admin"]}"#)
    },
    Route {
        foreign: Foreign::NotFound,
        scope: Some(Scope::Admin),
        ..delete("/provider-apps/{id}")
    },
    post("/environments", r#"{"name": "Brand New"}"#, Scope::Admin, Foreign::Own),
    post("/api-keys", r#"{"name": "new", "scopes": ["read"]}"#, Scope::Admin, Foreign::Own),
    post("/api-keys/{id}/rotate", r#"{"overlap_s": 60}"#, Scope::Admin, Foreign::NotFound),
    Route { foreign: Foreign::NotFound, scope: Some(Scope::Admin), ..delete("/api-keys/{id}") },
    Route { foreign: Foreign::Own, scope: Some(Scope::Admin), ..read("/audit-log") },
    Route { foreign: Foreign::Own, scope: Some(Scope::Admin), ..read("/audit-log/export") },
    Route { foreign: Foreign::Own, ..read("/mappings") },
    post(
        "/mappings",
        r#"{"resource": "users", "field": "tried", "expression": "1"}"#,
        Scope::Admin,
        Foreign::Own,
    ),
    post("/mappings/preview", r#"{"expression": "1"}"#, Scope::Read, Foreign::Own),
    Route { foreign: Foreign::NotFound, ..read("/mappings/{id}") },
    Route {
        method: "patch",
        ..post("/mappings/{id}", r#"{"expression": "2"}"#, Scope::Admin, Foreign::NotFound)
    },
    Route { foreign: Foreign::NotFound, scope: Some(Scope::Admin), ..delete("/mappings/{id}") },
    Route { foreign: Foreign::Own, ..read("/events") },
    Route { foreign: Foreign::Own, scope: Some(Scope::Admin), ..read("/api-keys") },
    Route { foreign: Foreign::NotFound, scope: Some(Scope::Admin), ..read("/api-keys/{id}") },
    Route { foreign: Foreign::Own, ..read("/environments") },
    Route { foreign: Foreign::NotFound, ..read("/environments/{id}") },
    Route {
        foreign: Foreign::NotFound,
        scope: Some(Scope::Admin),
        ..change("patch", "/environments/{id}", r#"{"link_page": {"name": "Theirs"}}"#)
    },
    public("/healthz"),
    public("/readyz"),
    Route { scope: Some(Scope::Proxy), ..read("/proxy/api/auth.test") },
    Route { scope: Some(Scope::Proxy), ..read("/proxy/scim/v2/Users") },
    // The last one: the account is gone then.
    delete("/integrated-accounts/{id}"),
];

/// The first environment, linked, and things of its account to ask for.
struct Scene {
    app: TestApp,
    account: String,
    /// Another customer's account of the same environment.
    second: String,
    user: String,
    team: String,
    group: String,
    key: String,
    mapping: String,
    token: String,
    /// An OAuth client that no account uses.
    client: String,
    /// A link token for the account.
    link: String,
    /// A custom field of the account alone.
    own_mapping: String,
}

impl Scene {
    async fn new(pool: PgPool) -> anyhow::Result<Self> {
        let app = TestApp::new(pool).await?;
        let account = app.link("acme").await?;
        let second = app.link("globex").await?;
        let (user, team, group) = app.sandbox.with_org(|org| {
            let is_admin = |person: &&Person| {
                let level = person.membership(0).map(|one| one.level);
                level == Some(Level::Admin) && person.org_level == OrgLevel::Member
            };
            let user = org.people().iter().find(is_admin).map(|person| person.id.clone());
            let group = org.groups.of_identity_provider().next().map(|(_, group)| group.id.clone());
            (user, org.workspaces.first().map(|team| team.id.clone()), group)
        });
        let (user, team) = (user.context("no user")?, team.context("no team")?);
        let wish = json!({"name": "another", "scopes": ["read"]});
        let key = app.home.admin.post("api-keys", &wish).await?.created()?;
        let key = key.pointer("/result/id").and_then(Value::as_str).context("no key")?.to_owned();
        let wish = json!({"resource": "roles", "field": "ours", "expression": "1"});
        let mapping = app.home.admin.post("mappings", &wish).await?.created()?;
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
        })
    }

    /// Calls a route about the first environment's account with somebody's key.
    async fn call(&self, route: &Route, client: &Client) -> anyhow::Result<Answer> {
        let named = client.clone().with("x-integrated-account-id", &self.account)?;
        self.call_as_it_is(route, &named).await
    }

    /// The same without a header that names the account.
    async fn call_as_it_is(&self, route: &Route, client: &Client) -> anyhow::Result<Answer> {
        let id = match route.path {
            "/users/{id}" => self.user.clone(),
            "/roles/{id}" => "org:member".to_owned(),
            "/role-assignments/{id}" => {
                format!("ws:admin.{}.{}", self.user, self.team)
            }
            path if path.starts_with("/workspaces/{id}") => self.team.clone(),
            path if path.starts_with("/api-keys/{id}") => self.key.clone(),
            "/mappings/{id}" => self.mapping.clone(),
            "/link-tokens/{id}" => self.link.clone(),
            "/provider-apps/{id}" => self.client.clone(),
            "/environments/{id}" => self.app.home.environment_id.to_string(),
            path if path.starts_with("/groups/{id}") => self.group.clone(),
            _ => self.account.clone(),
        };
        let path = route.path.replace("{id}", &id).replace("{user_id}", &self.user);
        let path = path.replace("{token_id}", &self.token);
        let body = route.body.replace("ACCOUNT", &self.account).replace("USER", &self.user);
        let body = (!body.is_empty()).then_some(("application/json", body.as_str()));
        let method: Method = route.method.to_uppercase().parse()?;
        client.send(method, &path, body).await
    }

    /// Checks that an answer holds nothing of the first environment.
    fn assert_nothing_of_ours(&self, route: &Route, answer: &Answer) {
        let name = self.app.sandbox.with_org(|org| org.name.clone());
        let ours = [&self.user, &self.team, &self.account, &self.key, &self.mapping, &name];
        let ours = ours.into_iter().chain([&self.client, &self.link, &self.own_mapping]);
        let environment = self.app.home.environment_id.to_string();
        for secret in ours.chain([&environment]) {
            assert!(!answer.text.contains(secret), "{}: {}", route.path, answer.text);
        }
    }
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn every_route_of_the_document_is_tried_here(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let document = app.nobody()?.get("openapi.json").await?.okay()?;
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
    let gone: Vec<&String> = tried.difference(&documented).collect();
    assert!(gone.is_empty(), "no longer in the document: {gone:?}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_right_key_passes_everywhere(pool: PgPool) -> anyhow::Result<()> {
    let scene = Scene::new(pool).await?;
    for route in ROUTES {
        let answer = scene.call(route, &scene.app.home.admin).await?;
        // The assignment that is asked for need not be held, all else is there.
        let missing = route.path == "/role-assignments/{id}" && answer.status == 404;
        assert!(answer.status < 300 || missing, "{}: {}", route.path, answer.text);
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_key_of_another_environment_gets_nothing(pool: PgPool) -> anyhow::Result<()> {
    let scene = Scene::new(pool).await?;
    let other = scene.app.tenant("other").await?;
    let asked = scene.app.sandbox.requests(None).requests.len();
    for route in ROUTES {
        let answer = scene.call(route, &other.admin).await?;
        scene.assert_nothing_of_ours(route, &answer);
        match route.foreign {
            Foreign::AccountNotFound => {
                answer.refused(404, "account_not_found");
            }
            Foreign::NotFound => {
                answer.problem(404, "not_found");
            }
            Foreign::Own | Foreign::Public => {
                assert!(answer.status < 300, "{}: {}", route.path, answer.text);
            }
        }
    }
    assert_eq!(scene.app.sandbox.requests(None).requests.len(), asked, "a provider was asked");
    let list = other.admin.get("integrated-accounts").await?.okay()?;
    assert_eq!(list["result_count"], 0);
    let by_tenant = other.api.get("users?tenant_id=acme&provider=slack_enterprise").await?;
    by_tenant.problem(404, "account_not_found");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn without_a_key_nothing_but_the_public_answers(pool: PgPool) -> anyhow::Result<()> {
    let scene = Scene::new(pool).await?;
    for route in ROUTES {
        let answer = scene.call(route, &scene.app.nobody()?).await?;
        scene.assert_nothing_of_ours(route, &answer);
        if route.foreign == Foreign::Public {
            answer.okay()?;
        } else {
            answer.refused(401, "unauthorized");
        }
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_key_without_the_scope_is_refused_and_told_which(pool: PgPool) -> anyhow::Result<()> {
    let scene = Scene::new(pool).await?;
    for route in ROUTES {
        let Some(scope) = route.scope else { continue };
        let others: Vec<Scope> =
            Scope::ALL.iter().copied().filter(|other| *other != scope).collect();
        let client = scene.app.client(scene.app.home.environment_id, &others).await?;
        let answer = scene.call(route, &client).await?;
        scene.assert_nothing_of_ours(route, &answer);
        let detail = answer.refused(403, "insufficient_scope");
        assert!(detail.contains(&format!("`{scope}`")), "{}: {detail}", route.path);
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_document_tells_which_routes_are_public(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let document = app.nobody()?.get("openapi.json").await?.okay()?;
    assert!(document["security"][0]["key"].is_array(), "{}", document["security"]);
    for route in ROUTES.iter().filter(|route| !route.path.starts_with("/proxy/")) {
        let security = &document["paths"][route.path][route.method]["security"];
        let is_open = security.as_array().is_some_and(|all| {
            all.is_empty() || all.iter().any(|one| *one == serde_json::json!({}))
        });
        assert_eq!(is_open, route.foreign == Foreign::Public, "{}: {security}", route.path);
        assert!(is_open || *security == Value::Null, "{}: {security}", route.path);
    }
    Ok(())
}

/// What the token of another account of the same environment gets.
fn beside(route: &Route, names_account: bool) -> Option<(u16, &'static str)> {
    let settings = ["/link-tokens", "/environments"];
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
        _ if route.foreign == Foreign::AccountNotFound && names_account => {
            Some((404, "account_not_found"))
        }
        _ => None,
    }
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_token_of_another_account_gets_nothing(pool: PgPool) -> anyhow::Result<()> {
    let scene = Scene::new(pool).await?;
    let second = &scene.second;
    let wish = json!({"scopes": ["read", "write", "proxy"]});
    let tokens = format!("integrated-accounts/{second}/tokens");
    let token = scene.app.home.api.post(&tokens, &wish).await?.created()?;
    let token = token.pointer("/result/token").and_then(Value::as_str).context("no token")?;
    let token = scene.app.nobody()?.with("authorization", &bearer(token))?;
    // The organization is the same: only what is the first account's alone tells them apart.
    let ours = [&scene.account, &scene.key, &scene.mapping, &scene.own_mapping, &scene.token];
    let environment = scene.app.home.environment_id.to_string();
    let ours = ours.into_iter().chain([&scene.client, &scene.link, &environment]);
    let ours: Vec<&String> = ours.collect();
    for (route, names_account) in ROUTES.iter().flat_map(|route| [(route, true), (route, false)]) {
        let answer = if names_account {
            scene.call(route, &token).await?
        } else {
            scene.call_as_it_is(route, &token).await?
        };
        let what = format!("{} {}: {}", route.method, route.path, answer.text);
        // Its own account names its environment.
        let is_own_account = route.path == "/integrated-accounts";
        for secret in ours.iter().filter(|one| !is_own_account || **one != &environment) {
            assert!(!answer.text.contains(*secret), "{what}");
        }
        if let Some((status, kind)) = beside(route, names_account) {
            assert_eq!(answer.status, status, "{what}");
            answer.refused(status, kind);
        }
    }
    let foreign = token.get(&format!("mappings?integrated_account_id={}", scene.account)).await?;
    foreign.problem(404, "account_not_found");
    let first = scene.app.home.api.get(&format!("integrated-accounts/{}", scene.account)).await?;
    assert_eq!(first.okay()?["result"]["status"], "active");
    Ok(())
}
