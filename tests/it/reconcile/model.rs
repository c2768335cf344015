//! Random organizations and desired states: a plan that is applied leaves nothing to do, and its inverse restores what
//! was.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::planned::{Organization, ids};
use super::rule_sets::rule;
use crate::sync::{SyncedApp, id_of};

/// Number of desired states of an organization.
const ROUNDS: usize = 6;
/// What no plan of these tests exceeds.
const MANY: &str = r#"{"max_removals": {"count": 1000, "percent": 100}}"#;

/// A generator of small numbers.
struct Choices(u64);

impl Choices {
    /// Returns a number below `count`.
    fn below(&mut self, count: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % count.max(1)
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn some(&mut self, list: &[String]) -> Vec<String> {
        list.iter().filter(|_| self.chance(50)).cloned().collect()
    }

    fn mode(&mut self) -> &'static str {
        if self.chance(50) { "additive" } else { "authoritative" }
    }
}

/// Returns what is compared of a user.
fn state(user: &Value) -> Value {
    let sorted = |field: &str, text: &dyn Fn(&Value) -> String| {
        let mut texts: Vec<String> =
            user[field].as_array().into_iter().flatten().map(text).collect();
        texts.sort();
        texts
    };
    json!({
        "department": user["department"], "title": user["title"], "status": user["status"],
        "user_type": user["user_type"], "expires_at": user["expires_at"],
        "workspaces": ids(&user["workspaces"]),
        "roles": sorted("roles", &|role| format!("{}@{}", role["id"], role["workspace_id"])),
        "groups": sorted("groups", &|group| group["id"].to_string()),
    })
}

/// The people of an organization that rounds choose from, by their e-mail addresses.
struct People {
    members: Vec<(String, Value)>,
    guests: Vec<(String, Value)>,
    groups: Vec<String>,
}

impl People {
    async fn of(organization: &Organization, choices: &mut Choices) -> anyhow::Result<Self> {
        let path = "users?source=synced&limit=1000&status=active&user_type=guest_multi_channel";
        let guests = organization.synced.all(path).await?.into_values().filter_map(|user| {
            let email = user.pointer("/emails/0/email")?.as_str()?.to_owned();
            Some((email, user))
        });
        let members = organization.members().await?;
        let skipped = choices.below(members.len().saturating_sub(14));
        let groups = organization.synced.all("groups?source=synced&limit=100").await?;
        Ok(Self {
            members: members.into_iter().skip(skipped).take(14).collect(),
            guests: guests.take(3).collect(),
            groups: groups.into_keys().collect(),
        })
    }

    fn all(&self) -> impl Iterator<Item = &(String, Value)> {
        self.members.iter().chain(&self.guests)
    }

    /// Returns the states of all people at the provider.
    async fn states(&self, organization: &Organization) -> anyhow::Result<Vec<Value>> {
        let mut states = Vec::new();
        for (_, user) in self.all() {
            states.push(state(&organization.live(user).await?));
        }
        Ok(states)
    }

    /// Returns a random desired state.
    fn desired(&self, organization: &Organization, mode: &str, choices: &mut Choices) -> Value {
        let mut people = Vec::new();
        for (email, _) in &self.members {
            if choices.chance(60) {
                people.push(self.member(email, organization, choices));
            }
        }
        for (email, _) in &self.guests {
            // Guests who are removed from a workspace are not added again: their channels are not known.
            if mode == "authoritative" || choices.chance(50) {
                people
                    .push(json!({"email": email, "title": format!("Guest {}", choices.below(3))}));
            }
        }
        json!({ "users": people })
    }

    fn member(&self, email: &str, organization: &Organization, choices: &mut Choices) -> Value {
        let mut person = json!({"email": email, "status": "active"});
        if choices.chance(15) {
            person["status"] = json!("inactive");
            return person;
        }
        for (field, letter) in [("department", 'D'), ("title", 'T')] {
            if choices.chance(50) {
                person[field] = json!(format!("{letter}{}", choices.below(3)));
            }
        }
        if choices.chance(60) {
            let wanted = choices.some(&organization.workspaces);
            let mut roles: Vec<Value> = Vec::new();
            for place in &wanted {
                if choices.chance(40) {
                    let role = ["ws:member", "ws:admin", "ws:owner"][choices.below(3)];
                    roles.push(json!({"id": role, "workspace_id": place}));
                }
            }
            if choices.chance(20) {
                roles.push(json!({"id": "org:admin"}));
            }
            if choices.chance(70) {
                person["roles"] = json!(roles);
            }
            if !wanted.is_empty() {
                person["workspaces"] = json!(wanted);
            }
        }
        if choices.chance(40) {
            person["groups"] = json!(choices.some(&self.groups));
        }
        person
    }

