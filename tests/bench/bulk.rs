//! Bulk job: 2,000 changes of several kinds, their cost in provider calls, and how they are sent.
//!
//! Roles and memberships are sent as batches of the unified API, which have bulk priority in the limiter; the others
//! are raw calls through the proxy, as an SDK for SCIM sends them.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::future::try_join_all;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::Method;
use serde_json::{Value, json};

use super::fleet::{Fleet, text};

/// User titles to change.
const TITLES: usize = 860;
/// Groups to create, each of which is renamed afterwards.
const GROUPS: usize = 450;
/// Role assignments, memberships and session resets: this many of each.
const CHANGES_PER_KIND: usize = 80;
/// Concurrent raw calls per kind.
const MAX_CONCURRENT_CALLS: usize = 16;

/// Provider calls that the changes need: per budget the number of calls, its calls per minute, and its burst. For the
/// tiers the burst is the sandbox's value, as Slack documents none.
pub(crate) const BUDGETS: [(&str, usize, f64, usize); 7] = [
    ("scim.users.update", TITLES, 180.0, 20),
    ("scim.groups.create", GROUPS, 180.0, 20),
    ("scim.groups.update", GROUPS, 180.0, 80),
    ("all writes of SCIM", TITLES + 2 * GROUPS, 600.0, 180),
    ("admin.roles.addAssignments", CHANGES_PER_KIND, 20.0, 12),
    ("admin.users.assign", CHANGES_PER_KIND, 20.0, 12),
    ("admin.users.session.reset", CHANGES_PER_KIND, 20.0, 12),
];

/// Total number of changes.
pub(crate) const CHANGES: usize = TITLES + 2 * GROUPS + 3 * CHANGES_PER_KIND;

/// Users and resources that the changes are about.
#[derive(Debug)]
pub(crate) struct Subjects {
    pub(crate) users: Vec<String>,
    pub(crate) workspaces: Vec<String>,
}

impl Subjects {
    /// Reads them through the first gateway.
    pub(crate) async fn read(fleet: &Fleet) -> anyhow::Result<Self> {
        let base = fleet.urls().next().context("no gateway")?;
        let users = fleet.caller.get(&format!("{base}/users?status=active&limit=1000")).await?;
        let workspaces = fleet.caller.get(&format!("{base}/workspaces?limit=100")).await?;
        let ids = |list: &Value, admits: &dyn Fn(&Value) -> bool| {
            let rows = list.get("result").and_then(Value::as_array).into_iter().flatten();
            let rows = rows.filter(|row| admits(row)).filter_map(|row| row.get("id")?.as_str());
            rows.map(str::to_owned).collect::<Vec<String>>()
        };
        let is_member = |row: &Value| row.get("user_type") == Some(&json!("member"));
        let subjects =
            Self { users: ids(&users, &is_member), workspaces: ids(&workspaces, &|_| true) };
        anyhow::ensure!(
            subjects.users.len() > CHANGES_PER_KIND && !subjects.workspaces.is_empty(),
            "too few"
        );
        Ok(subjects)
    }

    /// Returns the operations that assign roles and those that add members, an equal number of each.
    pub(crate) fn operations(&self, each: usize) -> [Vec<Value>; 2] {
        let roles = ["Rl04", "Rl05", "Rl06"].into_iter();
        let roles = roles.flat_map(|role| self.users.iter().map(move |person| (role, person)));
        let roles = roles.take(each).map(|(role, person)| {
            json!({"method": "POST", "path": "/role-assignments",
                "body": {"user_id": person, "role_id": role}})
        });
        let members =
            self.users.iter().flat_map(|one| self.workspaces.iter().map(move |at| (one, at)));
        let members = members.take(each).map(|(person, place)| {
            json!({"method": "POST", "path": format!("/workspaces/{place}/members"),
                "body": {"user_id": person}})
        });
        [roles.collect(), members.collect()]
    }
}

/// Sends operations as a batch.
pub(crate) async fn batch(fleet: &Fleet, base: &str, operations: &[Value]) -> anyhow::Result<()> {
    let request = json!({"operations": operations, "concurrency": 16});
    let response = fleet.caller.post(&format!("{base}/batch"), &request).await?;
    let failed = response.get("failed");
    anyhow::ensure!(failed == Some(&json!(0)), "{failed:?} failed: {}", first_failure(&response));
    Ok(())
}

