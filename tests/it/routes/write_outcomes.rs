//! Outcomes of writes: a write whose response was lost, `already` only if everything requested was
//! so before, and an object that can't be read afterwards.

use anyhow::Context as _;
use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::org::{GridOrganization, OrgLevel, Person, WorkspaceLevel};
use switchboard::sandbox::{Fault, FaultKind};

use crate::support::{ApiResponse, Client, TestApp};

/// Ids of the sandbox that the writes refer to.
struct Ids {
    /// A full member without admin rights.
    member: String,
    /// A workspace of the member.
    inside: String,
    /// A workspace without the member.
    outside: String,
    /// A channel of the first workspace, with the member.
    channel: String,
    /// A multi-channel guest.
    guest: String,
    /// The guest's workspace.
    guest_team: String,
}

fn ids(org: &GridOrganization) -> anyhow::Result<Ids> {
    let is_plain = |person: &&Person| {
        let member = person.memberships.iter().all(|one| one.level == WorkspaceLevel::Member);
        let some = (1..org.workspaces.len()).contains(&person.memberships.len());
        person.is_active()
            && !person.is_bot()
            && member
            && some
            && person.org_level == OrgLevel::Member
    };
    let person = org.people().iter().find(is_plain).context("no plain member")?;
    let team = |there: bool| {
        let mut teams = org.workspaces.iter().enumerate();
        let found = teams.find(|(number, _)| person.membership(*number).is_some() == there);
        found.map(|(_, team)| team).context("no such workspace")
    };
    let inside = team(true)?;
    let is_guest = |one: &&Person| {
        one.guest_level() == Some(WorkspaceLevel::MultiChannelGuest) && one.is_active()
    };
    let guest = org.people().iter().find(is_guest).context("no guest")?;
    let guest_team = guest.memberships.first().context("a guest of no workspace")?.workspace;
    Ok(Ids {
        member: person.id.clone(),
        inside: inside.id.clone(),
        outside: team(false)?.id.clone(),
        channel: inside.channels.first().context("no channel")?.id.clone(),
        guest: guest.id.clone(),
        guest_team: org.workspaces.get(guest_team).context("no workspace")?.id.clone(),
    })
}

/// Returns the outcomes of a response's steps.
fn outcomes(body: &Value) -> Vec<&str> {
    let parts = body["parts"].as_array().into_iter().flatten();
    parts.filter_map(|part| part["outcome"].as_str()).collect()
}

