//! Tests over HTTP, as a client of the provider sees the sandbox.

mod apps;
mod audit;
mod channels;
mod churn;
mod event_faults;
mod events;
mod faults;
mod files;
mod levels;
mod members;
mod oauth;
mod pages;
mod roles;
mod scim;
mod scim_client;
mod scim_groups;
mod scim_guests;
mod scim_order;
mod scim_patch;
mod scim_users;
mod sessions;
mod usergroups;
mod web;
mod workspaces;

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use http::{HeaderMap, Request, StatusCode};
use serde_json::Value;
use time::OffsetDateTime;
use tower::ServiceExt;

use super::router;
use crate::domain::clock::ManualClock;
use crate::sandbox::grants::Installation;
use crate::sandbox::org::{OrgLevel, Person, WorkspaceLevel};
use crate::sandbox::{DEFAULT_CLIENT_ID, InstallTarget, Sandbox, SandboxOptions};

const SCOPES: &[&str] = &[
    "admin",
    "admin.users:read",
    "admin.users:write",
    "admin.teams:read",
    "admin.teams:write",
    "admin.roles:read",
    "admin.roles:write",
    "admin.conversations:read",
    "admin.usergroups:read",
    "admin.usergroups:write",
    "usergroups:read",
    "usergroups:write",
    "channels:read",
    "files:read",
    "files:write",
    "groups:read",
    "users:read",
    "users:read.email",
    "team:read",
    "auditlogs:read",
];

/// A client with a token.
struct Client {
    sandbox: Sandbox,
    token: String,
}

/// A response with its body.
struct TestResponse {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl TestResponse {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Client {
    fn new(options: SandboxOptions) -> Self {
        let clock = ManualClock::at(OffsetDateTime::from_unix_timestamp(1_790_000_000).unwrap());
        let sandbox = Sandbox::new(options, Arc::new(clock)).unwrap();
        let token = sandbox.install(DEFAULT_CLIENT_ID, SCOPES).unwrap().access_token;
        Self { sandbox, token }
    }

    fn unlimited(users: usize) -> Self {
        Self::new(SandboxOptions { users, enforce_limits: false, ..SandboxOptions::default() })
    }

    /// Returns the token of an installation that another user approved.
    fn installed_by(&self, user_id: &str, install: InstallTarget) -> String {
        let grant = Installation {
            client_id: DEFAULT_CLIENT_ID.to_owned(),
            user_id: user_id.to_owned(),
            bot_user_id: None,
            install,
            user_scopes: SCOPES.iter().map(|scope| (*scope).to_owned()).collect(),
            bot_scopes: Vec::new(),
            rotation: true,
            public: false,
            live: true,
        };
        let now = self.sandbox.now().unix_timestamp();
        let (_, mut pairs) = self.sandbox.change_grants(|grants| grants.install(grant, now));
        pairs.remove(0).access_token
    }

    async fn send(&self, request: Request<Body>) -> TestResponse {
        let response = router(self.sandbox.clone()).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default().to_vec();
        TestResponse { status: parts.status, headers: parts.headers, body }
    }

    async fn get(&self, path: &str) -> TestResponse {
        let bearer = format!("Bearer {}", self.token);
        let request = Request::get(path).header("authorization", bearer);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> TestResponse {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let kind = "application/x-www-form-urlencoded";
        let request = Request::post(path).header("content-type", kind);
        self.send(request.body(Body::from(body)).unwrap()).await
    }

    async fn call(&self, method: &str, query: &str) -> Value {
        self.get(&format!("/api/{method}?{query}")).await.json()
    }

    /// Returns the error code of a call, or an empty string.
    async fn code(&self, method: &str, query: &str) -> String {
        let response = self.call(method, query).await;
        response["error"].as_str().unwrap_or_default().to_owned()
    }

    /// Returns the row of an account in `admin.users.list`.
    async fn row(&self, id: &str, query: &str) -> Option<Value> {
        let rows = self.all("admin.users.list", "users", query, 1_000).await;
        rows.into_iter().find(|row| row["id"] == id)
    }

    /// Returns the id of the first account that matches.
    fn person(&self, fits: impl Fn(&Person) -> bool) -> String {
        self.sandbox.with_org(|org| {
            let found = org.people().iter().find(|person| !person.is_bot() && fits(person));
            found.unwrap().id.clone()
        })
    }

    /// Returns the id of a workspace that an account is a member of, or not.
    fn team(&self, id: &str, is_there: bool) -> String {
        self.sandbox.with_org(|org| {
            let (_, person) = org.find(id).unwrap();
            let mut teams = org.workspaces.iter().enumerate();
            let fits = |number| person.membership(number).is_some() == is_there;
            teams.find(|(number, _)| fits(*number)).unwrap().1.id.clone()
        })
    }

    /// Returns the first default channel of a workspace.
    fn channel(&self, team: &str) -> String {
        self.sandbox.with_org(|org| {
            let (_, workspace) = org.workspace(team).unwrap();
            workspace.default_channels().next().unwrap().id.clone()
        })
    }

    /// Returns all rows of a list, across its pages.
    async fn all(&self, method: &str, field: &str, query: &str, limit: usize) -> Vec<Value> {
        let (mut rows, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.call(method, &format!("{query}&limit={limit}&cursor={cursor}")).await;
            assert_eq!(page["ok"], true, "{method} {query}: {page}");
            let found = page[field].as_array().unwrap();
            assert!(found.len() <= limit);
            rows.extend(found.iter().cloned());
            let next = page["response_metadata"]["next_cursor"].as_str().unwrap();
            if next.is_empty() {
                return rows;
            }
            assert!(next.ends_with('='));
            cursor = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
        }
    }
}

fn ids(rows: &[Value]) -> BTreeSet<String> {
    let ids: BTreeSet<String> =
        rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), rows.len(), "a row came twice");
    ids
}

/// Whether an account is a full member without admin levels.
fn is_plain(person: &Person) -> bool {
    let member = person.memberships.iter().all(|one| one.level == WorkspaceLevel::Member);
    let ranks = person.org_level != OrgLevel::Member;
    person.is_active() && member && !ranks && (1..5).contains(&person.memberships.len())
}

fn s(value: &Value) -> &str {
    value.as_str().unwrap()
}
