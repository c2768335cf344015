//! Lists and single reads of every resource.

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde_json::Value;

use super::Subject;

/// The resources, with the paths of their lists.
const LISTS: [(&str, &str); 5] = [
    ("users", "users"),
    ("groups", "groups"),
    ("roles", "roles"),
    ("role_assignments", "role-assignments"),
    ("workspaces", "workspaces"),
];

/// Returns the ids of rows, each of which is there once.
fn ids(subject: &Subject<'_>, rows: &[Value]) -> anyhow::Result<BTreeSet<String>> {
    let mut ids = BTreeSet::new();
    for row in rows {
        let id = row["id"].as_str().with_context(|| format!("{}: {row}", subject.name))?;
        anyhow::ensure!(ids.insert(id.to_owned()), "{}: twice: {id}", subject.name);
    }
    Ok(ids)
}

/// Checks that small and large pages have the same rows, that each row is read by its id, and that an unknown id is not
/// found.
pub(super) async fn check(subject: &Subject<'_>) -> anyhow::Result<()> {
    let (api, name) = (&subject.api, subject.name);
    for (resource, path) in LISTS {
        if !subject.supports(resource, "list")? {
            subject.assert_rejected(&api.get(path).await?);
            continue;
        }
        let large = ids(subject, &subject.all(&format!("{path}?limit=200")).await?)?;
        let small = ids(subject, &subject.all(&format!("{path}?limit=9")).await?)?;
        assert_eq!(small, large, "{name}: {path}");
        for id in large.iter().take(2) {
            let read = api.get(&format!("{path}/{id}")).await?.success()?;
            assert_eq!(read["result"]["id"], **id, "{name}: {path}");
        }
        let unknown = api.get(&format!("{path}/nobody")).await?;
        assert_eq!(unknown.status, 404, "{name}: {path}: {}", unknown.text);
    }
    Ok(())
}
