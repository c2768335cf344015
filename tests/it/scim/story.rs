//! The README's example, "from the first day to the last", at a SCIM account: the same requests. What the provider lacks
//! is in the account's capabilities, and rejected before anything is sent.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::writes::{MODES, account, id, linked, outcomes, set, stored, writes};
use crate::support::scim_server::{ENTERPRISE, open_app};
use crate::support::{ApiResponse, TestApp};

/// What works for an account.
struct Capabilities(Value);

impl Capabilities {
    async fn read(app: &TestApp, tenant: &str) -> anyhow::Result<Self> {
        let path = format!("integrated-accounts/{}/capabilities", account(app, tenant).await?);
        let response = app.home.api.get(&path).await?.success()?;
        Ok(Self(response.get("result").context("no result")?.clone()))
    }

    fn find(&self, resource: &str, list: &str, key: &str, name: &str) -> anyhow::Result<&Value> {
        let resources = self.0.get("resources").and_then(Value::as_array).into_iter().flatten();
        let mut named = resources.filter(|known| known["resource"] == resource);
        let all = named.next().context("no such resource")?[list].as_array();
        let found = all.into_iter().flatten().find(|known| known[key] == name);
        found.with_context(|| format!("no {name} of {resource} in {}", self.0))
    }

    /// Whether a method of a resource works.
    fn supports(&self, resource: &str, method: &str) -> anyhow::Result<bool> {
        let method = self.find(resource, "methods", "method", method)?;
        method["is_supported"].as_bool().context("no is_supported")
    }

    /// Whether a request can set a field.
    fn can_write(&self, resource: &str, field: &str) -> anyhow::Result<bool> {
        let field = self.find(resource, "fields", "name", field)?;
        field["is_writable"].as_bool().context("no is_writable")
    }

    /// Why a method does not work, or what restricts it.
    fn reason(&self, resource: &str, method: &str) -> anyhow::Result<String> {
        let method = self.find(resource, "methods", "method", method)?;
        Ok(method["reason"].as_str().unwrap_or_default().to_owned())
    }
}

fn role(id: &str, workspace: Option<&str>) -> Value {
    match workspace {
        Some(workspace) => json!({"id": id, "workspace_id": workspace}),
        None => json!({ "id": id }),
    }
}

