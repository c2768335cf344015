//! Users made, invited, changed and switched off. What the provider holds afterwards is the judge.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::org::{Level, Organization, Standing};
use switchboard::sandbox::{Fault, FaultKind};

use crate::support::TestApp;

/// The ids of the first workspaces.
fn teams(org: &Organization) -> [String; 3] {
    let id = |number: usize| org.workspaces.get(number).map(|team| team.id.clone());
    [0, 1, 2].map(|number| id(number).unwrap_or_default())
}

/// A channel of a workspace.
fn channel(org: &Organization, team: usize) -> anyhow::Result<String> {
    let team = org.workspaces.get(team).context("no workspace")?;
    Ok(team.channels.first().context("no channel")?.id.clone())
}

/// Each part as name, id and outcome.
fn parts(answer: &Value) -> Vec<(&str, &str, &str)> {
    let parts = answer["parts"].as_array().map(Vec::as_slice).unwrap_or_default();
    parts
        .iter()
        .map(|part| {
            let text = |field: &str| part[field].as_str().unwrap_or_default();
            (text("part"), text("id"), text("outcome"))
        })
        .collect()
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn one_request_makes_a_person_with_workspaces_and_roles(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked().await?;
    let [first, second, _] = teams(&app.sandbox.snapshot());
    let wish = json!({
        "email": "ada.lovelace@example.com", "first_name": "Ada", "last_name": "Lovelace",
        "title": "Analyst", "department": "Research", "employee_number": "1815",
        "phones": [{"number": "+44 20 7946 0000"}], "timezone": "Europe/London",
        "external_id": "hr-1815", "custom_fields": {"start_date": "2026-12-01T00:00:00+0000"},
        "addresses": [{"city": "London", "country": "GB"}],
        "workspaces": [{"id": first}, {"id": second}],
        "roles": [{"id": "ws:admin", "workspace_id": first}, {"id": "Rl0C"}],
    });
    let made = api.post("users", &wish).await?.created()?;
    let user = &made["result"];
    let id = user["id"].as_str().context("no id")?;
    assert_eq!(
        parts(&made),
        [
            ("account", id, "done"),
            ("workspace", &*first, "done"),
            ("workspace", &*second, "done"),
            ("role", "ws:admin", "done"),
            ("role", "Rl0C", "done"),
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
    let (_, person) = org.find(id).context("nobody was made")?;
    assert_eq!((&*person.job.department, &*person.email), ("Research", "ada.lovelace@example.com"));
    let levels: Vec<_> = person.memberships.iter().map(|one| (one.workspace, one.level)).collect();
    assert_eq!(levels, [(0, Level::Admin), (1, Level::Member)]);
    assert!(org.roles.rows().any(|(_, row)| row.role_id == "Rl0C"));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_guest_comes_with_channels_and_an_end(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked().await?;
    let org = app.sandbox.snapshot();
    let [first, ..] = teams(&org);
    let channel = channel(&org, 0)?;
    for (kind, level) in [
        ("guest_multi_channel", Level::MultiChannelGuest),
        ("guest_single_channel", Level::SingleChannelGuest),
    ] {
        let wish = json!({"email": format!("{kind}@example.com"), "name": "Guest Person",
            "user_type": kind, "expires_at": "2031-05-01T12:00:00Z",
            "workspaces": [{"id": first, "channel_ids": [channel]}]});
        let made = api.post("users", &wish).await?.created()?;
        let names: Vec<_> =
            parts(&made).into_iter().map(|(name, _, outcome)| (name, outcome)).collect();
        assert_eq!(names, [("account", "done"), ("workspace", "done"), ("expiry", "done")]);
        let user = &made["result"];
        assert_eq!(
            (&user["user_type"], &user["expires_at"]),
            (&json!(kind), &json!("2031-05-01T12:00:00Z"))
        );
        let id = user["id"].as_str().context("no id")?;
        let later = json!({"expires_at": "2032-01-01T00:00:00Z"});
        let changed = api.patch(&format!("users/{id}"), &later).await?.okay()?;
        assert_eq!(changed["result"]["expires_at"], "2032-01-01T00:00:00Z", "{changed}");
        let changed =
            api.patch(&format!("users/{id}"), &json!({"expires_at": null})).await?.okay()?;
        assert_eq!(changed["result"]["expires_at"], Value::Null, "{changed}");
        let org = app.sandbox.snapshot();
        assert_eq!(org.find(id).and_then(|(_, person)| person.guest()), Some(level));
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_wish_that_cannot_be_granted_is_refused_before_anything_is_sent(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked().await?;
    let [first, ..] = teams(&app.sandbox.snapshot());
    let before = app.sandbox.requests(None).counts;
    for (wish, pointers) in [
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
            vec!["/roles/1", "/roles/2"],
        ),
    ] {
        let answer = api.post("users", &wish).await?;
        answer.problem(422, "invalid_body");
        assert_eq!(answer.pointers(), pointers, "{wish}");
    }
    for (wish, pointer) in [
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
        let answer = api.patch("users/U0SOMEBODY", &wish).await?;
        answer.problem(422, "invalid_body");
        assert_eq!(answer.pointers(), [pointer], "{wish}");
    }
    // In whatever spelling of SCIM a field of ours is said again.
    for (wish, pointer) in [
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
        let refused = api.patch("users/U0SOMEBODY", &wish).await?;
        refused.problem(422, "invalid_body");
        assert!(refused.pointers().contains(&pointer), "{wish}: {:?}", refused.pointers());
    }
    assert_eq!(app.sandbox.requests(None).counts, before);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn somebody_who_is_there_is_refused_returned_or_updated(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked().await?;
    let [first, ..] = teams(&app.sandbox.snapshot());
    let wish = json!({"email": "twice@example.com", "name": "Only Once", "department": "Sales"});
    let made = api.post("users", &wish).await?.created()?;
    let id = made["result"]["id"].as_str().context("no id")?;
    let again = json!({"email": "twice@example.com", "name": "Only Once", "department": "Legal",
        "workspaces": [{"id": first}]});
    let refused = api.post("users", &again).await?;
    let problem = refused.problem(409, "provider_conflict");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(id)), "{problem}");
    let same = api.post("users?on_conflict=return", &again).await?.okay()?;
    assert_eq!(
        (&same["result"]["id"], &same["result"]["department"]),
        (&json!(id), &json!("Sales"))
    );
    assert_eq!(parts(&same), [("account", id, "already")]);
    let updated = api.post("users?on_conflict=update", &again).await?.okay()?;
    assert_eq!(updated["result"]["department"], "Legal");
    assert_eq!(parts(&updated), [("account", id, "done"), ("workspace", &*first, "done")]);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn matches_existing_users_by_the_address_alone(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked().await?;
    let one = json!({"email": "one@example.com", "name": "Number One", "username": "number.one"});
    let one = api.post("users", &one).await?.created()?;
    let id = one["result"]["id"].as_str().context("no id")?;
    let people = || app.sandbox.with_org(|org| org.people().len());
    let before = people();
    let clash = json!({"email": "two@example.com", "name": "Number Two", "username": "number.one",
        "roles": [{"id": "Rl01"}]});
    for on_conflict in ["fail", "return", "update"] {
        let answer = api.post(&format!("users?on_conflict={on_conflict}"), &clash).await?;
        answer.problem(409, "provider_conflict");
        assert_eq!(answer.pointers(), ["/username"], "{}", answer.text);
    }
    let untouched = api.get(&format!("users/{id}")).await?.okay()?;
    assert_eq!(untouched["result"], one["result"]);
    assert_eq!(people(), before);

    let by_address = json!({"email": "ONE@example.com", "name": "Number One", "username": "uno",
        "external_id": "hr-1", "remote_data": {"userType": "Temp"}});
    let refused = api.post("users", &by_address).await?;
    assert_eq!(refused.problem(409, "provider_conflict")["errors"][0]["pointer"], "/email");
    let same = api.post("users?on_conflict=return", &by_address).await?.okay()?;
    assert_eq!((&same["matched_by"], &same["result"]["id"]), (&json!("email"), &json!(id)));
    let updated = api.post("users?on_conflict=update", &by_address).await?;
    assert_eq!(updated.status, 207, "{}", updated.text);
    let updated = updated.body;
    assert_eq!((&updated["matched_by"], &updated["result"]["id"]), (&json!("email"), &json!(id)));
    assert_eq!(parts(&updated), [("account", id, "done"), ("external_id", id, "failed")]);
    let problem = &updated["parts"][1]["problem"];
    assert_eq!(problem["type"], "/problems/step_skipped", "{problem}");
    assert_eq!(updated["result"]["username"], "uno");
    let raw = api.get(&format!("proxy/scim/v2/Users/{id}")).await?.okay()?;
    assert_eq!(raw["userType"], "Temp", "{raw}");
    let again = json!({"email": "one@example.com", "name": "Number One"});
    let again = api.post("users?on_conflict=update", &again).await?.okay()?;
    assert_eq!(parts(&again), [("account", id, "already")]);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn changes_the_providers_own_fields_and_clears_names(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked().await?;
    let wish = json!({"email": "own@example.com", "name": "Own Fields", "remote_data":
        {"userType": "Temp", "name": {"honorificPrefix": "Dr."}}});
    let made = api.post("users", &wish).await?.created()?;
    let id = made["result"]["id"].as_str().context("no id")?;
    assert_eq!(made["result"]["name"], "Own Fields", "parts of a name are put together");
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let change = json!({"remote_data": {"userType": "Contractor", "preferredLanguage": null,
        (enterprise): {"costCenter": "42"}}});
    let changed = api.patch(&format!("users/{id}"), &change).await?.okay()?;
    assert_eq!(parts(&changed), [("account", id, "done")]);
    assert_eq!(changed["result"]["cost_center"], "42", "{changed}");
    let raw = api.get(&format!("proxy/scim/v2/Users/{id}")).await?.okay()?;
    assert_eq!(raw["userType"], "Contractor", "{raw}");
    let calls = app.calls("scim.users.update");
    let cleared = api.patch(&format!("users/{id}"), &json!({"name": null})).await?;
    assert_eq!(app.calls("scim.users.update"), calls + 1, "{}", cleared.text);
    assert!(!cleared.text.contains("already"), "{}", cleared.text);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_second_invitation_is_a_conflict(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked().await?;
    let org = app.sandbox.snapshot();
    let [first, second, _] = teams(&org);
    let wish = json!({"email": "again@example.com", "name": "Asked Again", "invite": true,
        "workspaces": [{"id": first, "channel_ids": [channel(&org, 0)?]}]});
    let made = api.post("users", &wish).await?.created()?;
    let id = made["result"]["id"].as_str().context("no id")?;
    let refused = api.post("users", &wish).await?;
    let problem = refused.problem(409, "provider_conflict");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(id)), "{problem}");
    let same = api.post("users?on_conflict=return", &wish).await?.okay()?;
    assert_eq!(parts(&same), [("account", id, "already")]);
    let more = json!({"email": "again@example.com", "invite": true, "workspaces":
        [{"id": first, "channel_ids": [channel(&org, 0)?]}, {"id": second}]});
    let updated = api.post("users?on_conflict=update", &more).await?;
    assert_eq!(updated.status, 207, "{}", updated.text);
    let first_again = ("workspace", &*first, "failed");
    assert_eq!(
        parts(&updated.body),
        [("account", id, "already"), first_again, ("workspace", &*second, "done")],
        "the channels of a membership are not shown"
    );
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_invited_user_who_is_not_visible_yet_is_read_by_the_replay(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked().await?.with("idempotency-key", "once")?;
    let org = app.sandbox.snapshot();
    let [first, second, _] = teams(&org);
    let wish = json!({"email": "late@example.com", "name": "Not Yet", "invite": true, "workspaces":
        [{"id": first, "channel_ids": [channel(&org, 0)?]}, {"id": second}]});
    app.sandbox.add_fault(Fault::next("scim.users.list", FaultKind::ServerError, 100));
    let sent = api.post("users", &wish).await?;
    assert_eq!(sent.status, 207, "{}", sent.text);
    assert_eq!(parts(&sent.body), [("account", "", "done"), ("workspace", &*second, "failed")]);
    assert_eq!(sent.body["parts"][1]["problem"]["type"], "/problems/step_skipped");
    assert_eq!(sent.body["warnings"][0]["field"], "result", "{}", sent.text);
    app.sandbox.clear_faults();
    let again = api.post("users", &wish).await?;
    assert_eq!(again.body["result"]["emails"][0]["email"], "late@example.com", "{}", again.text);
    assert_eq!(app.calls("admin.users.invite"), 1);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_step_that_fails_is_told_and_stops_nothing_else(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked().await?;
    let [first, ..] = teams(&app.sandbox.snapshot());
    let wish = json!({"email": "partly@example.com", "name": "Partly There",
        "workspaces": [{"id": "T0NOWHERE"}, {"id": first}]});
    let answer = api.post("users", &wish).await?;
    assert_eq!(answer.status, 207, "{}", answer.text);
    let outcomes: Vec<_> = parts(&answer.body).into_iter().map(|part| part.2).collect();
    assert_eq!(outcomes, ["done", "failed", "done"]);
    let problem = &answer.body["parts"][1]["problem"];
    assert_eq!(problem["type"], "/problems/provider_not_found", "{problem}");
    assert_eq!(problem["provider"]["method"], "admin.users.assign");
    assert_eq!(problem["request_id"], answer.header("x-request-id"));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_invitation_makes_somebody_who_has_not_come_yet(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked().await?;
    let org = app.sandbox.snapshot();
    let [first, second, _] = teams(&org);
    let wish = json!({"email": "come@example.com", "name": "Come In", "invite": true,
        "workspaces": [{"id": first, "channel_ids": [channel(&org, 0)?]}, {"id": second}]});
    let made = api.post("users", &wish).await?.created()?;
    assert_eq!(made["result"]["status"], "invited", "{made}");
    let id = made["result"]["id"].as_str().context("no id")?;
    let org = app.sandbox.snapshot();
    let (_, person) = org.find(id).context("nobody was invited")?;
    assert_eq!(person.standing, Standing::Invited);
    assert_eq!(person.memberships.len(), 2);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_change_sets_clears_and_keeps(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked().await?;
    let wish = json!({"email": "change@example.com", "name": "Before Change", "title": "Old",
        "department": "Sales", "division": "East", "employee_number": "7"});
    let made = api.post("users", &wish).await?.created()?;
    let id = made["result"]["id"].as_str().context("no id")?;
    let boss = app.sandbox.snapshot().primary_owner().context("no owner")?.id.clone();
    let path = format!("users/{id}");
    let wish = json!({"title": null, "department": "Legal", "last_name": "Changed",
        "email": "changed@example.com", "manager": {"id": boss}, "username": "changeling"});
    let user = api.patch(&path, &wish).await?.okay()?["result"].clone();
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
    let off = api.patch(&path, &json!({"status": "inactive"})).await?.okay()?;
    assert_eq!(off["result"]["status"], "inactive");
    let on = api.patch(&path, &json!({"status": "active"})).await?.okay()?;
    assert_eq!(on["result"]["status"], "active");
    let calls = app.calls("scim.users.update");
    let same = api.patch(&path, &json!({})).await?.okay()?;
    assert_eq!((&same["parts"], app.calls("scim.users.update")), (&json!([]), calls));
    api.patch("users/U0NOBODY", &json!({})).await?.problem(404, "not_found");
    api.patch("users/U0NOBODY", &json!({"title": "x"})).await?.problem(404, "provider_not_found");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_person_becomes_a_guest_and_a_member_again(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked().await?;
    let [first, ..] = teams(&app.sandbox.snapshot());
    let wish =
        json!({"email": "turn@example.com", "name": "Turn Coat", "workspaces": [{"id": first}]});
    let made = api.post("users", &wish).await?.created()?;
    let path = format!("users/{}", made["result"]["id"].as_str().context("no id")?);
    let guest = json!({"user_type": "guest_multi_channel", "expires_at": "2033-03-03T03:03:03Z"});
    let user = api.patch(&path, &guest).await?.okay()?;
    assert_eq!(user["result"]["user_type"], "guest_multi_channel", "{user}");
    assert_eq!(user["result"]["expires_at"], "2033-03-03T03:03:03Z");
    let user = api.patch(&path, &json!({"user_type": "member"})).await?.okay()?;
    assert_eq!(
        (&user["result"]["user_type"], &user["result"]["expires_at"]),
        (&json!("member"), &Value::Null)
    );
    let refused = api.patch(&path, &json!({"expires_at": "2033-03-03T03:03:03Z"})).await?;
    refused.problem(422, "invalid_body");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn several_roles_are_given_and_taken_at_once(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked().await?;
    let [first, second, _] = teams(&app.sandbox.snapshot());
    let wish = json!({"email": "roles@example.com", "name": "Many Roles",
        "workspaces": [{"id": first}, {"id": second}]});
    let made = api.post("users", &wish).await?.created()?;
    let id = made["result"]["id"].as_str().context("no id")?;
    let roles = json!({"user_id": id, "roles": [{"id": "Rl01", "workspace_id": first},
        {"id": "Rl01", "workspace_id": second}, {"id": "ws:owner", "workspace_id": second}]});
    let given = api.post("users/assign_role", &roles).await?.okay()?;
    assert_eq!(given["parts"].as_array().map(Vec::len), Some(3));
    assert_eq!(app.calls("admin.roles.addAssignments"), 1, "places of one role share a call");
    let held = api.get(&format!("role-assignments?user[id]={id}")).await?.okay()?;
    assert_eq!(held["result_count"], 5, "{held}");
    let taken = api.post("users/remove_role", &roles).await?.okay()?;
    assert_eq!(taken["parts"][2]["outcome"], "done");
    let held = api.get(&format!("role-assignments?user[id]={id}")).await?.okay()?;
    let roles: Vec<_> =
        held["result"].as_array().into_iter().flatten().map(|row| &row["role_id"]).collect();
    assert_eq!(roles, ["org:member", "ws:member", "ws:member"]);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_answer_that_got_lost_is_read_back(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked().await?;
    let [first, ..] = teams(&app.sandbox.snapshot());
    for method in ["scim.users.create", "admin.users.assign"] {
        app.sandbox.add_fault(Fault::next(method, FaultKind::LostAnswer, 1));
    }
    let wish =
        json!({"email": "lost@example.com", "name": "Lost Answer", "workspaces": [{"id": first}]});
    let made = api.post("users", &wish).await?.created()?;
    assert_eq!(made["parts"][0]["outcome"], "done");
    assert_eq!(app.calls("scim.users.create"), 1, "what may have been done is not repeated");
    let id = made["result"]["id"].as_str().context("no id")?;
    assert!(app.sandbox.snapshot().find(id).is_some());

    // One that fails before it does anything.
    app.sandbox.add_fault(Fault::next("scim.users.create", FaultKind::ServerError, 1));
    let refused =
        api.post("users", &json!({"email": "never@example.com", "name": "Never Made"})).await?;
    let problem = refused.problem(502, "provider_error");
    assert!(
        problem["detail"].as_str().is_some_and(|text| text.contains("it was not done")),
        "{problem}"
    );
    assert_eq!(app.calls("scim.users.create"), 2);
    Ok(())
}
