//! Role assignments: one is added and removed, and nothing else changes.

use std::collections::BTreeSet;

use serde_json::json;

use super::{Subject, id, outcome};

/// Returns the roles of a user.
async fn held(subject: &Subject<'_>, user: &str) -> anyhow::Result<BTreeSet<String>> {
    let rows = subject.all(&format!("role-assignments?limit=50&user[id]={user}")).await?;
    Ok(rows.iter().filter_map(|row| row["role_id"].as_str().map(str::to_owned)).collect())
}

/// Assigns a role twice and removes it.
pub(super) async fn assign_and_remove(subject: &Subject<'_>, user: &str) -> anyhow::Result<()> {
    let (api, name) = (&subject.api, subject.name);
    let body = json!({"user_id": user, "role_id": subject.role_id});
    if !subject.supports("role_assignments", "create")? {
        subject.assert_rejected(&api.post("role-assignments", &body).await?);
        return Ok(());
    }
    let before = held(subject, user).await?;
    let assigned = api.post("role-assignments", &body).await?.created()?;
    assert_eq!(outcome(&assigned), "applied", "{name}: {assigned}");
    let mut expected = before.clone();
    expected.insert(subject.role_id.to_owned());
    assert_eq!(held(subject, user).await?, expected, "{name}");
    let path = format!("role-assignments/{}", id(&assigned)?);
    assert_eq!(api.get(&path).await?.success()?["result"]["role_id"], subject.role_id, "{name}");
    let removed = api.delete(&path).await?.success()?;
    assert_eq!(removed["result"]["outcome"], "applied", "{name}");
    assert_eq!(api.get(&path).await?.status, 404, "{name}");
    assert_eq!(held(subject, user).await?, before, "{name}");
    Ok(())
}