fn first_failure(response: &Value) -> Value {
    let all = response.get("result").and_then(Value::as_array).into_iter().flatten();
    let is_bad =
        |one: &&Value| one.get("status").and_then(Value::as_u64).is_none_or(|it| it >= 400);
    all.filter(is_bad).take(1).cloned().collect()
}

/// Applies all changes, each kind split over all gateways. Returns how long it took.
pub(crate) async fn send(fleet: &Fleet, subjects: &Subjects) -> anyhow::Result<Duration> {
    let urls: Vec<String> = fleet.urls().collect();
    let kinds = subjects.operations(CHANGES_PER_KIND);
    let batches = kinds.iter().flat_map(|kind| {
        let parts = kind.chunks(kind.len().div_ceil(urls.len()));
        parts.zip(&urls).map(|(operations, base)| batch(fleet, base, operations))
    });
    let titles = (0..TITLES).zip(subjects.users.iter().cycle()).zip(urls.iter().cycle());
    let titles = titles.map(|((n, person), base)| set_title(fleet, base, person, n));
    let groups = (0..GROUPS).zip(urls.iter().cycle()).map(|(n, base)| create_group(fleet, base, n));
    let ends = subjects.users.iter().cycle().zip(urls.iter().cycle()).take(CHANGES_PER_KIND);
    let ends = ends.map(|(person, base)| end_sessions(fleet, base, person));
    let titles =
        stream::iter(titles).buffer_unordered(MAX_CONCURRENT_CALLS).try_collect::<Vec<()>>();
    let groups =
        stream::iter(groups).buffer_unordered(MAX_CONCURRENT_CALLS).try_collect::<Vec<()>>();
    let ends = stream::iter(ends).buffer_unordered(MAX_CONCURRENT_CALLS).try_collect::<Vec<()>>();
    let began = Instant::now();
    tokio::try_join!(try_join_all(batches), titles, groups, ends)?;
    Ok(began.elapsed())
}

/// Sets a user's title.
async fn set_title(fleet: &Fleet, base: &str, person: &str, n: usize) -> anyhow::Result<()> {
    let change = change("title", &format!("Title {n}"));
    scim(fleet, Method::PATCH, base, &format!("Users/{person}"), &change).await?;
    Ok(())
}

/// Creates a group and renames it.
async fn create_group(fleet: &Fleet, base: &str, n: usize) -> anyhow::Result<()> {
    let schema = "urn:ietf:params:scim:schemas:core:2.0:Group";
    let group = json!({"schemas": [schema], "displayName": format!("Group {n}"), "members": []});
    let created = scim(fleet, Method::POST, base, "Groups", &group).await?;
    let path = format!("Groups/{}", text(&created, "/id")?);
    scim(fleet, Method::PATCH, base, &path, &change("displayName", &format!("New group {n}")))
        .await?;
    Ok(())
}

/// Ends a user's sessions.
async fn end_sessions(fleet: &Fleet, base: &str, person: &str) -> anyhow::Result<()> {
    let url = format!("{base}/proxy/api/admin.users.session.reset");
    let response = fleet.caller.form(&url, format!("user_id={person}")).await?;
    anyhow::ensure!(response.get("ok") == Some(&json!(true)), "{response}");
    Ok(())
}

fn change(path: &str, value: &str) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": path, "value": value}]})
}

async fn scim(
    fleet: &Fleet,
    method: Method,
    base: &str,
    path: &str,
    body: &Value,
) -> anyhow::Result<Value> {
    let request = fleet.caller.request(method, &format!("{base}/proxy/scim/v2/{path}"));
    let request = request.header("content-type", "application/json").body(body.to_string());
    let response = request.send().await?;
    let (status, text) = (response.status(), response.text().await?);
    anyhow::ensure!(status.is_success(), "{status}: {text}");
    // A change may succeed without a response body.
    Ok(serde_json::from_str(&text).unwrap_or_default())
}
