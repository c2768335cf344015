//! `duplicate_emails`, at a SCIM server: Slack has no two people with one address.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::domain::clock::Clock as _;

use crate::support::scim_server::{ScimOptions, ScimServer, open_app};
use crate::sync::SyncedApp;

/// Changes a user at the server, and runs the sync.
async fn change(
    synced: &SyncedApp,
    server: &ScimServer,
    id: &str,
    change: impl FnOnce(&mut Value),
) -> anyhow::Result<()> {
    let mut user = server.user(id).context("no user")?;
    change(&mut user);
    server.set_time(synced.app.clock.now());
    server.replace_user(id, user);
    synced.poll().await?;
    synced.evaluate().await
}

fn address(user: &mut Value, email: &str) {
    user["emails"] = json!([{"value": email, "type": "work", "primary": true}]);
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn duplicate_emails(pool: PgPool) -> anyhow::Result<()> {
    let server = ScimServer::start(ScimOptions::default()).await?;
    let ids = server.add_users(5);
    let app = open_app(pool).await?;
    let account = server.link(&app, "acme").await?;
    let api = app.client_for(&account)?;
    let path = format!("integrated-accounts/{account}");
    app.home.api.patch(&path, &json!({"sync": {"enabled": true}})).await?.success()?;
    let synced = SyncedApp { app, account, api };
    server.set_time(synced.app.clock.now());
    synced.synced().await?;
    synced.follow().await?;
    synced.policy("duplicate_emails", json!({}), json!({})).await?;
    assert_eq!(synced.drift("").await?, Vec::<Value>::new());

    // One person who can sign in, and one who can't.
    assert_eq!(server.user(&ids[4]).context("no user")?["active"], false);
    change(&synced, &server, &ids[4], |user| address(user, "user0@example.com")).await?;
    assert_eq!(synced.drift("").await?, Vec::<Value>::new());

    change(&synced, &server, &ids[1], |user| address(user, "User0@Example.com")).await?;
    let open = synced.only_drift("").await?;
    assert_eq!(open["status"], "open");
    assert_eq!(open["subject"], json!({"type": "email", "id": "user0@example.com"}));
    let mut both = vec![json!(ids[0]), json!(ids[1])];
    both.sort_by_key(Value::to_string);
    assert_eq!(open["evidence"]["user_ids"], json!(both));
    let found = synced.would_find("duplicate_emails", &json!({})).await?;
    assert_eq!(found, ["user0@example.com"]);
    let fix = format!("drift/{}/fix", open["id"].as_str().context("no id")?);
    synced.api.post(&fix, &json!({})).await?.problem(409, "nothing_to_fix");

    // A third person: the same violation, with other evidence.
    change(&synced, &server, &ids[2], |user| address(user, "user0@example.com")).await?;
    let third = synced.only_drift("").await?;
    assert_eq!((&third["id"], &third["occurrences"]), (&open["id"], &json!(1)));
    assert_eq!(third["evidence"]["values"]["people"], 3);
    for (id, left) in [(&ids[2], "open"), (&ids[1], "resolved")] {
        let email = format!("{id}@example.com");
        change(&synced, &server, id, |user| address(user, &email)).await?;
        assert_eq!(synced.only_drift("").await?["status"], left);
    }

    // A person whose account is deactivated leaves the condition, too.
    change(&synced, &server, &ids[1], |user| address(user, "user0@example.com")).await?;
    let again = synced.only_drift("").await?;
    assert_eq!((&again["status"], &again["occurrences"]), (&json!("open"), &json!(2)));
    change(&synced, &server, &ids[0], |user| user["active"] = false.into()).await?;
    assert_eq!(synced.only_drift("").await?["status"], "resolved");
    Ok(())
}
