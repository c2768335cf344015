//! `/workspaces`: the workspaces of the organization.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::org::{GridOrganization, GridWorkspace, WorkspaceLevel};

use crate::support::TestApp;

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn pagination_returns_every_workspace_once_with_its_values(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| setup.sandbox.workspaces = 12).await?;
    let api = app.linked_client().await?;
    let org = app.sandbox.snapshot();
    for (limit, pages) in [(5, 3), (1, 12), (1000, 1)] {
        let (rows, count) = api.all(&format!("workspaces?limit={limit}")).await?;
        assert_eq!(count, pages, "with a limit of {limit}");
        assert_eq!(rows.len(), org.workspaces.len(), "with a limit of {limit}");
        for (row, workspace) in rows.iter().zip(&org.workspaces) {
            assert_fields(row, listed(&org, workspace));
        }
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_workspace_by_id_lists_its_admins(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let org = app.sandbox.snapshot();
    for (number, workspace) in org.workspaces.iter().enumerate() {
        let single = api.get(&format!("workspaces/{}", workspace.id)).await?.success()?;
        let row = &single["result"];
        assert_fields(row, listed(&org, workspace));
        let channels: Vec<&str> =
            workspace.default_channels().map(|channel| channel.id.as_str()).collect();
        assert_eq!(row["default_channels"], json!(channels));
        let owners = ranked(&org, number, |level| level >= WorkspaceLevel::Owner);
        assert_eq!(sorted(&row["owner_ids"]), owners, "{}", workspace.name);
        let admins = ranked(&org, number, |level| level == WorkspaceLevel::Admin);
        assert_eq!(sorted(&row["admin_ids"]), admins, "{}", workspace.name);
        assert!(!owners.is_empty() && !admins.is_empty());
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_unknown_workspace_is_not_found(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    for id in ["T0NOWHERE", "x", "..%2F..", "T1%26a"] {
        api.get(&format!("workspaces/{id}")).await?.problem(404, "not_found");
    }
    Ok(())
}

#[track_caller]
fn assert_fields(row: &Value, fields: Vec<(&'static str, Value)>) {
    for (field, value) in fields {
        assert_eq!(row[field], value, "{field} of {row}");
    }
}

fn listed(org: &GridOrganization, workspace: &GridWorkspace) -> Vec<(&'static str, Value)> {
    let owner = org.person(workspace.primary_owner);
    let owner = owner.map(|owner| json!({"id": owner.id, "email": owner.email}));
    vec![
        ("id", workspace.id.as_str().into()),
        ("name", workspace.name.as_str().into()),
        ("domain", workspace.domain.as_str().into()),
        ("url", workspace.url().into()),
        ("discoverability", workspace.discoverability.as_str().into()),
        ("primary_owner", owner.into()),
    ]
}

fn ranked(org: &GridOrganization, number: usize, has: fn(WorkspaceLevel) -> bool) -> Vec<&str> {
    let people = org.people().iter().filter(|person| person.is_active());
    let ranked =
        people.filter(|person| person.membership(number).is_some_and(|one| has(one.level)));
    let mut ids: Vec<&str> = ranked.map(|person| person.id.as_str()).collect();
    ids.sort_unstable();
    ids
}

fn sorted(ids: &Value) -> Vec<&str> {
    let mut ids: Vec<&str> =
        ids.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    ids.sort_unstable();
    ids
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_raw_format_is_the_providers_row(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let page = api.get("workspaces?limit=1&response_format=raw").await?.success()?;
    let row = page["result"][0].as_object().context("no row")?;
    assert!(row.contains_key("team_url") && row.contains_key("primary_owner"), "{row:?}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_workspace_is_created_and_configured(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let body = json!({"name": "Field Research", "description": "Out there",
        "discoverability": "unlisted", "icon_url": "https://pictures.example/field.png"});
    let issued = api.post("workspaces", &body).await?.created()?;
    let id = issued["result"]["id"].as_str().context("no id")?;
    assert_eq!(issued["result"]["domain"], "field-research", "{issued}");
    assert_eq!(issued["result"]["discoverability"], "unlisted");
    let org = app.sandbox.snapshot();
    let (_, team) = org.workspace(id).context("no workspace was created")?;
    assert_eq!((&*team.name, &*team.description), ("Field Research", "Out there"));
    assert_eq!(team.icon.as_deref(), Some("https://pictures.example/field.png"));
    let channel = &team.channels.first().context("no channel")?.id;
    let change = json!({"name": "Field Work", "description": "Here", "discoverability": "open",
        "default_channels": [channel]});
    let path = format!("workspaces/{id}");
    let changed = api.patch(&path, &change).await?.success()?;
    let outcomes: Vec<_> = changed["parts"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|part| {
            let text = |field: &str| part[field].as_str().unwrap_or_default();
            (text("id"), text("outcome"))
        })
        .collect();
    let names = ["name", "description", "discoverability", "default_channels"];
    assert_eq!(outcomes, names.map(|name| (name, "applied")));
    assert_eq!(changed["result"]["name"], "Field Work");
    let org = app.sandbox.snapshot();
    assert_eq!(org.workspace(id).map(|(_, team)| &*team.description), Some("Here"));
    // The provider decides whether a field may be empty: it is sent, and not left out.
    let emptied = api.patch(&path, &json!({"description": ""})).await?;
    let problem = emptied.problem(422, "provider_invalid_argument");
    assert_eq!(problem["provider"]["method"], "admin.teams.settings.setDescription");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_an_invalid_workspace(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let org = app.sandbox.snapshot();
    let team = org.workspaces.first().context("no workspace")?;
    let taken = api.post("workspaces", &json!({"name": "Other", "domain": team.domain})).await?;
    assert_eq!(taken.problem(409, "provider_conflict")["provider"]["error"], "domain_taken");
    for (request, pointer) in [
        (json!({"domain": "nameless"}), "/name"),
        (json!({"name": "x", "domain": "much-too-long-for-an-address"}), "/domain"),
        (json!({"name": "x", "default_channels": ["C1"]}), "/default_channels"),
        (json!({"name": "x", "owner": "U1"}), "/owner"),
    ] {
        let response = api.post("workspaces", &request).await?;
        response.problem(422, "invalid_body");
        assert_eq!(response.pointers(), [pointer], "{request}");
    }
    let path = format!("workspaces/{}", team.id);
    for (body, status, kind) in [
        (json!({"domain": "moved"}), 422, "invalid_body"),
        (json!({"description": null}), 422, "invalid_body"),
        (json!({"name": null}), 422, "invalid_body"),
        (json!({"discoverability": "sometimes"}), 422, "provider_invalid_argument"),
    ] {
        api.patch(&path, &body).await?.problem(status, kind);
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_members_of_a_workspace_are_listed_with_their_roles(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let org = app.sandbox.snapshot();
    let team = org.workspaces.get(1).context("no workspace")?;
    let (rows, _) = api.all(&format!("workspaces/{}/members?limit=20", team.id)).await?;
    assert_eq!(rows.len(), team.members.len());
    let (admins, _) =
        api.all(&format!("workspaces/{}/members?limit=20&role[id]=ws:admin", team.id)).await?;
    assert!(!admins.is_empty() && admins.len() < rows.len());
    for row in admins {
        assert_eq!(row["roles"][0]["workspace_id"], team.id.as_str(), "{row}");
    }
    Ok(())
}
