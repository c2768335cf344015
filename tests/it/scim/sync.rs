//! The directory sync at a SCIM server: the copy, its removals, and changes between two runs by time of modification.

#![expect(clippy::indexing_slicing, reason = "a field that a JSON value does not have is null")]

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;
use axum::body::{Body, Bytes};
use axum::response::IntoResponse as _;
use futures_util::stream;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::domain::clock::Clock as _;
use time::Duration;
use tokio_util::sync::CancellationToken;

use super::writes::set;
use crate::support::scim_server::{ScimOptions, ScimServer, json_response, open_app};
use crate::sync::SyncedApp;
use crate::sync::comparison::Expansions;
use crate::sync::model::{Choices, RandomDirectory, change_at_random};

/// Links the server and enables the sync of its account, with these settings.
pub(crate) async fn synced(
    pool: PgPool,
    server: &ScimServer,
    settings: &Value,
) -> anyhow::Result<SyncedApp> {
    let app = open_app(pool).await?;
    let account = server.link(&app, "acme").await?;
    set(&app, "acme", settings).await?;
    let api = app.client_for(&account)?;
    let path = format!("integrated-accounts/{account}");
    let sync = json!({"sync": {"enabled": true, "emit_initial": true}});
    app.home.api.patch(&path, &sync).await?.success()?;
    Ok(SyncedApp { app, account, api })
}

/// Changes the title of a user at the server.
fn retitle(server: &ScimServer, id: &str, title: &str) -> anyhow::Result<()> {
    let mut user = server.user(id).context("no user")?;
    user["title"] = title.into();
    server.replace_user(id, user);
    Ok(())
}

/// Lets the time of one poll pass, and reads what is due.
async fn poll(synced: &SyncedApp) -> anyhow::Result<()> {
    synced.app.clock.advance(Duration::seconds(301));
    let stop = CancellationToken::new();
    while synced.app.worker.follow_once(&stop).await? {}
    Ok(())
}