    /// Returns random rules about the departments of the people.
    fn rules(&self, organization: &Organization, choices: &mut Choices) -> Value {
        let rules = (0..3).map(|_| {
            let (_, user) = &self.members[choices.below(self.members.len())];
            let place = &organization.workspaces[choices.below(organization.workspaces.len())];
            let then = match choices.below(3) {
                0 => json!({"workspaces": [place]}),
                1 => json!({"groups": [self.groups[choices.below(self.groups.len())]]}),
                _ => {
                    let role = ["ws:admin", "ws:owner"][choices.below(2)];
                    json!({"workspaces": [place], "roles": [{"id": role, "workspace_id": place}]})
                }
            };
            rule(user["department"].as_str().unwrap_or_default(), then)
        });
        rules.collect()
    }
}

/// Requests the plan of a body, applies it, requires that another one is empty, and undoes it.
async fn apply_and_undo(
    organization: &Organization,
    people: &People,
    (body, round): (&Value, &str),
) -> anyhow::Result<()> {
    let synced = &organization.synced;
    let request = async || -> anyhow::Result<Value> {
        let requested = synced.api.post("reconciliations", body).await?;
        anyhow::ensure!(requested.status == 202, "{}", requested.text);
        synced.work().await?;
        organization.read(&id_of(&requested.body)?).await
    };
    let open = |steps: &[Value], bad: bool| -> Vec<Value> {
        let fine: &[&str] = if bad { &["applied", "unchanged", "skipped"] } else { &["skipped"] };
        let is_open = |step: &&Value| !fine.iter().any(|one| step["outcome"] == *one);
        steps.iter().filter(is_open).cloned().collect()
    };
    let before = people.states(organization).await?;
    let plan = request().await?;
    anyhow::ensure!(plan["status"] == "planned", "{round}: {plan}");
    let applied = organization.apply(&plan).await?;
    let steps = organization.steps(&plan).await?;
    assert_eq!(open(&steps, true), Vec::<Value>::new(), "{round}");
    let left = open(&organization.steps(&request().await?).await?, false);
    assert_eq!(left, Vec::<Value>::new(), "{round}: {steps:#?}");
    if applied["counts"]["applied"] == 0 {
        return Ok(());
    }
    let inverse = organization.inverse(&plan).await?;
    let over = json!({"override_removals": inverse["removals"]["override_removals"]});
    let undone = organization.apply_with(&inverse, &over).await?;
    let undoing = organization.steps(&inverse).await?;
    assert_eq!(undone["status"], "applied", "{round}: {undoing:#?}");
    for ((email, _), (is, was)) in
        people.all().zip(people.states(organization).await?.iter().zip(&before))
    {
        let of = |steps: &[Value]| -> Vec<Value> {
            steps.iter().filter(|step| step["subject"]["key"] == **email).cloned().collect()
        };
        assert_eq!(is, was, "{round} {email}: {:#?} {:#?}", of(&steps), of(&undoing));
    }
    Ok(())
}

async fn rounds(pool: PgPool, seed: u64) -> anyhow::Result<()> {
    let organization = Organization::of(SyncedApp::new(pool, json!({})).await?).await?;
    let mut choices = Choices(seed);
    let people = People::of(&organization, &mut choices).await?;
    let guards: Value = serde_json::from_str(MANY)?;
    for round in 0..ROUNDS {
        let mode = choices.mode();
        let mut body = json!({"guards": guards, "mode": mode});
        if choices.chance(30) {
            let rules = people.rules(&organization, &mut choices);
            // People whom nobody chose stay: the channels of guests would not be known for the inverse.
            let set = organization.synced.rule_set(rules, json!({"mode": "additive"})).await?;
            body["rule_set_id"] = json!(set);
            body["mode"] = json!("additive");
        } else {
            body["desired"] = people.desired(&organization, mode, &mut choices);
            // Of groups, some have a mode of their own.
            let group =
                people.groups.get(choices.below(people.groups.len())).context("no group")?;
            body["scope"] = json!({"groups": [{"id": group, "mode": "additive"}]});
        }
        let name = format!("seed {seed} round {round} {mode}");
        apply_and_undo(&organization, &people, (&body, &name)).await?;
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_applied_plan_leaves_nothing_and_its_inverse_restores(
    pool: PgPool,
) -> anyhow::Result<()> {
    Box::pin(rounds(pool, 27)).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_applied_plan_leaves_nothing_for_other_people(pool: PgPool) -> anyhow::Result<()> {
    Box::pin(rounds(pool, 5)).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_applied_plan_leaves_nothing_in_a_third_organization(
    pool: PgPool,
) -> anyhow::Result<()> {
    Box::pin(rounds(pool, 81)).await
}
