//! Users created, invited, updated and deactivated, checked against the state at the provider.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::org::{GridOrganization, PersonStatus, WorkspaceLevel};
use switchboard::sandbox::{Fault, FaultKind};

use crate::support::TestApp;

/// Returns the ids of the first workspaces.
fn teams(org: &GridOrganization) -> [String; 3] {
    let id = |number: usize| org.workspaces.get(number).map(|team| team.id.clone());
    [0, 1, 2].map(|number| id(number).unwrap_or_default())
}

/// Returns a channel of a workspace.
fn channel(org: &GridOrganization, team: usize) -> anyhow::Result<String> {
    let team = org.workspaces.get(team).context("no workspace")?;
    Ok(team.channels.first().context("no channel")?.id.clone())
}

/// Returns each step as name, id and outcome.
fn parts(response: &Value) -> Vec<(&str, &str, &str)> {
    let parts = response["parts"].as_array().map(Vec::as_slice).unwrap_or_default();
    parts
        .iter()
        .map(|part| {
            let text = |field: &str| part[field].as_str().unwrap_or_default();
            (text("part"), text("id"), text("outcome"))
        })
        .collect()
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn one_request_creates_a_user_with_workspaces_and_roles(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let [first, second, _] = teams(&app.sandbox.snapshot());
    let body = json!({
        "email": "ada.lovelace@example.com", "first_name": "Ada", "last_name": "Lovelace",
        "title": "Analyst", "department": "Research", "employee_number": "1815",
        "phones": [{"number": "+44 20 7946 0000"}], "timezone": "Europe/London",
        "external_id": "hr-1815", "custom_fields": {"start_date": "2026-12-01T00:00:00+0000"},
        "addresses": [{"city": "London", "country": "GB"}],
        "workspaces": [{"id": first}, {"id": second}],
        "roles": [{"id": "ws:admin", "workspace_id": first}, {"id": "Rl0C"}],
    });
    let issued = api.post("users", &body).await?.created()?;
    let user = &issued["result"];
    let id = user["id"].as_str().context("no id")?;
    assert_eq!(
        parts(&issued),
        [
            ("account", id, "applied"),
            ("workspace", &*first, "applied"),
            ("workspace", &*second, "applied"),
            ("role", "ws:admin", "applied"),
            ("role", "Rl0C", "applied"),
        ]
    );
    for (field, value) in [
        ("name", json!("Ada Lovelace")),
        ("username", json!("ada.lovelace")),
        ("title", json!("Analyst")),
        ("department", json!("Research")),
        ("employee_number", json!("1815")),
        ("external_id", json!("hr-1815")),
        ("timezone", json!("Europe/London")),
        ("status", json!("active")),
        ("user_type", json!("member")),
    ] {
        assert_eq!(user[field], value, "{field} of {user}");
    }
    let org = app.sandbox.snapshot();
    let (_, person) = org.find(id).context("no user was created")?;
    assert_eq!((&*person.job.department, &*person.email), ("Research", "ada.lovelace@example.com"));
    let levels: Vec<_> = person.memberships.iter().map(|one| (one.workspace, one.level)).collect();
    assert_eq!(levels, [(0, WorkspaceLevel::Admin), (1, WorkspaceLevel::Member)]);
    assert!(org.roles.rows().any(|(_, row)| row.role_id == "Rl0C"));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn creates_a_guest_with_channels_and_an_expiry(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let org = app.sandbox.snapshot();
    let [first, ..] = teams(&org);
    let channel = channel(&org, 0)?;
    for (kind, level) in [
        ("guest_multi_channel", WorkspaceLevel::MultiChannelGuest),
        ("guest_single_channel", WorkspaceLevel::SingleChannelGuest),
    ] {
        let body = json!({"email": format!("{kind}@example.com"), "name": "Guest Person",
            "user_type": kind, "expires_at": "2031-05-01T12:00:00Z",
            "workspaces": [{"id": first, "channel_ids": [channel]}]});
        let issued = api.post("users", &body).await?.created()?;
        let names: Vec<_> =
            parts(&issued).into_iter().map(|(name, _, outcome)| (name, outcome)).collect();
        assert_eq!(
            names,
            [("account", "applied"), ("workspace", "applied"), ("expiry", "applied")]
        );
        let user = &issued["result"];
        assert_eq!(
            (&user["user_type"], &user["expires_at"]),
            (&json!(kind), &json!("2031-05-01T12:00:00Z"))
        );
        let id = user["id"].as_str().context("no id")?;
        let later = json!({"expires_at": "2032-01-01T00:00:00Z"});
        let changed = api.patch(&format!("users/{id}"), &later).await?.success()?;
        assert_eq!(changed["result"]["expires_at"], "2032-01-01T00:00:00Z", "{changed}");
        let changed =
            api.patch(&format!("users/{id}"), &json!({"expires_at": null})).await?.success()?;
        assert_eq!(changed["result"]["expires_at"], Value::Null, "{changed}");
        let org = app.sandbox.snapshot();
        assert_eq!(org.find(id).and_then(|(_, person)| person.guest_level()), Some(level));
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_an_invalid_request_before_any_call(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let [first, ..] = teams(&app.sandbox.snapshot());
    let before = app.sandbox.requests(None).counts;
    for (body, pointers) in [
        (json!({}), vec!["/email"]),
        (json!({"email": "a@b.c", "user_type": "bot"}), vec!["/user_type"]),
        (json!({"email": "a@b.c", "user_type": "guest_multi_channel"}), vec!["/workspaces"]),
        (
            json!({"email": "a@b.c", "user_type": "guest_single_channel", "workspaces": [{"id": first}]}),
            vec!["/workspaces/0/channel_ids"],
        ),
        (json!({"email": "a@b.c", "expires_at": "2031-01-01T00:00:00Z"}), vec!["/expires_at"]),
        (json!({"email": "a@b.c", "invite": true}), vec!["/workspaces"]),
        (
            json!({"email": "a@b.c", "phones": [{"number": "1", "type": "work"}, {"number": "2"}]}),
            vec!["/phones"],
        ),
        (json!({"email": "a@b.c", "emails": [{"email": "d@e.f"}]}), vec!["/email", "/emails"]),
        (json!({"email": "a@b.c", "name": "A B", "first_name": "C"}), vec!["/name", "/first_name"]),
        (
            json!({"email": "a@b.c", "title": "x", "remote_data": {"title": "y"}}),
            vec!["/title", "/remote_data/title"],
        ),
        (
            json!({"email": "a@b.c", "invite": true, "workspaces": [{"id": first}]}),
            vec!["/workspaces/0/channel_ids"],
        ),
        (
            json!({"email": "a@b.c", "invite": true, "title": "x", "remote_data": {"userType": "y"},
                "workspaces": [{"id": first, "channel_ids": ["C1"]}]}),
            vec!["/title", "/remote_data"],
        ),
        (
            json!({"email": "a@b.c", "workspaces": [{"id": first}, {"id": first}]}),
            vec!["/workspaces/0/id", "/workspaces/1/id"],
        ),
        (
            json!({"email": "a@b.c", "custom_fields": {"shoe_size": 44}}),
            vec!["/custom_fields/shoe_size"],
        ),
        (
            json!({"email": "a@b.c", "roles": [{"id": "Rl01"}, {"id": "org:primary_owner"}, {"id": "ws:admin"}]}),
            vec!["/roles/1", "/roles/2/workspace_id"],
        ),
    ] {
        let response = api.post("users", &body).await?;
        response.problem(422, "invalid_body");
        assert_eq!(response.pointers(), pointers, "{body}");
    }
    for (body, pointer) in [
        (json!({"external_id": "x"}), "/external_id"),
        (json!({"email": null}), "/email"),
        (json!({"user_type": "guest_single_channel"}), "/user_type"),
        (json!({"workspaces": [{"id": first}]}), "/workspaces"),
        (json!({"roles": [{"id": "Rl01"}]}), "/roles"),
        (json!({"status": null}), "/status"),
        (json!({"user_type": null}), "/user_type"),
        (json!({"remote_data": {"Operations": {"op": "add"}}}), "/remote_data/Operations"),
        (json!({"name": 5}), "/name"),
        (json!({"nick": "x"}), "/nick"),
    ] {
        let response = api.patch("users/U0SOMEBODY", &body).await?;
        response.problem(422, "invalid_body");
        assert_eq!(response.pointers(), [pointer], "{body}");
    }
    // Whatever the spelling in which SCIM's data repeats one of our fields.
    for (body, pointer) in [
        (json!({"title": "A", "remote_data": {"Title": "B"}}), "/remote_data/Title"),
        (json!({"status": "active", "remote_data": {"ACTIVE": false}}), "/remote_data/ACTIVE"),
        (
            json!({"department": "A", "remote_data":
                {"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department": "B"}}),
            "/remote_data/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
        ),
        (
            json!({"title": "A", "remote_data":
                {"Operations": [{"op": "replace", "path": "title", "value": "B"}]}}),
            "/remote_data/Operations/0",
        ),
        (
            json!({"title": "A", "remote_data":
                {"Operations": [{"op": "replace", "value": {"Title": "B"}}]}}),
            "/remote_data/Operations/0",
        ),
        (
            json!({"first_name": "A", "remote_data":
                {"Operations": [{"op": "replace", "path": "name.givenName", "value": "B"}]}}),
            "/remote_data/Operations/0",
        ),
        (json!({"remote_data": {"nickName": "a", "NickName": "b"}}), "/remote_data/nickName"),
    ] {
        let rejected = api.patch("users/U0SOMEBODY", &body).await?;
        rejected.problem(422, "invalid_body");
        assert!(rejected.pointers().contains(&pointer), "{body}: {:?}", rejected.pointers());
    }
    assert_eq!(app.sandbox.requests(None).counts, before);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_existing_user_is_rejected_returned_or_updated(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let [first, ..] = teams(&app.sandbox.snapshot());
    let body = json!({"email": "twice@example.com", "name": "Only Once", "department": "Sales"});
    let issued = api.post("users", &body).await?.created()?;
    let id = issued["result"]["id"].as_str().context("no id")?;
    let again = json!({"email": "twice@example.com", "name": "Only Once", "department": "Legal",
        "workspaces": [{"id": first}]});
    let rejected = api.post("users", &again).await?;
    let problem = rejected.problem(409, "provider_conflict");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(id)), "{problem}");
    let same = api.post("users?on_conflict=return", &again).await?.success()?;
    assert_eq!(
        (&same["result"]["id"], &same["result"]["department"]),
        (&json!(id), &json!("Sales"))
    );
    assert_eq!(parts(&same), [("account", id, "unchanged")]);
    let updated = api.post("users?on_conflict=update", &again).await?.success()?;
    assert_eq!(updated["result"]["department"], "Legal");
    assert_eq!(parts(&updated), [("account", id, "applied"), ("workspace", &*first, "applied")]);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn matches_existing_users_by_email_only(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let one = json!({"email": "one@example.com", "name": "Number One", "username": "number.one"});
    let one = api.post("users", &one).await?.created()?;
    let id = one["result"]["id"].as_str().context("no id")?;
    let people = || app.sandbox.with_org(|org| org.people().len());
    let before = people();
    let clash = json!({"email": "two@example.com", "name": "Number Two", "username": "number.one",
        "roles": [{"id": "Rl01"}]});
    for on_conflict in ["fail", "return", "update"] {
        let response = api.post(&format!("users?on_conflict={on_conflict}"), &clash).await?;
        response.problem(409, "provider_conflict");
        assert_eq!(response.pointers(), ["/username"], "{}", response.text);
    }
    let untouched = api.get(&format!("users/{id}")).await?.success()?;
    assert_eq!(untouched["result"], one["result"]);
    assert_eq!(people(), before);

    let by_address = json!({"email": "ONE@example.com", "name": "Number One", "username": "uno",
        "external_id": "hr-1", "remote_data": {"userType": "Temp"}});
    let rejected = api.post("users", &by_address).await?;
    assert_eq!(rejected.problem(409, "provider_conflict")["errors"][0]["pointer"], "/email");
    let same = api.post("users?on_conflict=return", &by_address).await?.success()?;
    assert_eq!((&same["matched_by"], &same["result"]["id"]), (&json!("email"), &json!(id)));
    let updated = api.post("users?on_conflict=update", &by_address).await?;
    assert_eq!(updated.status, 207, "{}", updated.text);
    let updated = updated.body;
    assert_eq!((&updated["matched_by"], &updated["result"]["id"]), (&json!("email"), &json!(id)));
    assert_eq!(parts(&updated), [("account", id, "applied"), ("external_id", id, "failed")]);
    let problem = &updated["parts"][1]["problem"];
    assert_eq!(problem["type"], "/problems/step_skipped", "{problem}");
    assert_eq!(updated["result"]["username"], "uno");
    let raw = api.get(&format!("proxy/scim/v2/Users/{id}")).await?.success()?;
    assert_eq!(raw["userType"], "Temp", "{raw}");
    let again = json!({"email": "one@example.com", "name": "Number One"});
    let again = api.post("users?on_conflict=update", &again).await?.success()?;
    assert_eq!(parts(&again), [("account", id, "unchanged")]);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn updates_provider_fields_and_clears_names(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let body = json!({"email": "own@example.com", "name": "Own Fields", "remote_data":
        {"userType": "Temp", "name": {"honorificPrefix": "Dr."}}});
    let issued = api.post("users", &body).await?.created()?;
    let id = issued["result"]["id"].as_str().context("no id")?;
    assert_eq!(issued["result"]["name"], "Own Fields", "parts of a name are put together");
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let change = json!({"remote_data": {"userType": "Contractor", "preferredLanguage": null,
        (enterprise): {"costCenter": "42"}}});
    let changed = api.patch(&format!("users/{id}"), &change).await?.success()?;
    assert_eq!(parts(&changed), [("account", id, "applied")]);
    assert_eq!(changed["result"]["cost_center"], "42", "{changed}");
    let raw = api.get(&format!("proxy/scim/v2/Users/{id}")).await?.success()?;
    assert_eq!(raw["userType"], "Contractor", "{raw}");
    let calls = app.calls("scim.users.update");
    let cleared = api.patch(&format!("users/{id}"), &json!({"name": null})).await?;
    assert_eq!(app.calls("scim.users.update"), calls + 1, "{}", cleared.text);
    assert!(!cleared.text.contains("unchanged"), "{}", cleared.text);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_second_invitation_is_a_conflict(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let org = app.sandbox.snapshot();
    let [first, second, _] = teams(&org);
    let request = json!({"email": "again@example.com", "name": "Asked Again", "invite": true,
        "workspaces": [{"id": first, "channel_ids": [channel(&org, 0)?]}]});
    let issued = api.post("users", &request).await?.created()?;
    let id = issued["result"]["id"].as_str().context("no id")?;
    let rejected = api.post("users", &request).await?;
    let problem = rejected.problem(409, "provider_conflict");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(id)), "{problem}");
    let same = api.post("users?on_conflict=return", &request).await?.success()?;
    assert_eq!(parts(&same), [("account", id, "unchanged")]);
    let more = json!({"email": "again@example.com", "invite": true, "workspaces":
        [{"id": first, "channel_ids": [channel(&org, 0)?]}, {"id": second}]});
    let updated = api.post("users?on_conflict=update", &more).await?;
    assert_eq!(updated.status, 207, "{}", updated.text);
    let first_again = ("workspace", &*first, "failed");
    assert_eq!(
        parts(&updated.body),
        [("account", id, "unchanged"), first_again, ("workspace", &*second, "applied")],
        "the channels of a membership are not shown"
    );
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_replay_reads_an_invited_user_who_was_not_visible_before(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?.with("idempotency-key", "once")?;
    let org = app.sandbox.snapshot();
    let [first, second, _] = teams(&org);
    let request = json!({"email": "late@example.com", "name": "Not Yet", "invite": true, "workspaces":
        [{"id": first, "channel_ids": [channel(&org, 0)?]}, {"id": second}]});
    app.sandbox.add_fault(Fault::for_next_calls("scim.users.list", FaultKind::ServerError, 100));
    let sent = api.post("users", &request).await?;
    assert_eq!(sent.status, 207, "{}", sent.text);
    assert_eq!(parts(&sent.body), [("account", "", "applied"), ("workspace", &*second, "failed")]);
    assert_eq!(sent.body["parts"][1]["problem"]["type"], "/problems/step_skipped");
    assert_eq!(sent.body["warnings"][0]["field"], "result", "{}", sent.text);
    app.sandbox.clear_faults();
    let again = api.post("users", &request).await?;
    assert_eq!(again.body["result"]["emails"][0]["email"], "late@example.com", "{}", again.text);
    assert_eq!(app.calls("admin.users.invite"), 1);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_failed_step_is_reported_and_stops_no_other(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let [first, ..] = teams(&app.sandbox.snapshot());
    let request = json!({"email": "partly@example.com", "name": "Partly There",
        "workspaces": [{"id": "T0NOWHERE"}, {"id": first}]});
    let response = api.post("users", &request).await?;
    assert_eq!(response.status, 207, "{}", response.text);
    let outcomes: Vec<_> = parts(&response.body).into_iter().map(|part| part.2).collect();
    assert_eq!(outcomes, ["applied", "failed", "applied"]);
    let problem = &response.body["parts"][1]["problem"];
    assert_eq!(problem["type"], "/problems/provider_not_found", "{problem}");
    assert_eq!(problem["provider"]["method"], "admin.users.assign");
    assert_eq!(problem["request_id"], response.header("x-request-id"));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_invitation_creates_an_invited_user(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let org = app.sandbox.snapshot();
    let [first, second, _] = teams(&org);
    let body = json!({"email": "come@example.com", "name": "Come In", "invite": true,
        "workspaces": [{"id": first, "channel_ids": [channel(&org, 0)?]}, {"id": second}]});
    let issued = api.post("users", &body).await?.created()?;
    assert_eq!(issued["result"]["status"], "invited", "{issued}");
    let id = issued["result"]["id"].as_str().context("no id")?;
    let org = app.sandbox.snapshot();
    let (_, person) = org.find(id).context("no user was invited")?;
    assert_eq!(person.status, PersonStatus::Invited);
    assert_eq!(person.memberships.len(), 2);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_patch_sets_clears_and_preserves_fields(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let body = json!({"email": "change@example.com", "name": "Before Change", "title": "Old",
        "department": "Sales", "division": "East", "employee_number": "7"});
    let issued = api.post("users", &body).await?.created()?;
    let id = issued["result"]["id"].as_str().context("no id")?;
    let boss = app.sandbox.snapshot().primary_owner().context("no owner")?.id.clone();
    let path = format!("users/{id}");
    let body = json!({"title": null, "department": "Legal", "last_name": "Changed",
        "email": "changed@example.com", "manager": {"id": boss}, "username": "changeling"});
    let user = api.patch(&path, &body).await?.success()?["result"].clone();
    for (field, value) in [
        ("title", Value::Null),
        ("department", json!("Legal")),
        ("division", json!("East")),
        ("employee_number", json!("7")),
        ("name", json!("Before Changed")),
        ("username", json!("changeling")),
    ] {
        assert_eq!(user[field], value, "{field} of {user}");
    }
    assert_eq!(user["emails"][0]["email"], "changed@example.com");
    assert_eq!(user["manager"]["id"], boss.as_str());
    let off = api.patch(&path, &json!({"status": "inactive"})).await?.success()?;
    assert_eq!(off["result"]["status"], "inactive");
    let on = api.patch(&path, &json!({"status": "active"})).await?.success()?;
    assert_eq!(on["result"]["status"], "active");
    let calls = app.calls("scim.users.update");
    let same = api.patch(&path, &json!({})).await?.success()?;
    assert_eq!((&same["parts"], app.calls("scim.users.update")), (&json!([]), calls));
    api.patch("users/U0NOBODY", &json!({})).await?.problem(404, "not_found");
    api.patch("users/U0NOBODY", &json!({"title": "x"})).await?.problem(404, "provider_not_found");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_user_becomes_a_guest_and_a_member_again(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let [first, ..] = teams(&app.sandbox.snapshot());
    let body =
        json!({"email": "turn@example.com", "name": "Turn Coat", "workspaces": [{"id": first}]});
    let issued = api.post("users", &body).await?.created()?;
    let path = format!("users/{}", issued["result"]["id"].as_str().context("no id")?);
    let guest = json!({"user_type": "guest_multi_channel", "expires_at": "2033-03-03T03:03:03Z"});
    let user = api.patch(&path, &guest).await?.success()?;
    assert_eq!(user["result"]["user_type"], "guest_multi_channel", "{user}");
    assert_eq!(user["result"]["expires_at"], "2033-03-03T03:03:03Z");
    let user = api.patch(&path, &json!({"user_type": "member"})).await?.success()?;
    assert_eq!(
        (&user["result"]["user_type"], &user["result"]["expires_at"]),
        (&json!("member"), &Value::Null)
    );
    let rejected = api.patch(&path, &json!({"expires_at": "2033-03-03T03:03:03Z"})).await?;
    rejected.problem(422, "invalid_body");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn assigns_and_removes_several_roles_in_one_request(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let [first, second, _] = teams(&app.sandbox.snapshot());
    let body = json!({"email": "roles@example.com", "name": "Many Roles",
        "workspaces": [{"id": first}, {"id": second}]});
    let issued = api.post("users", &body).await?.created()?;
    let id = issued["result"]["id"].as_str().context("no id")?;
    let roles = json!({"user_id": id, "roles": [{"id": "Rl01", "workspace_id": first},
        {"id": "Rl01", "workspace_id": second}, {"id": "ws:owner", "workspace_id": second}]});
    let given = api.post("users/assign_role", &roles).await?.success()?;
    assert_eq!(given["parts"].as_array().map(Vec::len), Some(3));
    assert_eq!(app.calls("admin.roles.addAssignments"), 1, "places of one role share a call");
    let held = api.get(&format!("role-assignments?user[id]={id}")).await?.success()?;
    assert_eq!(held["result_count"], 5, "{held}");
    let taken = api.post("users/remove_role", &roles).await?.success()?;
    assert_eq!(taken["parts"][2]["outcome"], "applied");
    let held = api.get(&format!("role-assignments?user[id]={id}")).await?.success()?;
    let roles: Vec<_> =
        held["result"].as_array().into_iter().flatten().map(|row| &row["role_id"]).collect();
    assert_eq!(roles, ["org:member", "ws:member", "ws:member"]);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn reads_back_a_write_whose_response_was_lost(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let [first, ..] = teams(&app.sandbox.snapshot());
    for method in ["scim.users.create", "admin.users.assign"] {
        app.sandbox.add_fault(Fault::for_next_calls(method, FaultKind::LostResponse, 1));
    }
    let body = json!({"email": "lost@example.com", "name": "Lost Response", "workspaces": [{"id": first}]});
    let issued = api.post("users", &body).await?.created()?;
    assert_eq!(issued["parts"][0]["outcome"], "applied");
    assert_eq!(app.calls("scim.users.create"), 1, "what may have been done is not repeated");
    let id = issued["result"]["id"].as_str().context("no id")?;
    assert!(app.sandbox.snapshot().find(id).is_some());

    // A step that fails before it changes anything.
    app.sandbox.add_fault(Fault::for_next_calls("scim.users.create", FaultKind::ServerError, 1));
    let rejected =
        api.post("users", &json!({"email": "never@example.com", "name": "Never Made"})).await?;
    let problem = rejected.problem(502, "provider_error");
    assert!(
        problem["detail"].as_str().is_some_and(|text| text.contains("it was not applied")),
        "{problem}"
    );
    assert_eq!(app.calls("scim.users.create"), 2);
    Ok(())
}
