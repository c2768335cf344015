//! Users: created, listed in pages and by filters, changed, deactivated and reactivated.

use serde_json::{Value, json};

use super::{Subject, id, outcome};

/// Users that are created.
const USERS: usize = 5;

/// Creates users and reads them: in pages, each once, and by address.
pub(super) async fn create_and_list(subject: &Subject<'_>) -> anyhow::Result<Vec<String>> {
    let (api, name) = (&subject.api, subject.name);
    let before = subject.all("users?limit=50").await?;
    let mut users = Vec::new();
    for number in 0..USERS {
        let body = json!({"email": format!("tour{number}@example.com"), "first_name": "Tour",
            "last_name": format!("Person{number}"), "department": "Research",
            "external_id": format!("ext-{number}")});
        let created = api.post("users", &body).await?.created()?;
        let user = &created["result"];
        for (field, value) in [
            ("name", json!(format!("Tour Person{number}"))),
            ("department", json!("Research")),
            ("external_id", json!(format!("ext-{number}"))),
            ("status", json!("active")),
        ] {
            assert_eq!(user[field], value, "{name}: {field} of {user}");
        }
        users.push(id(&created)?);
        let again = api.post("users", &body).await?;
        assert_eq!(again.status, 409, "{name}: {}", again.text);
    }
    let after = subject.all("users?limit=7").await?;
    assert_eq!(after.len(), before.len() + USERS, "{name}");
    for (number, user) in users.iter().enumerate() {
        let listed = after.iter().filter(|row| row["id"] == **user).count();
        assert_eq!(listed, 1, "{name}: {user}");
        let path = format!("users?limit=50&email=tour{number}@example.com");
        let found = subject.all(&path).await?;
        let found: Vec<_> = found.iter().filter_map(|row| row["id"].as_str()).collect();
        assert_eq!(found, [user], "{name}");
    }
    Ok(users)
}

/// Changes one user: profile, address, status.
pub(super) async fn change(subject: &Subject<'_>, user: &str, boss: &str) -> anyhow::Result<()> {
    let (api, name) = (&subject.api, subject.name);
    let path = format!("users/{user}");
    for (field, body, at, value) in [
        ("title", json!({"title": "Analyst"}), "/title", json!("Analyst")),
        ("name", json!({"last_name": "King"}), "/name", json!("Tour King")),
        ("department", json!({"department": "Sales"}), "/department", json!("Sales")),
        (
            "emails",
            json!({"email": "king@example.com"}),
            "/emails/0/email",
            json!("king@example.com"),
        ),
        ("manager", json!({"manager": {"id": boss}}), "/manager/id", json!(boss)),
        ("phones", json!({"phones": [{"number": "+44 1"}]}), "/phones/0/number", json!("+44 1")),
        ("manager", json!({"title": null, "manager": null}), "/manager", Value::Null),
        ("department", json!({"department": "Legal"}), "/department", json!("Legal")),
    ] {
        if !subject.can_write("users", field)? {
            let rejected = api.patch(&path, &body).await?;
            assert!([422, 501].contains(&rejected.status), "{name}: {}", rejected.text);
            continue;
        }
        let changed = api.patch(&path, &body).await?.success()?;
        assert_eq!(outcome(&changed), "applied", "{name}: {changed}");
        let read = api.get(&path).await?.success()?["result"].clone();
        let found = read.pointer(at).cloned().unwrap_or_default();
        assert_eq!(found, value, "{name}: {at} of {read} after {body}");
    }
    let same = json!({"department": "Legal", "last_name": "King", "email": "king@example.com"});
    let before = api.get(&path).await?.success()?;
    let again = api.patch(&path, &same).await?.success()?;
    subject.assert_repeated(&again);
    let read = api.get(&path).await?.success()?;
    assert_eq!(read["result"], before["result"], "{name}");
    assert_eq!(read["result"]["external_id"], "ext-0", "{name}: it is never lost");

    let removed = api.delete(&path).await?.success()?;
    assert_eq!(outcome(&removed), "applied", "{name}: {removed}");
    let again = api.delete(&path).await?.success()?;
    subject.assert_repeated(&again);
    for removed in [removed, again] {
        assert_eq!(removed["result"]["status"], "inactive", "{name}");
    }
    let inactive = subject.all("users?limit=50&status=inactive").await?;
    assert!(inactive.iter().any(|row| row["id"] == user), "{name}: {inactive:?}");
    let back = api.patch(&path, &json!({"status": "active"})).await?.success()?;
    assert_eq!(back["result"]["status"], "active", "{name}");
    Ok(())
}
