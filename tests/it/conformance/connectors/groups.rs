//! Groups: created with members, changed, renamed and deleted.

use serde_json::json;

use super::{Subject, id, outcome};

/// Creates a group, changes its members and its name, and deletes it.
pub(super) async fn change(subject: &Subject<'_>, users: &[String]) -> anyhow::Result<()> {
    let (api, name) = (&subject.api, subject.name);
    let [first, second, third, ..] = users else { anyhow::bail!("too few users") };
    let body = json!({"name": "Tour", "member_ids": [first, second]});
    if !subject.supports("groups", "create")? {
        subject.assert_rejected(&api.post("groups", &body).await?);
        return Ok(());
    }
    let created = api.post("groups", &body).await?.created()?;
    let path = format!("groups/{}", id(&created)?);
    let body = json!({"name": "Renamed", "add_member_ids": [third], "remove_member_ids": [first]});
    let changed = api.patch(&path, &body).await?.success()?;
    assert_eq!(outcome(&changed), "applied", "{name}: {changed}");
    let again = api.patch(&path, &body).await?.success()?;
    subject.assert_repeated(&again);
    let read = api.get(&path).await?.success()?["result"].clone();
    assert_eq!(read["name"], "Renamed", "{name}");
    let mut expected = [second.as_str(), third.as_str()];
    expected.sort_unstable();
    let listed = subject.all(&format!("{path}/members?limit=50")).await?;
    for members in [read["members"].as_array(), Some(&listed)] {
        let ids = members.into_iter().flatten().filter_map(|member| member["id"].as_str());
        let mut ids: Vec<_> = ids.collect();
        ids.sort_unstable();
        assert_eq!(ids, expected, "{name}: {read} {listed:?}");
    }
    let listed = subject.all("groups?limit=50").await?;
    assert!(listed.iter().any(|group| group["id"] == read["id"]), "{name}: {listed:?}");
    let deleted = api.delete(&path).await?.success()?;
    assert_eq!(deleted["result"]["outcome"], "applied", "{name}");
    assert_eq!(api.get(&path).await?.status, 404, "{name}");
    Ok(())
}
