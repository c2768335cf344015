//! Lifecycle of two users of an organization, from the first day to the last, through the API alone.
//! After every step the provider's state and `/role-assignments` must agree.

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::org::{GridOrganization, OrgLevel, Person, WorkspaceLevel};

use crate::support::expected_values::{self, Assignment};
use crate::support::{Client, TestApp};

/// The organization and its client.
struct Lifecycle {
    app: TestApp,
    api: Client,
    sales: String,
    labs: String,
}

impl Lifecycle {
    async fn begin(pool: PgPool) -> anyhow::Result<Self> {
        let app = TestApp::new(pool).await?;
        let api = app.linked_client().await?;
        let team = |org: &GridOrganization, number: usize| {
            org.workspaces.get(number).map(|team| team.id.clone()).context("no workspace")
        };
        let org = app.sandbox.snapshot();
        Ok(Self { sales: team(&org, 0)?, labs: team(&org, 1)?, app, api })
    }

    /// Returns a user's roles as role and resource; gateway and provider must agree.
    async fn holds(&self, user: &str) -> anyhow::Result<BTreeSet<(String, String)>> {
        let (rows, _) = self.api.all(&format!("role-assignments?limit=50&user[id]={user}")).await?;
        let org = self.app.sandbox.snapshot();
        let held = expected_values::assignments(&org)
            .into_iter()
            .filter(|held: &Assignment| held.1 == user);
        let expected: BTreeSet<_> = held.map(|(role, _, place)| (role, place)).collect();
        let reported = rows.iter().map(|row| {
            let text = |field: &str| row[field].as_str().map(str::to_owned);
            let place = text("workspace_id").or_else(|| text("organization_id"));
            Ok((text("role_id").context("no role")?, place.context("no resource")?))
        });
        let reported = reported.collect::<anyhow::Result<BTreeSet<_>>>()?;
        assert_eq!(reported, expected, "the gateway and the provider agree about {user}");
        Ok(reported)
    }

    /// Returns the user's state at the provider.
    fn provider_has<T>(&self, user: &str, look: impl Fn(&Person) -> T) -> anyhow::Result<T> {
        let org = self.app.sandbox.snapshot();
        Ok(look(org.find(user).context("the provider has no such user")?.1))
    }
}

fn id(response: &Value) -> anyhow::Result<String> {
    Ok(response.pointer("/result/id").and_then(Value::as_str).context("no id")?.to_owned())
}

fn held<const N: usize>(rows: [(&str, &str); N]) -> BTreeSet<(String, String)> {
    rows.map(|(role, place)| (role.to_owned(), place.to_owned())).into()
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_user_is_created_promoted_moved_and_deactivated(pool: PgPool) -> anyhow::Result<()> {
    let lifecycle = Lifecycle::begin(pool).await?;
    let (api, sales, labs) = (&lifecycle.api, &*lifecycle.sales, &*lifecycle.labs);
    let org = lifecycle.app.sandbox.snapshot().id.clone();

    // Created in two workspaces, with a department and a role.
    let hired = json!({"email": "grace.hopper@example.com", "name": "Grace Hopper",
        "department": "Engineering", "workspaces": [{"id": sales}, {"id": labs}],
        "roles": [{"id": "Rl01", "workspace_id": labs}]});
    let grace = id(&api.post("users", &hired).await?.created()?)?;
    assert_eq!(lifecycle.provider_has(&grace, |one| one.job.department.clone())?, "Engineering");
    let start = [("org:member", &*org), ("ws:member", sales), ("ws:member", labs), ("Rl01", labs)];
    assert_eq!(lifecycle.holds(&grace).await?, held(start));

    // Promoted to admin of a workspace, and assigned a role in the whole organization.
    let admin = json!({"user_id": grace, "role_id": "ws:admin", "workspace_id": labs});
    api.post("role-assignments", &admin).await?.created()?;
    let auditor = json!({"user_id": grace, "role_id": "Rl0C"});
    let duty = id(&api.post("role-assignments", &auditor).await?.created()?)?;
    let level = |one: &Person| one.membership(1).map(|membership| membership.level);
    assert_eq!(lifecycle.provider_has(&grace, level)?, Some(WorkspaceLevel::Admin));
    assert_eq!(
        lifecycle.holds(&grace).await?,
        held([
            ("org:member", &org),
            ("ws:member", sales),
            ("ws:admin", labs),
            ("Rl01", labs),
            ("Rl0C", &org)
        ])
    );

    // Moved: another department, out of one workspace, without the role.
    let path = format!("users/{grace}");
    let moved = api.patch(&path, &json!({"department": "Research"})).await?.success()?;
    assert_eq!(moved["result"]["department"], "Research");
    api.delete(&format!("workspaces/{sales}/members/{grace}")).await?.success()?;
    api.delete(&format!("role-assignments/{duty}")).await?.success()?;
    assert_eq!(lifecycle.provider_has(&grace, |one| one.memberships.len())?, 1);
    let rest = [("org:member", &*org), ("ws:admin", labs), ("Rl01", labs)];
    assert_eq!(lifecycle.holds(&grace).await?, held(rest));

    // Promoted to admin of the organization, and demoted to member.
    let chief = json!({"user_id": grace, "role_id": "org:admin"});
    let chief = id(&api.post("role-assignments", &chief).await?.created()?)?;
    assert_eq!(lifecycle.provider_has(&grace, |one| one.org_level)?, OrgLevel::Admin);
    api.delete(&format!("role-assignments/{chief}")).await?.success()?;

    // Deactivated and signed out everywhere.
    let removed = api.delete(&format!("{path}?sign_out=true")).await?.success()?;
    assert_eq!(removed["result"]["status"], "inactive");
    assert!(!lifecycle.provider_has(&grace, Person::is_active)?);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_guest_is_created_and_converted_to_a_member(pool: PgPool) -> anyhow::Result<()> {
    let lifecycle = Lifecycle::begin(pool).await?;
    let (api, labs) = (&lifecycle.api, &*lifecycle.labs);
    let channel = lifecycle.app.sandbox.with_org(|org| {
        org.workspaces.get(1).and_then(|team| Some(team.channels.first()?.id.clone()))
    });
    let body = json!({"email": "ada@agency.example", "name": "Ada Guest",
        "user_type": "guest_multi_channel", "expires_at": "2031-06-30T00:00:00Z",
        "workspaces": [{"id": labs, "channel_ids": [channel.context("no channel")?]}]});
    let ada = id(&api.post("users", &body).await?.created()?)?;
    assert_eq!(lifecycle.holds(&ada).await?, held([("ws:guest_multi_channel", labs)]));
    assert_eq!(lifecycle.provider_has(&ada, Person::expires)?, 1_940_544_000);

    let path = format!("users/{ada}");
    api.patch(&path, &json!({"expires_at": "2031-12-31T00:00:00Z"})).await?.success()?;
    assert_eq!(lifecycle.provider_has(&ada, Person::expires)?, 1_956_441_600);

    // Converted to a member.
    api.patch(&path, &json!({"user_type": "member"})).await?.success()?;
    assert_eq!(lifecycle.provider_has(&ada, Person::guest_level)?, None);
    assert!(lifecycle.holds(&ada).await?.contains(&("ws:member".to_owned(), labs.to_owned())));
    api.delete(&path).await?.success()?;
    let back = api.patch(&path, &json!({"status": "active"})).await?.success()?;
    assert_eq!(back["result"]["status"], "active");
    Ok(())
}