async fn send(
    api: &Client,
    method: &Method,
    path: &str,
    body: &Value,
) -> anyhow::Result<ApiResponse> {
    let text = body.to_string();
    let body = (!body.is_null()).then_some(("application/json", text.as_str()));
    api.send(method.clone(), path, body).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn reads_back_every_write_whose_response_was_lost(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let Ids { member, inside, outside, guest, guest_team, .. } = ids(&app.sandbox.snapshot())?;
    let group = api.post("groups", &json!({"name": "Kept"})).await?.created()?;
    let group = format!("groups/{}", group["result"]["id"].as_str().context("no id")?);
    let members = format!("workspaces/{outside}/members");
    let (post, patch, delete) = (Method::POST, Method::PATCH, Method::DELETE);
    let null = Value::Null;
    let role = json!({"user_id": member, "role_id": "Rl01"});
    let level = json!({"user_id": member, "role_id": "ws:admin", "workspace_id": inside});
    let organization = app.sandbox.with_org(|org| org.id.clone());
    let assignment = format!("role-assignments/Rl01.{member}.{organization}");
    let held_level = format!("role-assignments/ws:admin.{member}.{inside}");
    let channel = app.sandbox.with_org(|org| org.workspaces[0].channels[0].id.clone());
    let first = app.sandbox.with_org(|org| org.workspaces[0].id.clone());
    let invited = json!({"email": "lost.invited@example.com", "name": "Lost Invited", "invite": true,
        "workspaces": [{"id": first, "channel_ids": [channel]}]});
    for (method, verb, path, body, status) in [
        ("scim.groups.create", &post, "groups", json!({"name": "Made Once"}), 201),
        ("scim.groups.update", &patch, &*group, json!({"name": "Renamed"}), 200),
        ("scim.groups.delete", &delete, &*group, null.clone(), 200),
        ("admin.teams.create", &post, "workspaces", json!({"name": "Lost Workspace"}), 201),
        (
            "admin.teams.settings.setName",
            &patch,
            &*format!("workspaces/{inside}"),
            json!({"name": "Lost Name"}),
            200,
        ),
        ("scim.users.create", &post, "users", json!({"email": "lost.user@example.com"}), 201),
        ("admin.users.invite", &post, "users", invited, 201),
        ("scim.users.update", &patch, &*format!("users/{member}"), json!({"title": "Lost"}), 200),
        (
            "admin.users.setExpiration",
            &patch,
            &*format!("users/{guest}"),
            json!({"expires_at": "2031-05-01T12:00:00.5Z"}),
            200,
        ),
        ("admin.users.assign", &post, &*members, json!({"user_id": member}), 201),
        ("admin.users.remove", &delete, &*format!("{members}/{member}"), null.clone(), 200),
        ("admin.roles.addAssignments", &post, "role-assignments", role, 201),
        ("admin.roles.removeAssignments", &delete, &*assignment, null.clone(), 200),
        ("admin.users.setAdmin", &post, "role-assignments", level, 201),
        ("admin.users.setRegular", &delete, &*held_level, null.clone(), 200),
        ("scim.users.delete", &delete, &*format!("users/{member}"), null.clone(), 200),
        (
            "admin.users.session.reset",
            &delete,
            &*format!("users/{guest}?sign_out=true"),
            null.clone(),
            200,
        ),
    ] {
        let before = app.calls(method);
        app.sandbox.add_fault(Fault::for_next_calls(method, FaultKind::LostResponse, 1));
        let response = send(&api, verb, path, &body).await?;
        assert_eq!(response.status, status, "{method}: {}", response.text);
        assert!(app.calls(method) > before, "{method} was not called");
        let outcome = response.body["result"]["outcome"].as_str();
        let all: Vec<&str> = outcome.into_iter().chain(outcomes(&response.body)).collect();
        assert!(!all.is_empty() && all.iter().all(|one| *one == "applied"), "{method}: {all:?}");
    }
    let issued = app.sandbox.with_org(|org| {
        let groups = org.groups.iter().filter(|(_, group)| group.name == "Made Once").count();
        let end = org.find(&guest).map(|(_, person)| person.expires());
        (groups, end)
    });
    assert_eq!(issued, (1, Some(1_935_403_200)), "{guest_team}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn reports_unknown_where_the_provider_has_no_read(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let Ids { member, inside, .. } = ids(&app.sandbox.snapshot())?;
    let group = api.post("groups", &json!({"name": "Linked"})).await?.created()?;
    let group = format!("groups/{}", group["result"]["id"].as_str().context("no id")?);
    let user = format!("users/{member}");
    let team = format!("workspaces/{inside}");
    for (method, path, body) in [
        ("admin.usergroups.addTeams", &*group, json!({"add_workspace_ids": [inside]})),
        ("admin.teams.settings.setDescription", &*team, json!({"description": "Lost"})),
        ("scim.users.update", &*user, json!({"photos": [{"url": "https://p.example/a.png"}]})),
        ("scim.users.update", &*user, json!({"remote_data": {"userType": "Lost"}})),
    ] {
        app.sandbox.add_fault(Fault::for_next_calls(method, FaultKind::LostResponse, 1));
        let response = api.patch(path, &body).await?;
        let problem = response.problem(502, "provider_outcome_unknown");
        assert_eq!(problem["provider"]["method"], method, "{problem}");
    }
    // Beside a step that was applied it is an outcome of its own.
    app.sandbox.add_fault(Fault::for_next_calls(
        "admin.usergroups.addTeams",
        FaultKind::LostResponse,
        1,
    ));
    let both = json!({"name": "Renamed", "add_workspace_ids": [inside]});
    let response = api.patch(&group, &both).await?;
    assert_eq!(response.status, 207, "{}", response.text);
    assert_eq!(outcomes(&response.body), ["applied", "unknown"]);
    let problem = &response.body["parts"][1]["problem"];
    assert_eq!(problem["type"], "/problems/provider_outcome_unknown");
    // In the audit log it stays unfinished.
    let question = "SELECT outcome FROM audit_log WHERE action = 'group.linked'";
    let rows: Vec<String> = sqlx::query_scalar(question).fetch_all(&app.pool).await?;
    assert_eq!(rows, ["started", "started"]);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn does_not_confuse_an_older_object_with_the_lost_write(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    api.post("groups", &json!({"name": "Twin"})).await?.created()?;
    let team = app.sandbox.with_org(|org| org.workspaces[0].clone());
    let person = app
        .sandbox
        .with_org(|org| ids(org).map(|ids| org.find(&ids.member).map(|one| one.1.clone())))?;
    let person = person.context("no member")?;
    for (method, path, body) in [
        ("scim.groups.create", "groups", json!({"name": "Twin"})),
        ("admin.teams.create", "workspaces", json!({"name": team.name, "domain": team.domain})),
        ("scim.users.create", "users", json!({"email": person.email})),
    ] {
        app.sandbox.add_fault(Fault::for_next_calls(method, FaultKind::ServerError, 1));
        let response = api.post(path, &body).await?;
        let problem = response.problem(502, "provider_error");
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains("it was not applied"), "{detail}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn does_not_confuse_a_group_of_another_request_with_the_lost_one(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let Ids { member, .. } = ids(&app.sandbox.snapshot())?;
    let slow = Fault::for_next_calls("scim.groups.create", FaultKind::Timeout, 1);
    app.sandbox.add_fault(Fault { seconds: Some(3.0), ..slow });
    let lost = json!({"name": "Contested", "member_ids": [member]});
    let other = async {
        while !app.sandbox.faults().is_empty() {
            tokio::task::yield_now().await;
        }
        api.post("groups", &json!({"name": "Contested"})).await
    };
    let (lost, other) = tokio::join!(api.post("groups", &lost), other);
    other?.created()?;
    lost?.problem(502, "provider_outcome_unknown");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn holds_the_idempotency_key_of_a_write_of_unknown_outcome(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?.with("idempotency-key", "once")?;
    app.sandbox.add_fault(Fault::for_next_calls("scim.groups.create", FaultKind::LostResponse, 1));
    app.sandbox.add_fault(Fault::for_next_calls("scim.groups.list", FaultKind::ServerError, 100));
    let body = json!({"name": "Not Twice"});
    let first = api.post("groups", &body).await?;
    first.problem(502, "provider_outcome_unknown");
    app.sandbox.clear_faults();
    let again = api.post("groups", &body).await?;
    assert_eq!((again.status, &again.text), (502, &first.text));
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(app.calls("scim.groups.create"), 1);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn reports_already_only_if_everything_requested_holds(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let Ids { member, inside, outside, channel, guest, guest_team } = ids(&app.sandbox.snapshot())?;
    let members = format!("workspaces/{inside}/members");
    let same = api.post(&members, &json!({"user_id": member})).await?.created()?;
    assert_eq!(same["result"]["outcome"], "unchanged");
    let guest_channel = app
        .sandbox
        .with_org(|org| org.workspace(&guest_team).map(|(_, team)| team.channels[0].id.clone()));
    let guests = format!("workspaces/{guest_team}/members");
    for (path, body) in [
        (
            &members,
            json!({"user_id": member, "user_type": "guest_multi_channel", "channel_ids": [channel]}),
        ),
        (
            &members,
            json!({"user_id": member, "user_type": "guest_single_channel", "channel_ids": [channel]}),
        ),
        (&members, json!({"user_id": member, "channel_ids": [channel]})),
        (&guests, json!({"user_id": guest})),
        (
            &guests,
            json!({"user_id": guest, "user_type": "guest_multi_channel",
                "channel_ids": [guest_channel]}),
        ),
    ] {
        let response = api.post(path, &body).await?;
        let problem = response.problem(409, "provider_conflict");
        assert_eq!(problem["provider"]["error"], "user_already_team_member", "{body}");
    }
    let path = format!("workspaces/{outside}/members/{member}");
    assert_eq!(api.delete(&path).await?.success()?["result"]["outcome"], "unchanged");
    api.delete(&format!("{members}/U0NOBODY")).await?.problem(404, "provider_not_found");

    let roles = json!({"user_id": member, "roles": [{"id": "Rl01"}, {"id": "Rl01"},
        {"id": "ws:admin", "workspace_id": inside}, {"id": "ws:admin", "workspace_id": inside}]});
    for (path, expected) in [
        ("users/assign_role", ["applied", "unchanged", "applied", "unchanged"]),
        ("users/assign_role", ["unchanged"; 4]),
        ("users/remove_role", ["applied", "unchanged", "applied", "unchanged"]),
        ("users/remove_role", ["unchanged"; 4]),
    ] {
        let response = api.post(path, &roles).await?.success()?;
        assert_eq!(outcomes(&response), expected, "{path}: {response}");
    }
    let role = json!({"user_id": member, "role_id": "Rl05"});
    for expected in ["applied", "unchanged"] {
        let given = api.post("role-assignments", &role).await?.created()?;
        assert_eq!(outcomes(&given), [expected]);
    }
    for expected in ["applied", "unchanged"] {
        let off = api.delete(&format!("users/{member}")).await?.success()?;
        assert_eq!(outcomes(&off), [expected], "{off}");
    }
    assert_eq!(app.calls("scim.users.delete"), 1);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_role_changes_of_the_callers_own_user(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let Ids { member, inside, .. } = ids(&app.sandbox.snapshot())?;
    let roles = json!({"user_id": member,
        "roles": [{"id": "ws:admin"}, {"id": "Rl04"}, {"id": "org:primary_owner"}]});
    let response = api.post("users/assign_role", &roles).await?;
    assert_eq!(response.status, 207, "{}", response.text);
    assert_eq!(outcomes(&response.body), ["failed", "applied", "failed"]);
    let problem = &response.body["parts"][0]["problem"];
    assert_eq!(problem["type"], "/problems/role_not_assignable", "{problem}");
    assert_eq!(problem["provider"], Value::Null, "{problem}");
    let path = format!("role-assignments/ws:member.{member}.{inside}");
    let rejected = api.delete(&path).await?;
    assert_eq!(rejected.problem(422, "role_not_assignable")["provider"], Value::Null);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn reports_an_unreadable_object_separately_from_the_outcome(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let Ids { member, inside, .. } = ids(&app.sandbox.snapshot())?;
    let refusing = |method: &str| Fault {
        error: Some("missing_scope".to_owned()),
        ..Fault::for_next_calls(method, FaultKind::Refused, 100)
    };
    let role = json!({"user_id": member, "role_id": "Rl05"});
    let (post, patch, delete) = (Method::POST, Method::PATCH, Method::DELETE);
    for (key, fault, verb, path, body, status) in [
        ("1", refusing("users.info"), &post, "users", json!({"email": "unread@example.com"}), 201),
        (
            "2",
            refusing("users.info"),
            &patch,
            &*format!("users/{member}"),
            json!({"title": "Unread"}),
            200,
        ),
        (
            "3",
            Fault::for_next_calls("scim.groups.get", FaultKind::ServerError, 100),
            &post,
            "groups",
            json!({"name": "Unread"}),
            201,
        ),
        (
            "4",
            refusing("admin.teams.settings.info"),
            &patch,
            &*format!("workspaces/{inside}"),
            json!({"name": "Unread"}),
            200,
        ),
        (
            "5",
            refusing("admin.roles.listAssignments"),
            &post,
            "role-assignments?exclude_fields[]=scope",
            role,
            201,
        ),
        ("6", refusing("users.info"), &delete, &*format!("users/{member}"), Value::Null, 200),
    ] {
        let api = api.clone().with("idempotency-key", key)?;
        app.sandbox.add_fault(fault);
        let first = send(&api, verb, path, &body).await?;
        assert_eq!(first.status, 207, "{path}: {}", first.text);
        assert_eq!(first.body["result"], Value::Null);
        assert_eq!(first.body["warnings"][0]["field"], "result", "{}", first.text);
        assert!(outcomes(&first.body).iter().all(|one| *one == "applied"), "{}", first.text);
        let unread = send(&api, verb, path, &body).await?;
        assert_eq!((unread.status, &unread.text), (207, &first.text), "still unread");
        app.sandbox.clear_faults();
        let second = send(&api, verb, path, &body).await?;
        assert_eq!(second.status, status, "{path}: {}", second.text);
        assert_eq!(second.header("idempotency-replayed"), "true");
        assert!(second.body["result"]["id"].is_string(), "{}", second.text);
        assert_eq!(second.body["warnings"], Value::Null);
        assert_eq!(second.body["parts"], first.body["parts"]);
        let third = send(&api, verb, path, &body).await?;
        assert_eq!(third.text, second.text);
    }
    assert_eq!(app.calls("scim.groups.create"), 1);
    Ok(())
}