/// Checks that a response is a rejection of an operation that the provider lacks, with the alternative.
fn rejected(response: &ApiResponse, alternative: &str) {
    let problem = response.problem(501, "unsupported_by_provider");
    let detail = problem["detail"].as_str().unwrap_or_default();
    assert!(detail.contains(alternative), "{detail}");
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_user_is_hired_promoted_transferred_and_deactivated(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    for (mode, options) in MODES {
        let (server, api) = linked(&app, mode, options()).await?;
        let settings = json!({"workspaces_from": {"prefix": "ws-"}, "roles_from": ["roles"]});
        set(&app, mode, &settings).await?;
        for name in ["ws-sales", "ws-labs", "Everybody"] {
            server.add_group(json!({ "displayName": name }));
        }
        server.add_user(json!({"userName": "root", "active": true,
            "roles": [{"value": "editor"}, {"value": "admin"}, {"value": "auditor"}]}));
        let able = Capabilities::read(&app, mode).await?;
        let all = ["list", "get", "create", "update", "delete"];
        for (resource, methods) in [
            ("users", all.as_slice()),
            ("groups", all.as_slice()),
            ("role_assignments", ["list", "get", "create", "delete"].as_slice()),
            ("workspaces", ["list", "get"].as_slice()),
            ("workspace_members", ["list", "create", "delete"].as_slice()),
        ] {
            for method in methods {
                assert!(able.supports(resource, method)?, "{mode}: {method} of {resource}");
            }
        }

        // Two workspaces of the organization, and its roles.
        let workspaces = api.get("workspaces?limit=2").await?.success()?["result"].clone();
        let workspace = |number: usize| workspaces[number]["id"].as_str().context("no workspace");
        let (sales, labs) = (workspace(0)?, workspace(1)?);
        let roles = api.get("roles").await?.success()?["result"].clone();
        for name in ["editor", "admin", "auditor"] {
            let is_it = |role: &Value| role["id"] == format!("roles:{name}");
            assert!(roles.as_array().is_some_and(|all| all.iter().any(is_it)), "{mode}: {roles}");
        }

        // Hired: user, department, two workspaces and a role in one request.
        let has_places = able.can_write("role_assignments", "workspace_id")?;
        let place = has_places.then_some(labs);
        let hired = json!({"email": "grace@example.com", "name": "Grace Hopper",
            "department": "Engineering", "workspaces": [{"id": sales}, {"id": labs}],
            "roles": [role("roles:editor", place)]});
        let created = api.post("users", &hired).await?.created()?;
        assert_eq!(outcomes(&created), ["applied"; 4], "{mode}");
        let user = id(&created)?;

        // Promoted: two more roles.
        for name in ["admin", "auditor"] {
            let body =
                json!({"user_id": user, "role_id": format!("roles:{name}"), "workspace_id": place});
            let assigned = api.post("role-assignments", &body).await?.created()?;
            assert_eq!(assigned["result"]["user_id"], *user, "{mode}: {assigned}");
        }

        // A guest whose access expires automatically: SCIM has neither.
        let before = writes(&server);
        let guest = json!({"email": "ada@agency.example", "name": "Ada Byron",
            "user_type": "guest_multi_channel", "expires_at": "2031-06-30T00:00:00Z",
            "workspaces": [{"id": labs, "channel_ids": ["C1"]}]});
        assert!(!able.can_write("users", "expires_at")? && !able.can_write("users", "user_type")?);
        let response = api.post("users", &guest).await?;
        response.problem(422, "invalid_body");
        let pointers = ["/expires_at", "/user_type", "/workspaces/0/channel_ids"];
        assert_eq!(response.pointers(), pointers, "{mode}");
        // Nor does it create workspaces.
        assert!(!able.supports("workspaces", "create")?);
        let workspace = json!({"name": "Lab 2", "domain": "lab-2"});
        rejected(&api.post("workspaces", &workspace).await?, "");
        assert_eq!(writes(&server), before, "{mode}");

        // Transferred: another department, removed from one workspace.
        let path = format!("users/{user}");
        let moved = api.patch(&path, &json!({"department": "Research"})).await?.success()?;
        assert_eq!(moved["result"]["department"], "Research", "{mode}");
        let left = api.delete(&format!("workspaces/{sales}/members/{user}")).await?.success()?;
        assert_eq!(left["result"]["outcome"], "applied", "{mode}");

        // Last day: list her roles, then deactivate the user. There are no sessions to end.
        let (held, _) = api.all(&format!("role-assignments?limit=10&user[id]={user}")).await?;
        let mut held: Vec<_> = held.iter().filter_map(|row| row["role_id"].as_str()).collect();
        held.sort_unstable();
        assert_eq!(held, ["roles:admin", "roles:auditor", "roles:editor"], "{mode}");
        assert!(able.reason("users", "delete")?.contains("sign_out"), "{mode}");
        let before = writes(&server);
        rejected(&api.delete(&format!("{path}?sign_out=true")).await?, "without `sign_out`");
        assert_eq!(writes(&server), before, "{mode}");
        let gone = api.delete(&path).await?.success()?;
        assert_eq!(gone["result"]["status"], "inactive", "{mode}");
        assert_eq!(gone["result"]["name"], "Grace Hopper", "{mode}");

        let end = stored(&server, &user)?;
        assert_eq!(
            (&end["active"], &end["userName"]),
            (&json!(false), &json!("grace@example.com"))
        );
        assert_eq!(end[ENTERPRISE], json!({"department": "Research"}), "{mode}");
        let members = |name: &str| {
            let groups = server.groups().into_iter().filter(|group| group["displayName"] == name);
            groups.map(|group| group["members"].clone()).next().unwrap_or_default()
        };
        assert_eq!(members("ws-sales"), Value::Null, "{mode}");
        assert_eq!(members("ws-labs"), json!([{ "value": user }]), "{mode}");
    }
    Ok(())
}
