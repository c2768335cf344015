//! A desired state with a step of each type, for different people in each round.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde_json::{Value, json};
use switchboard::sandbox::RecordedRequest;

use super::planned::{Organization, ids};

/// The provider's methods that write.
pub(super) const WRITES: [&str; 10] = [
    "admin.teams.create",
    "admin.users.assign",
    "admin.users.remove",
    "admin.users.setAdmin",
    "admin.users.setOwner",
    "admin.users.setRegular",
    "scim.users.create",
    "scim.users.update",
    "scim.users.delete",
    "scim.groups.update",
];

/// The people and places of the rounds.
pub(super) struct Mixture {
    people: Vec<(String, Value)>,
    workspaces: Vec<String>,
    groups: Vec<Value>,
}

impl Mixture {
    pub(super) async fn of(organization: &Organization) -> anyhow::Result<Self> {
        let groups = organization.synced.all("groups?source=synced&limit=100").await?;
        Ok(Self {
            people: organization.members().await?.into_iter().collect(),
            workspaces: organization.workspaces.clone(),
            groups: groups.into_values().collect(),
        })
    }

    /// Returns the desired state of a round, about six members and a new person.
    pub(super) fn desired(&self, round: usize) -> anyhow::Result<Value> {
        let mut people = self.people.iter().skip(round * 6).take(6);
        let mut next = || people.next().context("too few members");
        let (titled, _) = next()?;
        let (joining, _) = next()?;
        let (leaving, _) = next()?;
        let (grouped, _) = next()?;
        let (raised, placed) = next()?;
        let (both, _) = next()?;
        let place = ids(&placed["workspaces"]).into_iter().next().context("no workspace")?;
        let everywhere = &self.workspaces;
        let group = self.groups.get(round % self.groups.len()).context("no group")?;
        Ok(json!({
            "workspaces": [{"name": format!("Round {round}"), "domain": format!("round-{round}")}],
            "users": [
                {"email": titled, "title": format!("Title {round}")},
                {"email": joining, "workspaces": [everywhere[0], everywhere[1], format!("Round {round}")]},
                {"email": leaving, "status": "inactive"},
                {"email": grouped, "groups": [group["id"]]},
                {"email": raised, "roles": [{"id": "ws:admin", "workspace_id": place}]},
                {"email": both, "department": format!("Department {round}"), "workspaces": everywhere},
                {"email": format!("new{round}@example.com"), "name": format!("New {round}"),
                    "workspaces": [everywhere[0]]},
            ],
        }))
    }
}

impl Organization {
    /// Returns how many writes of a method the provider carried out.
    pub(super) fn carried_out(&self, method: &str) -> usize {
        let log = self.synced.app.sandbox.requests(Some(method));
        let is_done = |row: &&RecordedRequest| match row.error.as_deref() {
            None => row.status < 400,
            Some(fault) => matches!(fault, "lost_response" | "cut_body"),
        };
        log.requests.iter().filter(is_done).count()
    }

    /// Returns how many writes the provider carried out, by method.
    pub(super) fn all_carried_out(&self) -> BTreeMap<&'static str, usize> {
        WRITES.iter().map(|method| (*method, self.carried_out(method))).collect()
    }
}

/// Returns the writes that steps take, by method.
pub(super) fn writes_of(steps: &[Value]) -> BTreeMap<&'static str, usize> {
    let mut writes: BTreeMap<&'static str, usize> =
        WRITES.iter().map(|method| (*method, 0)).collect();
    let mut add = |method: &'static str, count: usize| *writes.entry(method).or_default() += count;
    for step in steps {
        let operation = &step["operation"];
        match operation["type"].as_str().unwrap_or_default() {
            "workspace.create" => add("admin.teams.create", 1),
            "user.create" => {
                add("scim.users.create", 1);
                let places = operation["user"]["workspaces"].as_array();
                add("admin.users.assign", places.map_or(0, Vec::len));
            }
            "user.update" => add("scim.users.update", 1),
            "user.deactivate" => add("scim.users.delete", 1),
            "workspace_member.add" => add("admin.users.assign", 1),
            "workspace_member.remove" => add("admin.users.remove", 1),
            "role_assignment.grant" => add("admin.users.setAdmin", 1),
            "role_assignment.revoke" => add("admin.users.setRegular", 1),
            _ => add("scim.groups.update", 1),
        }
    }
    writes
}