async fn title(synced: &SyncedApp, id: &str) -> anyhow::Result<Value> {
    let user = synced.api.get(&format!("users/{id}?source=synced")).await?.success()?;
    Ok(user["result"]["title"].clone())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_server_without_workspaces_is_copied_and_followed(pool: PgPool) -> anyhow::Result<()> {
    let server = ScimServer::start(ScimOptions::default()).await?;
    let ids = server.add_users(30);
    server.add_group(json!({"displayName": "Staff", "members": [{"value": ids[0]}]}));
    let synced = synced(pool, &server, &json!({})).await?;
    server.set_time(synced.app.clock.now());
    synced.synced().await?;
    assert_eq!(synced.all("users?source=synced").await?.len(), 30);
    assert_eq!(synced.all("groups?source=synced").await?.len(), 1);

    poll(&synced).await?;
    server.set_time(synced.app.clock.now());
    retitle(&server, &ids[3], "Cartographer")?;
    poll(&synced).await?;
    assert_eq!(title(&synced, &ids[3]).await?, "Cartographer");

    server.remove_user(&ids[4]);
    synced.synced().await?;
    assert_eq!(synced.all("users?source=synced").await?.len(), 29);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_server_that_announces_no_groups_may_have_none(pool: PgPool) -> anyhow::Result<()> {
    let server = ScimServer::start(ScimOptions { groups: false, ..ScimOptions::default() }).await?;
    for path in ["ResourceTypes", "Schemas"] {
        server.respond(path, 404, &[("content-type", "application/scim+json")], "{}");
    }
    let ids = server.add_users(3);
    let synced = synced(pool, &server, &json!({})).await?;
    server.set_time(synced.app.clock.now());
    synced.synced().await?;
    assert_eq!(synced.all("users?source=synced").await?.len(), 3);
    synced.api.get("groups").await?.problem(501, "unsupported_by_provider");

    poll(&synced).await?;
    server.set_time(synced.app.clock.now());
    retitle(&server, &ids[1], "Cartographer")?;
    poll(&synced).await?;
    assert_eq!(title(&synced, &ids[1]).await?, "Cartographer");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_list_that_may_have_more_rows_removes_nothing(pool: PgPool) -> anyhow::Result<()> {
    let options = ScimOptions { max_page: Some(5), ..ScimOptions::default() };
    let server = ScimServer::start(options).await?;
    server.add_users(10);
    let synced = synced(pool, &server, &json!({})).await?;
    synced.synced().await?;
    server.hook(|request| {
        let start = request.parameter("startIndex")?.parse::<u64>().ok()?;
        let is_it = request.path == "Users" && start > 5;
        is_it.then(|| json_response(200, &json!({"totalResults": 10, "Resources": []})))
    });
    let run = synced.run().await?;
    let (status, code) = (&run["status"], &run["problem"]["code"]);
    assert_eq!((status, code), (&json!("partial"), &json!("incomplete_list")), "{run}");
    assert_eq!(synced.all("users?source=synced").await?.len(), 10);

    let first = synced.api.get("users?limit=5").await?.success()?;
    assert_eq!((&first["result_count"], first.get("warnings")), (&json!(5), None));
    let next = first["next_cursor"].as_str().context("no next page")?;
    let last = synced.api.get(&format!("users?limit=5&next_cursor={next}")).await?.success()?;
    assert_eq!((&last["result_count"], &last["next_cursor"]), (&json!(0), &Value::Null));
    assert_eq!(last["warnings"][0]["field"], "scim.users.list", "{last}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_role_change_explains_the_time_of_the_users_last_change(
    pool: PgPool,
) -> anyhow::Result<()> {
    let server = ScimServer::start(ScimOptions::default()).await?;
    let ids = server.add_users(3);
    let synced = synced(pool, &server, &json!({"roles_from": ["roles"]})).await?;
    synced.synced().await?;
    let count = synced.events().await?.len();
    server.set_time(synced.app.clock.now() + Duration::minutes(1));
    let body = json!({"user_id": ids[1], "role_id": "roles:admin"});
    synced.api.post("role-assignments", &body).await?.created()?;
    let events = synced.events().await?.split_off(count);
    assert!(events.iter().any(|event| event["type"] == "role_assignment.granted"), "{events:?}");
    for event in &events {
        assert_eq!(event["origin"], "gateway", "{event}");
        assert_eq!(event["actor"]["type"], "gateway", "{event}");
    }
    // A change by others remains theirs.
    retitle(&server, &ids[1], "Cartographer")?;
    let body = json!({"user_id": ids[1], "role_id": "roles:auditor"});
    synced.api.post("role-assignments", &body).await?.created()?;
    let events = synced.events().await?.split_off(count + events.len());
    let updated = events.iter().find(|event| event["previous"].get("title").is_some());
    assert_eq!(updated.context("not updated")?["actor"], Value::Null, "{events:?}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_server_without_filters_is_followed_by_runs(pool: PgPool) -> anyhow::Result<()> {
    let server = ScimServer::start(ScimOptions { filter: false, ..ScimOptions::default() }).await?;
    let ids = server.add_users(3);
    let synced = synced(pool, &server, &json!({})).await?;
    synced.synced().await?;
    server.forget_requests();
    retitle(&server, &ids[0], "Cartographer")?;
    poll(&synced).await?;
    assert_eq!(server.calls("GET", "/Users"), 0, "lists all of them at each poll");
    synced.synced().await?;
    assert_eq!(title(&synced, &ids[0]).await?, "Cartographer");
    Ok(())
}

/// The server as a directory that changes at random.
struct ScimDirectory {
    server: ScimServer,
}

impl RandomDirectory for ScimDirectory {
    const EXPANSIONS: Expansions =
        Expansions { workspaces: "", users: "&expand[]=roles&expand[]=groups" };

    async fn change(&self, synced: &SyncedApp, choices: &Choices) -> anyhow::Result<()> {
        let (server, api) = (&self.server, &synced.api);
        let ids = |all: Vec<Value>| -> Vec<String> {
            all.iter().filter_map(|one| one["id"].as_str().map(str::to_owned)).collect()
        };
        let (users, groups) = (ids(server.users()), ids(server.groups()));
        let (user, group) = (choices.of(&users)?, choices.of(&groups)?);
        let mut stored = server.user(user).context("no user")?;
        let mut stored_group = server.group(group).context("no group")?;
        let number = choices.below(1_000);
        let title = format!("Title {number}");
        match choices.below(11) {
            0 => retitle(server, user, &title)?,
            1 => {
                server.add_user(json!({"userName": format!("new{number}"), "active": true}));
            }
            2 => server.remove_user(user),
            3 => {
                stored["active"] = (stored["active"] == false).into();
                server.replace_user(user, stored);
            }
            4 => {
                let role = ["admin", "auditor", "editor"][number % 3];
                stored["roles"] = json!([{ "value": role }]);
                server.replace_user(user, stored);
            }
            5 => {
                let members = stored_group["members"].as_array().cloned().unwrap_or_default();
                let others = members.into_iter().filter(|member| member["value"] != user);
                let mut kept: Vec<_> = others.collect();
                if number.is_multiple_of(2) {
                    kept.push(json!({ "value": user }));
                }
                stored_group["members"] = kept.into();
                server.replace_group(group, stored_group);
            }
            6 => {
                let name = stored_group["displayName"].as_str().unwrap_or_default();
                stored_group["displayName"] = format!("{}-{number}", &name[..2]).into();
                server.replace_group(group, stored_group);
            }
            7 => {
                api.patch(&format!("users/{user}"), &json!({"title": title})).await?;
            }
            8 => {
                let body = json!({"user_id": user, "role_id": "roles:admin"});
                api.post("role-assignments", &body).await?;
            }
            9 => {
                let body = json!({"add_member_ids": [user]});
                api.patch(&format!("groups/{group}"), &body).await?;
            }
            _ => {
                api.delete(&format!("users/{user}")).await?;
            }
        }
        Ok(())
    }

    fn fail_once(&self, _: &SyncedApp) {
        let has_failed = AtomicBool::new(false);
        self.server.hook(move |request| {
            let is_list = request.method == "GET" && request.is_below("/Users");
            let fails = is_list && !has_failed.swap(true, Ordering::SeqCst);
            fails.then(|| json_response(500, &json!({"detail": "try again", "status": "500"})))
        });
    }

    async fn stall_once(
        &self,
        _: &SyncedApp,
        choices: &Choices,
    ) -> anyhow::Result<impl Future<Output = ()>> {
        let list = ["Users", "Groups"][choices.below(2)];
        let requested = CancellationToken::new();
        let stalled = requested.clone();
        self.server.hook(move |request| {
            // Changes read lists of one user's groups, in pages of 200.
            let is_whole_list = request.method == "GET"
                && request.path == list
                && request.parameter("filter").is_none()
                && request.parameter("count") != Some("200");
            (is_whole_list && !stalled.is_cancelled()).then(|| {
                stalled.cancel();
                Body::from_stream(stream::pending::<std::io::Result<Bytes>>()).into_response()
            })
        });
        Ok(async move { requested.cancelled().await })
    }
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn random_changes_reach_the_copy_and_the_events(pool: PgPool) -> anyhow::Result<()> {
    let server = ScimServer::start(ScimOptions::default()).await?;
    let ids = server.add_users(60);
    for (number, name) in ["ws-sales", "ws-labs", "gr-staff", "gr-board"].into_iter().enumerate() {
        let members = [json!({"value": ids[number]}), json!({"value": ids[number + 1]})];
        server.add_group(json!({"displayName": name, "members": members}));
    }
    let settings = json!({"workspaces_from": {"prefix": "ws-"}, "roles_from": ["roles"]});
    let synced = synced(pool, &server, &settings).await?;
    synced.synced().await?;
    change_at_random(&synced, &ScimDirectory { server }).await
}
