//! Filters: a filtered list, paged to its end, contains exactly the matching rows of the organization.

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::org::{GridOrganization, OrgLevel, Person, PersonStatus, WorkspaceLevel};

use crate::support::expected_values::{self, timestamp};
use crate::support::{Client, TestApp};

type UserPredicate<'a> = Box<dyn Fn(&Person) -> bool + 'a>;
type AssignmentPredicate = Box<dyn Fn(&expected_values::Assignment) -> bool>;

/// Returns the ids of a list paged to its end, each of which must occur once.
async fn ids(api: &Client, path: &str) -> anyhow::Result<BTreeSet<String>> {
    let (rows, _) = api.all(path).await?;
    let ids = rows.iter().map(|row| Ok(row["id"].as_str().context("no id")?.to_owned()));
    let ids = ids.collect::<anyhow::Result<BTreeSet<_>>>()?;
    assert_eq!(ids.len(), rows.len(), "each row of {path} once");
    Ok(ids)
}

async fn is_exactly(
    api: &Client,
    org: &GridOrganization,
    query: &str,
    holds: &dyn Fn(&Person) -> bool,
) -> anyhow::Result<()> {
    let wanted: BTreeSet<String> = org
        .people()
        .iter()
        .filter(|person| holds(person))
        .map(|person| person.id.clone())
        .collect();
    for limit in [9, 1_000] {
        let found = ids(api, &format!("users?limit={limit}&{query}")).await?;
        let too_many: Vec<_> = found.difference(&wanted).collect();
        let missing: Vec<_> = wanted.difference(&found).collect();
        assert!(
            too_many.is_empty() && missing.is_empty(),
            "{query} with a limit of {limit}: {} right, too many {too_many:?}, missing {missing:?}",
            found.intersection(&wanted).count()
        );
    }
    Ok(())
}

fn is_in(person: &Person, workspace: usize) -> bool {
    person.memberships.iter().any(|membership| membership.workspace == workspace)
}

fn ranks(person: &Person, level: WorkspaceLevel) -> bool {
    person.is_active() && person.memberships.iter().any(|membership| membership.level == level)
}

