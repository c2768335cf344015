//! The life of two people in an organization, from the first day to the last, through the front door
//! alone. After every step the provider's own state and `/role-assignments` must agree with it.

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::org::{Level, OrgLevel, Organization, Person};

use crate::support::truth::{self, Held};
use crate::support::{Client, TestApp};

/// The organization and whoever looks at it.
struct Story {
    app: TestApp,
    api: Client,
    sales: String,
    labs: String,
}

impl Story {
    async fn begin(pool: PgPool) -> anyhow::Result<Self> {
        let app = TestApp::new(pool).await?;
        let api = app.linked().await?;
        let team = |org: &Organization, number: usize| {
            org.workspaces.get(number).map(|team| team.id.clone()).context("no workspace")
        };
        let org = app.sandbox.snapshot();
        Ok(Self { sales: team(&org, 0)?, labs: team(&org, 1)?, app, api })
    }

    /// What somebody holds: as role and place, by the gateway; it must be what the provider has.
    async fn holds(&self, user: &str) -> anyhow::Result<BTreeSet<(String, String)>> {
        let (rows, _) = self.api.all(&format!("role-assignments?limit=50&user[id]={user}")).await?;
        let org = self.app.sandbox.snapshot();
        let held = truth::assignments(&org).into_iter().filter(|held: &Held| held.1 == user);
        let expected: BTreeSet<_> = held.map(|(role, _, place)| (role, place)).collect();
        let told = rows.iter().map(|row| {
            let text = |field: &str| row[field].as_str().map(str::to_owned);
            let place = text("workspace_id").or_else(|| text("organization_id"));
            Ok((text("role_id").context("no role")?, place.context("no place")?))
        });
        let told = told.collect::<anyhow::Result<BTreeSet<_>>>()?;
        assert_eq!(told, expected, "the gateway and the provider agree about {user}");
        Ok(told)
    }

    /// Somebody as the provider has them.
    fn provider_has<T>(&self, user: &str, look: impl Fn(&Person) -> T) -> anyhow::Result<T> {
        let org = self.app.sandbox.snapshot();
        Ok(look(org.find(user).context("the provider has nobody like that")?.1))
    }
}

fn id(answer: &Value) -> anyhow::Result<String> {
    Ok(answer.pointer("/result/id").and_then(Value::as_str).context("no id")?.to_owned())
}

fn held<const N: usize>(rows: [(&str, &str); N]) -> BTreeSet<(String, String)> {
    rows.map(|(role, place)| (role.to_owned(), place.to_owned())).into()
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_person_is_hired_promoted_moved_and_let_go(pool: PgPool) -> anyhow::Result<()> {
    let story = Story::begin(pool).await?;
    let (api, sales, labs) = (&story.api, &*story.sales, &*story.labs);
    let org = story.app.sandbox.snapshot().id.clone();

    // Hired into two workspaces, with a department and a role.
    let hired = json!({"email": "grace.hopper@example.com", "name": "Grace Hopper",
        "department": "Engineering", "workspaces": [{"id": sales}, {"id": labs}],
        "roles": [{"id": "Rl01", "workspace_id": labs}]});
    let grace = id(&api.post("users", &hired).await?.created()?)?;
    assert_eq!(story.provider_has(&grace, |one| one.job.department.clone())?, "Engineering");
    let start = [("org:member", &*org), ("ws:member", sales), ("ws:member", labs), ("Rl01", labs)];
    assert_eq!(story.holds(&grace).await?, held(start));

    // Promoted to admin of a workspace, and given a duty in the whole organization.
    let admin = json!({"user_id": grace, "role_id": "ws:admin", "workspace_id": labs});
    api.post("role-assignments", &admin).await?.created()?;
    let auditor = json!({"user_id": grace, "role_id": "Rl0C"});
    let duty = id(&api.post("role-assignments", &auditor).await?.created()?)?;
    let level = |one: &Person| one.membership(1).map(|membership| membership.level);
    assert_eq!(story.provider_has(&grace, level)?, Some(Level::Admin));
    assert_eq!(
        story.holds(&grace).await?,
        held([
            ("org:member", &org),
            ("ws:member", sales),
            ("ws:admin", labs),
            ("Rl01", labs),
            ("Rl0C", &org)
        ])
    );

    // Moved: another department, out of one workspace, without the duty.
    let path = format!("users/{grace}");
    let moved = api.patch(&path, &json!({"department": "Research"})).await?.okay()?;
    assert_eq!(moved["result"]["department"], "Research");
    api.delete(&format!("workspaces/{sales}/members/{grace}")).await?.okay()?;
    api.delete(&format!("role-assignments/{duty}")).await?.okay()?;
    assert_eq!(story.provider_has(&grace, |one| one.memberships.len())?, 1);
    let rest = [("org:member", &*org), ("ws:admin", labs), ("Rl01", labs)];
    assert_eq!(story.holds(&grace).await?, held(rest));

    // Made an admin of the organization, and a member again.
    let chief = json!({"user_id": grace, "role_id": "org:admin"});
    let chief = id(&api.post("role-assignments", &chief).await?.created()?)?;
    assert_eq!(story.provider_has(&grace, |one| one.org_level)?, OrgLevel::Admin);
    api.delete(&format!("role-assignments/{chief}")).await?.okay()?;

    // Let go: switched off and signed out everywhere.
    let gone = api.delete(&format!("{path}?sign_out=true")).await?.okay()?;
    assert_eq!(gone["result"]["status"], "inactive");
    assert!(!story.provider_has(&grace, Person::is_active)?);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_guest_comes_for_a_while_and_stays_longer(pool: PgPool) -> anyhow::Result<()> {
    let story = Story::begin(pool).await?;
    let (api, labs) = (&story.api, &*story.labs);
    let channel = story.app.sandbox.with_org(|org| {
        org.workspaces.get(1).and_then(|team| Some(team.channels.first()?.id.clone()))
    });
    let wish = json!({"email": "ada@agency.example", "name": "Ada Guest",
        "user_type": "guest_multi_channel", "expires_at": "2031-06-30T00:00:00Z",
        "workspaces": [{"id": labs, "channel_ids": [channel.context("no channel")?]}]});
    let ada = id(&api.post("users", &wish).await?.created()?)?;
    assert_eq!(story.holds(&ada).await?, held([("ws:guest_multi_channel", labs)]));
    assert_eq!(story.provider_has(&ada, Person::expires)?, 1_940_544_000);

    let path = format!("users/{ada}");
    api.patch(&path, &json!({"expires_at": "2031-12-31T00:00:00Z"})).await?.okay()?;
    assert_eq!(story.provider_has(&ada, Person::expires)?, 1_956_441_600);

    // Hired after all.
    api.patch(&path, &json!({"user_type": "member"})).await?.okay()?;
    assert_eq!(story.provider_has(&ada, Person::guest)?, None);
    assert!(story.holds(&ada).await?.contains(&("ws:member".to_owned(), labs.to_owned())));
    api.delete(&path).await?.okay()?;
    let back = api.patch(&path, &json!({"status": "active"})).await?.okay()?;
    assert_eq!(back["result"]["status"], "active");
    Ok(())
}
