//! The bulk job: 2,000 changes of several kinds, what they cost at the provider, and their sending.
//!
//! Roles and memberships go as batches of the unified API, which are bulk work to the limiter; the others
//! by the proxy, as whoever writes to SCIM sends them.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::future::try_join_all;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::Method;
use serde_json::{Value, json};

use super::fleet::{Fleet, text};

/// Titles that are changed.
const TITLES: usize = 860;
/// Groups that are made, and each given another name afterwards.
const GROUPS: usize = 450;
/// Roles given, memberships given, and sessions ended: so many of each.
const EACH: usize = 80;
/// So many raw calls of a kind are on their way at once.
const AT_ONCE: usize = 16;

/// What the changes need of the provider: the calls of each budget, its calls a minute, and how many it takes
/// at once, which for the tiers is the sandbox's idea, as Slack names none.
pub(crate) const NEEDS: [(&str, usize, f64, usize); 7] = [
    ("scim.users.update", TITLES, 180.0, 20),
    ("scim.groups.create", GROUPS, 180.0, 20),
    ("scim.groups.update", GROUPS, 180.0, 80),
    ("all writes of SCIM", TITLES + 2 * GROUPS, 600.0, 180),
    ("admin.roles.addAssignments", EACH, 20.0, 12),
    ("admin.users.assign", EACH, 20.0, 12),
    ("admin.users.session.reset", EACH, 20.0, 12),
];

/// How many changes that are.
pub(crate) const CHANGES: usize = TITLES + 2 * GROUPS + 3 * EACH;

/// Whom and what they are about.
#[derive(Debug)]
pub(crate) struct Subjects {
    pub(crate) people: Vec<String>,
    pub(crate) places: Vec<String>,
}

impl Subjects {
    /// Reads them through the first gateway.
    pub(crate) async fn of(fleet: &Fleet) -> anyhow::Result<Self> {
        let base = fleet.urls().next().context("no gateway")?;
        let people = fleet.caller.get(&format!("{base}/users?status=active&limit=1000")).await?;
        let places = fleet.caller.get(&format!("{base}/workspaces?limit=100")).await?;
        let ids = |list: &Value, admits: &dyn Fn(&Value) -> bool| {
            let rows = list.get("result").and_then(Value::as_array).into_iter().flatten();
            let rows = rows.filter(|row| admits(row)).filter_map(|row| row.get("id")?.as_str());
            rows.map(str::to_owned).collect::<Vec<String>>()
        };
        let is_member = |row: &Value| row.get("user_type") == Some(&json!("member"));
        let subjects = Self { people: ids(&people, &is_member), places: ids(&places, &|_| true) };
        anyhow::ensure!(subjects.people.len() > EACH && !subjects.places.is_empty(), "too few");
        Ok(subjects)
    }

    /// The operations that give roles and those that give memberships, so many of each.
    pub(crate) fn operations(&self, each: usize) -> [Vec<Value>; 2] {
        let roles = ["Rl04", "Rl05", "Rl06"].into_iter();
        let roles = roles.flat_map(|role| self.people.iter().map(move |person| (role, person)));
        let roles = roles.take(each).map(|(role, person)| {
            json!({"method": "POST", "path": "/role-assignments",
                "body": {"user_id": person, "role_id": role}})
        });
        let members =
            self.people.iter().flat_map(|one| self.places.iter().map(move |at| (one, at)));
        let members = members.take(each).map(|(person, place)| {
            json!({"method": "POST", "path": format!("/workspaces/{place}/members"),
                "body": {"user_id": person}})
        });
        [roles.collect(), members.collect()]
    }
}

/// Sends operations as a batch.
pub(crate) async fn batch(fleet: &Fleet, base: &str, operations: &[Value]) -> anyhow::Result<()> {
    let wish = json!({"operations": operations, "concurrency": 16});
    let answer = fleet.caller.post(&format!("{base}/batch"), &wish).await?;
    let failed = answer.get("failed");
    anyhow::ensure!(failed == Some(&json!(0)), "{failed:?} failed: {}", first_failure(&answer));
    Ok(())
}

fn first_failure(answer: &Value) -> Value {
    let all = answer.get("result").and_then(Value::as_array).into_iter().flatten();
    let is_bad =
        |one: &&Value| one.get("status").and_then(Value::as_u64).is_none_or(|it| it >= 400);
    all.filter(is_bad).take(1).cloned().collect()
}

/// Does all changes, each kind in as many parts as there are gateways. How long it took.
pub(crate) async fn send(fleet: &Fleet, subjects: &Subjects) -> anyhow::Result<Duration> {
    let urls: Vec<String> = fleet.urls().collect();
    let kinds = subjects.operations(EACH);
    let batches = kinds.iter().flat_map(|kind| {
        let parts = kind.chunks(kind.len().div_ceil(urls.len()));
        parts.zip(&urls).map(|(operations, base)| batch(fleet, base, operations))
    });
    let titles = (0..TITLES).zip(subjects.people.iter().cycle()).zip(urls.iter().cycle());
    let titles = titles.map(|((n, person), base)| give_title(fleet, base, person, n));
    let groups = (0..GROUPS).zip(urls.iter().cycle()).map(|(n, base)| make_group(fleet, base, n));
    let ends = subjects.people.iter().cycle().zip(urls.iter().cycle()).take(EACH);
    let ends = ends.map(|(person, base)| end_sessions(fleet, base, person));
    let titles = stream::iter(titles).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>();
    let groups = stream::iter(groups).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>();
    let ends = stream::iter(ends).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>();
    let began = Instant::now();
    tokio::try_join!(try_join_all(batches), titles, groups, ends)?;
    Ok(began.elapsed())
}

/// Gives a person a title.
async fn give_title(fleet: &Fleet, base: &str, person: &str, n: usize) -> anyhow::Result<()> {
    let change = change("title", &format!("Title {n}"));
    scim(fleet, Method::PATCH, base, &format!("Users/{person}"), &change).await?;
    Ok(())
}

/// Makes a group and gives it another name.
async fn make_group(fleet: &Fleet, base: &str, n: usize) -> anyhow::Result<()> {
    let schema = "urn:ietf:params:scim:schemas:core:2.0:Group";
    let group = json!({"schemas": [schema], "displayName": format!("Group {n}"), "members": []});
    let made = scim(fleet, Method::POST, base, "Groups", &group).await?;
    let path = format!("Groups/{}", text(&made, "/id")?);
    scim(fleet, Method::PATCH, base, &path, &change("displayName", &format!("New group {n}")))
        .await?;
    Ok(())
}

/// Ends a person's sessions.
async fn end_sessions(fleet: &Fleet, base: &str, person: &str) -> anyhow::Result<()> {
    let url = format!("{base}/proxy/api/admin.users.session.reset");
    let answer = fleet.caller.form(&url, format!("user_id={person}")).await?;
    anyhow::ensure!(answer.get("ok") == Some(&json!(true)), "{answer}");
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
    let request = fleet.caller.ask(method, &format!("{base}/proxy/scim/v2/{path}"));
    let request = request.header("content-type", "application/json").body(body.to_string());
    let response = request.send().await?;
    let (status, text) = (response.status(), response.text().await?);
    anyhow::ensure!(status.is_success(), "{status}: {text}");
    // A change may be answered without a body.
    Ok(serde_json::from_str(&text).unwrap_or_default())
}
