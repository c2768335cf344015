//! Compares the copy with the directory as the provider shows it, and with what the events say.

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{SyncedApp, key_of};

/// The `expand[]` parameters with which a provider's lists have all that the copy has; each begins with `&`.
pub(crate) struct Expansions {
    /// Of workspaces.
    pub(crate) workspaces: &'static str,
    /// Of users.
    pub(crate) users: &'static str,
}

impl Expansions {
    /// Those of Slack.
    pub(crate) const SLACK: Self = Self {
        workspaces: "&expand[]=owners&expand[]=settings",
        users: "&expand[]=profile&expand[]=roles&expand[]=groups",
    };
}

/// Sorts the lists of an object, whose order has no meaning.
fn sorted(mut object: Value) -> Value {
    for name in ["roles", "groups", "workspaces", "members", "owner_ids", "admin_ids"] {
        if let Some(list) = object.get_mut(name).and_then(Value::as_array_mut) {
            list.sort_by_key(Value::to_string);
        }
    }
    object
}

/// Removes the names of other objects, which a provider's list does not always have.
fn without_names(mut object: Value) -> Value {
    for name in ["groups", "workspaces", "members", "workspace"] {
        for one in object.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(fields) = one.as_object_mut() {
                fields.remove("name");
            }
        }
    }
    object
}

/// Removes the levels in workspaces, which the provider's lists of users do not have.
fn without_workspace_levels(mut user: Value) -> Value {
    if let Some(roles) = user["roles"].as_array_mut() {
        roles.retain(|role| {
            let id = role["id"].as_str().unwrap_or_default();
            !id.starts_with("ws:") || id.starts_with("ws:guest")
        });
    }
    user
}

/// Removes what only the copy knows of a role: who assigned it, and when, unless the other one has that time.
fn without_grants(mut assignment: Value, other: &Value) -> Value {
    if !assignment["granted_by"].is_null() {
        assignment["granted_by"] = Value::Null;
        if other["created_at"].is_null() {
            assignment["created_at"] = Value::Null;
        }
    }
    assignment
}

impl SyncedApp {
    /// Asserts that the copy of an account of Slack has the objects of the directory, with equal fields.
    pub(crate) async fn assert_equal(&self) -> anyhow::Result<()> {
        self.assert_equal_with(&Expansions::SLACK).await
    }

    /// Asserts that the copy has the objects of the directory, listed with these expansions, with equal fields.
    pub(crate) async fn assert_equal_with(&self, expansions: &Expansions) -> anyhow::Result<()> {
        for (resource, expand) in
            [("workspaces", expansions.workspaces), ("groups", ""), ("role-assignments", "")]
        {
            let live = self.all(&format!("{resource}?limit=1000{expand}")).await?;
            let copied = self.all(&format!("{resource}?limit=7&source=synced")).await?;
            let ids = |rows: &std::collections::BTreeMap<String, Value>| {
                rows.keys().cloned().collect::<Vec<_>>()
            };
            assert_eq!(ids(&copied), ids(&live), "{resource}");
            for (id, live) in live {
                let mut copied = copied.get(&id).cloned().context(id)?;
                if resource == "role-assignments" {
                    copied = without_grants(copied, &live);
                }
                if resource == "workspaces" {
                    // Slack does not return how many members a workspace has.
                    copied["member_count"] = Value::Null;
                }
                assert_eq!(
                    without_names(sorted(copied)),
                    without_names(sorted(live)),
                    "{resource}"
                );
            }
        }
        let path = format!("users?limit=1000{}", expansions.users);
        let live = self.all(&path);
        let (live, copied) = (live.await?, self.all("users?limit=7&source=synced").await?);
        assert_eq!(copied.len(), live.len());
        for (id, mut live) in live {
            let copied = copied.get(&id).cloned().context(id)?;
            if live["groups"].is_null() {
                live["groups"] = json!([]);
            }
            let copied = sorted(without_workspace_levels(without_names(copied)));
            assert_eq!(copied, sorted(without_names(live)));
        }
        Ok(())
    }

    /// Asserts that the events, applied one after the other, give the copy.
    pub(crate) async fn assert_replayed(&self) -> anyhow::Result<()> {
        let mut replayed = self.replayed().await?;
        for (noun, resource, apart) in [
            ("workspace", "workspaces", &["member_count"][..]),
            ("user", "users", &["roles", "groups", "workspaces", "last_activity_at"]),
            ("group", "groups", &["members", "member_count"]),
            ("role_assignment", "role-assignments", &["workspace"]),
        ] {
            for (id, mut copied) in
                self.all(&format!("{resource}?source=synced&limit=1000")).await?
            {
                let members: Vec<(String, Value)> = match noun {
                    "user" => members(
                        "workspace",
                        &copied["workspaces"],
                        |workspace| json!({"workspace_id": workspace, "user_id": id}),
                    )?,
                    "group" => members(
                        "group",
                        &copied["members"],
                        |user| json!({"group_id": id, "user_id": user}),
                    )?,
                    _ => Vec::new(),
                };
                for (kind, member) in members {
                    let key = (kind.clone(), key_of(&kind, &member)?);
                    assert_eq!(replayed.remove(&key), Some(member));
                }
                if noun == "role_assignment" {
                    let key = (noun.to_owned(), id.clone());
                    copied = without_grants(copied, replayed.get(&key).context("no event")?);
                }
                for name in apart {
                    copied.as_object_mut().context("no object")?.remove(*name);
                }
                assert_eq!(replayed.remove(&(noun.to_owned(), id)), Some(copied));
            }
        }
        assert!(replayed.is_empty(), "{replayed:?}");
        Ok(())
    }
}

/// Returns the memberships that a list of references stands for.
fn members(
    noun: &str,
    references: &Value,
    of: impl Fn(&Value) -> Value,
) -> anyhow::Result<Vec<(String, Value)>> {
    let references = references.as_array().context("no references")?;
    Ok(references.iter().map(|one| (format!("{noun}_member"), of(&one["id"]))).collect())
}
