//! Reads of SCIM accounts: filters, roles and their assignments, workspaces, groups, `/me`.

#![expect(clippy::indexing_slicing, reason = "a field that a JSON value does not have is null")]

mod filters;
mod groups;
mod roles;
mod workspaces;

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::writes::{linked, set};
use crate::support::Client;
use crate::support::scim_server::ScimServer;

async fn ids(api: &Client, path: &str) -> anyhow::Result<Vec<String>> {
    let (rows, _) = api.all(path).await?;
    let ids = rows.iter().map(|row| Ok(row["id"].as_str().context("no id")?.to_owned()));
    ids.collect()
}

/// Returns the ids of a list, each of which must occur once.
async fn id_set(api: &Client, path: &str) -> anyhow::Result<BTreeSet<String>> {
    let all = ids(api, path).await?;
    let set: BTreeSet<String> = all.iter().cloned().collect();
    anyhow::ensure!(set.len() == all.len(), "each row of {path} once: {all:?}");
    Ok(set)
}

fn texts<const N: usize>(texts: [&str; N]) -> BTreeSet<String> {
    texts.into_iter().map(str::to_owned).collect()
}

/// Adds groups: two roles, and another.
fn add_groups(server: &ScimServer, users: &[String]) -> Vec<String> {
    let group = |name: &str, members: &[usize]| {
        let members: Vec<Value> =
            members.iter().map(|index| json!({"value": users[*index], "type": "User"})).collect();
        server.add_group(json!({"displayName": name, "members": members}))
    };
    let nested = group("app-nested", &[5]);
    let groups =
        vec![group("app-admin", &[0, 1, 2]), group("app-reader", &[1, 3]), group("Team", &[1, 4])];
    let member = json!({"displayName": "app-with-group",
        "members": [{"value": users[4]}, {"value": nested, "type": "Group"}]});
    [groups, vec![nested, server.add_group(member)]].concat()
}
