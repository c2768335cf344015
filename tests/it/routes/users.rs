//! `/users`: all users, with the right values.

use std::collections::{BTreeSet, HashMap};

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::org::{GridOrganization, Person, PersonStatus};

use crate::support::TestApp;
use crate::support::expected_values::{self, text, timestamp};

/// Returns the ids of rows, with repetitions.
fn ids(rows: &[Value]) -> Vec<&str> {
    let mut ids: Vec<&str> = rows.iter().filter_map(|row| row["id"].as_str()).collect();
    ids.sort_unstable();
    ids
}

fn all_users(org: &GridOrganization) -> Vec<&str> {
    let mut ids: Vec<&str> = org.people().iter().map(|person| person.id.as_str()).collect();
    ids.sort_unstable();
    ids
}

fn one(org: &GridOrganization, wanted: impl Fn(&Person) -> bool) -> anyhow::Result<&Person> {
    org.people().iter().find(|person| wanted(person)).context("no user matches")
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn pagination_returns_every_user_once(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let org = app.sandbox.snapshot();
    for limit in [37, 1_000] {
        let (rows, _) = api.all(&format!("users?limit={limit}")).await?;
        assert_eq!(ids(&rows), all_users(&org), "with a limit of {limit}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_page_has_at_most_limit_rows(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let page = api.get("users?limit=3").await?.success()?;
    assert_eq!((&page["limit"], &page["result_count"]), (&json!(3), &json!(3)));
    assert_eq!(page["prev_cursor"], Value::Null);
    let page = api.get("users").await?.success()?;
    assert_eq!((&page["limit"], &page["result_count"]), (&json!(100), &json!(100)));
    assert_eq!(app.calls("admin.users.list"), 2, "one provider call a page");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn every_listed_user_matches_the_organization(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let org = app.sandbox.snapshot();
    let (rows, _) = api.all("users?limit=1000").await?;
    let rows: HashMap<&str, &Value> =
        rows.iter().filter_map(|row| Some((row["id"].as_str()?, row))).collect();
    for person in org.people() {
        let row = rows.get(person.id.as_str()).context("a user is missing")?;
        for (field, value) in listed(&org, person) {
            assert_eq!(row[field], value, "{field} of {person:?}");
        }
        let workspaces: Vec<&str> =
            values(&row["workspaces"], "id").into_iter().collect::<Vec<_>>();
        let expected = if person.is_active() { org.workspace_ids(person) } else { Vec::new() };
        assert_eq!(workspaces, expected, "workspaces of {person:?}");
        assert_eq!(level_roles(row), expected_levels(&org, person), "roles of {person:?}");
    }
    Ok(())
}

/// Returns the expected fields of the provider's list for a user. It has none for an invitation.
fn listed(_: &GridOrganization, person: &Person) -> Vec<(&'static str, Value)> {
    let status = if person.is_active() { "active" } else { "inactive" };
    let emails = match person.email.as_str() {
        "" => json!([]),
        email => json!([{"email": email, "type": "work", "is_primary": true}]),
    };
    let expires = if person.guest_level().is_some() { person.expires() } else { 0 };
    vec![
        ("status", status.into()),
        ("user_type", expected_values::user_type(person).into()),
        ("emails", emails),
        ("username", person.username.as_str().into()),
        ("name", person.full_name().into()),
        ("is_2fa_enabled", person.has_2fa.into()),
        ("is_sso_enabled", person.has_sso.into()),
        ("created_at", timestamp(person.created)),
        ("deactivated_at", timestamp(person.deactivated_at())),
        ("expires_at", timestamp(expires)),
        ("last_activity_at", timestamp(person.last_active)),
    ]
}

fn values<'a>(rows: &'a Value, field: &str) -> Vec<&'a str> {
    rows.as_array().into_iter().flatten().filter_map(|row| row[field].as_str()).collect()
}

/// Returns the levels of a row: role and workspace.
fn level_roles(row: &Value) -> BTreeSet<(&str, Option<&str>)> {
    let roles = row["roles"].as_array().into_iter().flatten();
    let levels = roles.filter(|role| !role["id"].as_str().unwrap_or("Rl").starts_with("Rl"));
    levels
        .filter_map(|role| {
            let place = role["workspace_id"].as_str();
            let scope = if place.is_some() { "workspace" } else { "organization" };
            (role["scope"] == scope).then_some(())?;
            Some((role["id"].as_str()?, place))
        })
        .collect()
}

/// Returns the level in the organization, or a guest's level in each workspace.
fn expected_levels<'a>(
    org: &'a GridOrganization,
    person: &'a Person,
) -> BTreeSet<(&'a str, Option<&'a str>)> {
    if person.is_bot() || !person.is_active() {
        return BTreeSet::new();
    }
    if person.guest_level().is_none() {
        return BTreeSet::from([(expected_values::org_role(person.org_level), None)]);
    }
    let of = |membership: &switchboard::sandbox::org::WorkspaceMembership| {
        let team = org.workspaces.get(membership.workspace)?;
        Some((expected_values::workspace_role(membership.level), Some(team.id.as_str())))
    };
    person.memberships.iter().filter_map(of).collect()
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_user_by_id_has_the_whole_profile(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let org = app.sandbox.snapshot();
    let chosen = [
        org.primary_owner().context("no owner")?,
        one(&org, |person| person.guest_level().is_some() && person.is_active())?,
        one(&org, |person| person.status == PersonStatus::Invited)?,
        one(&org, |person| !person.is_active() && person.guest_level().is_none())?,
        one(&org, |person| !person.is_active() && person.guest_level().is_some())?,
        one(&org, Person::is_bot)?,
    ];
    for person in chosen {
        let user = api.get(&format!("users/{}", person.id)).await?.success()?;
        let user = &user["result"];
        for (field, value) in profile(&org, person) {
            assert_eq!(user[field], value, "{field} of {person:?}");
        }
        assert_eq!(level_roles(user), expected_levels(&org, person), "roles of {person:?}");
    }
    Ok(())
}

/// Returns the expected fields of one user; a bot is not in SCIM.
fn profile(org: &GridOrganization, person: &Person) -> Vec<(&'static str, Value)> {
    let mut fields = vec![
        ("id", person.id.as_str().into()),
        ("status", expected_values::status(person).into()),
        ("user_type", expected_values::user_type(person).into()),
        ("username", person.username.as_str().into()),
        ("name", person.full_name().into()),
        ("updated_at", timestamp(person.updated)),
    ];
    if person.is_bot() {
        return fields;
    }
    let manager = person.job.manager.and_then(|manager| org.person(manager));
    let expires = if person.guest_level().is_some() { person.expires() } else { 0 };
    let groups: Vec<Value> = person
        .groups
        .iter()
        .filter_map(|group| org.groups.get(*group))
        .map(|group| json!({"id": group.id, "name": group.name}))
        .collect();
    fields.extend([
        ("first_name", person.first_name.as_str().into()),
        ("last_name", person.last_name.as_str().into()),
        ("title", text(&person.job.title)),
        ("department", text(&person.job.department)),
        ("division", text(&person.job.division)),
        ("cost_center", text(&person.job.cost_center)),
        ("employee_number", text(&person.job.employee_number)),
        ("timezone", (*person.location.timezone).into()),
        ("created_at", timestamp(person.created)),
        ("expires_at", timestamp(expires)),
        ("emails", json!([{"email": person.email, "type": "work", "is_primary": true}])),
        ("groups", groups.into()),
    ]);
    if let Some(manager) = manager {
        fields.push(("manager", json!({"id": manager.id, "name": null})));
    }
    fields
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_list_and_the_lookup_agree_on_system_roles(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let org = app.sandbox.snapshot();
    let (rows, _) = api.all("users?limit=1000").await?;
    let holders: BTreeSet<usize> = org.roles.rows().map(|(_, row)| row.user).collect();
    for index in holders {
        let person = org.person(index).context("no user")?;
        let listed = rows.iter().find(|row| row["id"] == person.id).context("not listed")?;
        let path = format!("users/{}", person.id);
        let single = api.get(&path).await?.success()?;
        let system = |row: &Value| -> BTreeSet<String> {
            let ids = values(&row["roles"], "id").into_iter();
            ids.filter(|id| id.starts_with("Rl")).map(str::to_owned).collect()
        };
        let expected: BTreeSet<String> =
            org.roles.for_user(index).map(|row| row.role_id.clone()).collect();
        assert_eq!(system(listed), expected, "the list's roles of {}", person.id);
        assert_eq!(system(&single["result"]), expected, "the roles of {}", person.id);
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_unknown_user_is_not_found(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    for id in ["U0NOBODY", "x", "..%2Fadmin", "U1%3Fa%3Db", "%F0%9F%A6%80"] {
        api.get(&format!("users/{id}")).await?.problem(404, "not_found");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_response_has_the_requested_format(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let first = async |query: &str| {
        let page = api.get(&format!("users?limit=1{query}")).await?.success()?;
        anyhow::Ok(page["result"][0].clone())
    };
    let unified = first("").await?;
    let raw = first("&response_format=raw").await?;
    assert_eq!(unified["department"], Value::Null);
    assert_eq!(raw["id"], unified["id"]);
    assert_eq!(raw["full_name"], unified["name"]);
    assert!(raw["date_created"].is_i64(), "the provider's own fields: {raw}");

    let normalized = first("&response_format=normalized").await?;
    let mut expected = unified.clone();
    drop_nulls(&mut expected);
    assert_ne!(normalized, unified);
    assert_eq!(normalized, expected);

    let mut beside = first("&include_remote_data=true").await?;
    let remote = beside.as_object_mut().and_then(|user| user.remove("remote_data"));
    assert_eq!(remote, Some(raw));
    assert_eq!(beside, unified);

    let mut fewer = unified.clone();
    let fields = fewer.as_object_mut().context("no object")?;
    assert!(fields.remove("roles").is_some() && fields.remove("emails").is_some());
    assert_eq!(first("&exclude_fields[]=roles&exclude_fields[]=emails").await?, fewer);
    Ok(())
}

fn drop_nulls(value: &mut Value) {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
        fields.values_mut().for_each(drop_nulls);
    }
    value.as_array_mut().into_iter().flatten().for_each(drop_nulls);
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn one_user_in_raw_format_is_the_providers_response(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let owner = app.sandbox.with_org(|org| org.primary_owner().map(|owner| owner.id.clone()));
    let owner = owner.context("no owner")?;
    let raw = api.get(&format!("users/{owner}?response_format=raw")).await?.success()?;
    assert_eq!(raw["result"]["users.info"]["user"]["id"], owner, "{raw}");
    assert_eq!(raw["result"]["scim.users.get"]["id"], owner, "{raw}");
    Ok(())
}