fn nth(org: &GridOrganization, wanted: impl Fn(&Person) -> bool) -> anyhow::Result<&Person> {
    org.people().iter().filter(|person| wanted(person)).nth(2).context("no row matches")
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_filter_returns_exactly_the_matching_users(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let org = &app.sandbox.snapshot();
    let team = org.workspaces.get(1).context("no workspace")?.id.as_str();
    let sample = nth(org, |person| person.is_active() && !person.is_bot())?;
    let guest = nth(org, |person| person.is_active() && person.guest_level().is_some())?;
    let updated =
        org.people().iter().map(|person| person.updated).max().unwrap_or_default() - 86_400;
    let since = timestamp(updated);
    let since = since.as_str().context("no timestamp")?;
    let holds_role = |person: &Person, role: &str| {
        expected_values::assignments(org)
            .iter()
            .any(|(held, user, _)| held == role && *user == person.id)
    };
    let rows: Vec<(String, UserPredicate<'_>)> = vec![
        ("status=active".into(), Box::new(Person::is_active)),
        ("status=inactive".into(), Box::new(|person| !person.is_active())),
        ("status=invited".into(), Box::new(|person| person.status == PersonStatus::Invited)),
        ("status=deleted".into(), Box::new(|_| false)),
        ("user_type=bot".into(), Box::new(Person::is_bot)),
        (
            "user_type=guest_multi_channel&status=active".into(),
            Box::new(|person| {
                person.is_active()
                    && person.guest_level() == Some(WorkspaceLevel::MultiChannelGuest)
            }),
        ),
        (
            "user_type=guest_single_channel&status=active".into(),
            Box::new(|person| {
                person.is_active()
                    && person.guest_level() == Some(WorkspaceLevel::SingleChannelGuest)
            }),
        ),
        (format!("workspace[id]={team}"), Box::new(|person| is_in(person, 1))),
        ("workspace[id]=T0NOWHERE".into(), Box::new(|_| false)),
        (
            format!("workspace[id]={team}&status=inactive"),
            Box::new(|person| is_in(person, 1) && !person.is_active()),
        ),
        (
            format!("workspace[id]={team}&role[id]=ws:admin"),
            Box::new(|person| {
                person.is_active()
                    && person
                        .memberships
                        .iter()
                        .any(|one| one.workspace == 1 && one.level == WorkspaceLevel::Admin)
            }),
        ),
        ("role[id]=ws:admin".into(), Box::new(|person| ranks(person, WorkspaceLevel::Admin))),
        ("role[id]=ws:owner".into(), Box::new(|person| ranks(person, WorkspaceLevel::Owner))),
        (
            "role[id]=ws:primary_owner".into(),
            Box::new(|person| ranks(person, WorkspaceLevel::PrimaryOwner)),
        ),
        (
            "role[id]=ws:guest_multi_channel".into(),
            Box::new(|person| ranks(person, WorkspaceLevel::MultiChannelGuest)),
        ),
        (
            "role[id]=org:admin".into(),
            Box::new(|person| person.is_active() && person.org_level == OrgLevel::Admin),
        ),
        (
            format!("role[id]=org:admin&workspace[id]={team}"),
            Box::new(|person| {
                person.is_active() && person.org_level == OrgLevel::Admin && is_in(person, 1)
            }),
        ),
        ("role[id]=Rl01".into(), Box::new(|person| holds_role(person, "Rl01"))),
        ("role[id]=org:king".into(), Box::new(|_| false)),
        (
            format!("email={}", sample.email.to_uppercase()),
            Box::new(|person| person.id == sample.id),
        ),
        (format!("email={}&status=inactive", sample.email), Box::new(|_| false)),
        ("email=nobody@nowhere.example".into(), Box::new(|_| false)),
        (format!("username={}", guest.username), Box::new(|person| person.id == guest.id)),
        (
            format!("search={}", sample.last_name.to_uppercase()),
            Box::new(|person| {
                let own = format!("{} {} {}", person.full_name(), person.username, person.email);
                own.to_lowercase().contains(&sample.last_name.to_lowercase())
            }),
        ),
        (format!("updated_at[gt]={since}"), Box::new(|person| person.updated > updated)),
        (
            format!("updated_at[gt]={since}&workspace[id]={team}"),
            Box::new(|person| person.updated > updated && is_in(person, 1)),
        ),
    ];
    for (query, holds) in rows {
        is_exactly(&api, org, &query, &*holds).await?;
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_bot_is_found_by_its_name(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let org = &app.sandbox.snapshot();
    let bot = org.people().iter().find(|one| one.is_bot()).context("no bot")?;
    is_exactly(&api, org, &format!("username={}", bot.username), &|one| one.id == bot.id).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn finds_a_user_by_email_without_reading_the_list(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let org = app.sandbox.snapshot();
    let sample = nth(&org, |person| person.is_active() && !person.is_bot())?;
    let page = api.get(&format!("users?email={}", sample.email)).await?.success()?;
    assert_eq!(page["result"][0]["id"], sample.id.as_str());
    assert_eq!(page["next_cursor"], Value::Null);
    assert_eq!((app.calls("admin.users.list"), app.calls("scim.users.list")), (0, 1));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn filters_assignments_by_role_user_and_workspace(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let org = app.sandbox.snapshot();
    let all = expected_values::assignments(&org);
    let team = &org.workspaces.get(1).context("no workspace")?.id;
    let leader = all.iter().find(|held| held.0 == "ws:owner").context("no owner")?.1.clone();
    let holder = all.iter().find(|held| held.0.starts_with("Rl")).context("no role")?.1.clone();
    let rows: Vec<(String, AssignmentPredicate)> = vec![
        ("role[id]=ws:admin".into(), Box::new(|held| held.0 == "ws:admin")),
        ("role[id]=org:owner".into(), Box::new(|held| held.0 == "org:owner")),
        ("role[id]=Rl01".into(), Box::new(|held| held.0 == "Rl01")),
        ("role[id]=ws:king".into(), Box::new(|_| false)),
        ("user[id]=U0NOBODY".into(), Box::new(|_| false)),
        (format!("user[id]={leader}"), Box::new(move |held| held.1 == leader)),
        (format!("user[id]={holder}"), Box::new(move |held| held.1 == holder)),
        (format!("workspace[id]={team}"), {
            let team = team.clone();
            Box::new(move |held| held.2 == team)
        }),
        (format!("workspace[id]={team}&role[id]=ws:guest_multi_channel"), {
            let team = team.clone();
            Box::new(move |held| held.2 == team && held.0 == "ws:guest_multi_channel")
        }),
    ];
    for (query, holds) in rows {
        let wanted: BTreeSet<String> = all
            .iter()
            .filter(|held| holds(held))
            .map(|(role, user, place)| format!("{role}.{user}.{place}"))
            .collect();
        for limit in [3, 1_000] {
            let found = ids(&api, &format!("role-assignments?limit={limit}&{query}")).await?;
            assert_eq!(found, wanted, "{query} with a limit of {limit}");
        }
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn roles_and_workspaces_are_filtered_too(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let org = app.sandbox.snapshot();
    let team = org.workspaces.get(2).context("no workspace")?;
    let page =
        api.get(&format!("workspaces?name={}", team.name.to_uppercase())).await?.success()?;
    assert_eq!(page.pointer("/result/0/id"), Some(&json!(team.id)));
    assert_eq!(page["result_count"], 1);
    let in_channels = api.get("roles?scope=channel").await?.success()?;
    assert_eq!(in_channels.pointer("/result/0/id"), Some(&json!("Rl0A")));
    assert_eq!(in_channels["result_count"], 1);
    let (all, _) = api.all("roles?limit=4").await?;
    let (in_workspaces, _) = api.all(&format!("roles?limit=4&workspace[id]={}", team.id)).await?;
    assert!(in_workspaces.len() < all.len() && in_workspaces.len() > 6);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_cursor_is_bound_to_its_filter(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let page = api.get("users?limit=5&status=active").await?.success()?;
    let cursor = page["next_cursor"].as_str().context("no cursor")?;
    for query in ["status=inactive", "status=active&expand[]=groups", "limit=5"] {
        let response = api.get(&format!("users?{query}&next_cursor={cursor}")).await?;
        response.problem(400, "invalid_cursor");
    }
    api.get(&format!("users?status=active&next_cursor={cursor}")).await?.success()?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_an_unknown_filter_by_name(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    for (query, parameter) in [
        ("users?status=sleeping", "status"),
        ("users?user_type=robot", "user_type"),
        ("users?updated_at[gt]=yesterday", "updated_at[gt]"),
        ("users?expand[]=owners", "expand[]"),
        ("users?remote_query[token]=x", "remote_query[token]"),
        ("users?remote_query[limit]=5", "remote_query[limit]"),
        ("roles?scope=galaxy", "scope"),
        ("roles?expand[]=profile", "expand[]"),
        ("roles?remote_query[a]=b", "remote_query[a]"),
        ("workspaces?workspace[id]=T1", "workspace[id]"),
    ] {
        let response = api.get(query).await?;
        response.problem(400, "invalid_query");
        assert_eq!(response.pointers(), [parameter], "{query}");
    }
    Ok(())
}
