//! A subscriber that keeps the newest state of each object by `sequence` ends with the gateway's state, whatever the
//! order and the repetition of the deliveries.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::domain::entropy::{Entropy, SeededEntropy, random_bytes};
use switchboard::webhooks::{SenderOptions, WebhookSender};
use tokio_util::sync::CancellationToken;

use super::super::text;
use super::sink::{EndpointReply, Received, Sink};
use crate::sync::{SyncedApp, key_of};

/// The kinds of objects in a directory.
const OBJECTS: [&str; 6] = [
    "user.*",
    "workspace.*",
    "workspace_member.*",
    "group.*",
    "group_member.*",
    "role_assignment.*",
];

/// What a subscriber knows of each object: the number of its last event, and its state.
#[derive(Default)]
struct Subscriber(BTreeMap<(String, String), (i64, Option<Value>)>);

impl Subscriber {
    /// Receives an event.
    fn receive(&mut self, event: &Value) -> anyhow::Result<()> {
        let (noun, _) = text(event, "type")?.split_once('.').context("no verb")?;
        let object = Some(&event["object"]).filter(|object| !object.is_null());
        let whole = object.unwrap_or(&event["previous"]);
        let key = (noun.to_owned(), key_of(noun, whole)?);
        let sequence = event["sequence"].as_i64().context("no sequence")?;
        let known = self.0.entry(key).or_insert((0, None));
        if known.0 < sequence {
            *known = (sequence, object.cloned());
        }
        Ok(())
    }

    /// Returns the objects that exist.
    fn objects(&self) -> BTreeMap<(String, String), Value> {
        let existing = |(key, (_, object)): (&(String, String), &(i64, Option<Value>))| {
            Some((key.clone(), object.clone()?))
        };
        self.0.iter().filter_map(existing).collect()
    }
}

/// Returns the values in a random order, each up to three times.
fn shuffled(values: &[Value], entropy: &dyn Entropy) -> Vec<Value> {
    let number = || u64::from_be_bytes(random_bytes(entropy));
    let mut all = Vec::new();
    for value in values {
        for _ in 0..=number() % 3 {
            all.push((number(), value.clone()));
        }
    }
    all.sort_by_key(|(order, _)| *order);
    all.into_iter().map(|(_, value)| value).collect()
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_subscriber_ends_with_the_copy_whatever_the_order(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({"emit_initial": true})).await?;
    let mut config = synced.app.config.clone();
    config.webhooks.allow_private_addresses = true;
    let (url, state) = synced.app.second_gateway(&config).await?;
    let options = SenderOptions {
        endpoints: 64,
        per_endpoint: 16,
        lease: config.webhooks.lease(),
        poll_every: config.webhooks.poll_every(),
    };
    let sender = WebhookSender::new(state.webhooks.clone(), "subscriber".to_owned(), options);
    let sink = Sink::start().await?;
    // The first attempts of some fail, so that others overtake them.
    for status in [200, 500, 200, 200, 503, 200, 500, 200, 200, 500] {
        sink.respond_next_with(EndpointReply::status(status));
    }
    let body =
        json!({"url": sink.url, "event_types": OBJECTS, "integrated_account_id": synced.account});
    synced.app.home.admin.clone().at(url).post("webhooks", &body).await?.created()?;

    synced.synced().await?;
    let users = synced.all("users?source=synced&user_type=member&status=active").await?;
    let workspaces = synced.all("workspaces?source=synced").await?;
    let workspace = workspaces.keys().next().context("no workspace")?;
    let groups = synced.all("groups?source=synced").await?;
    let group = groups.keys().next().context("no group")?;
    for round in 0..3 {
        for user in users.keys().take(4) {
            let title = json!({"title": format!("Title {round}")});
            // The provider may refuse some of these changes.
            synced.api.patch(&format!("users/{user}"), &title).await?;
            let member = json!({"user_id": user, "team_id": workspace});
            synced.api.post("proxy/api/admin.users.setAdmin", &member).await?;
        }
        let user = users.keys().nth(round).context("no user")?;
        let member = json!({"add_member_ids": [user]});
        synced.api.patch(&format!("groups/{group}"), &member).await?;
        synced.synced().await?;
        for user in users.keys().take(4) {
            let member = json!({"user_id": user, "team_id": workspace});
            synced.api.post("proxy/api/admin.users.setRegular", &member).await?;
        }
        let member = json!({"remove_member_ids": [user]});
        synced.api.patch(&format!("groups/{group}"), &member).await?;
        synced.synced().await?;
        sender.deliver_once(&CancellationToken::new()).await?;
    }
    synced.app.clock.advance(time::Duration::minutes(10));
    sender.deliver_once(&CancellationToken::new()).await?;

    synced.assert_equal().await?;
    synced.assert_replayed().await?;
    let expected = synced.replayed().await?;
    let received = sink.received();
    let accepted: Vec<Value> = received
        .iter()
        .filter(|request| request.is_accepted)
        .map(Received::event)
        .collect::<anyhow::Result<_>>()?;
    let changed = accepted.iter().filter(|event| event["initial"].is_null()).count();
    assert!(changed > 10, "only {changed} changes");
    let mut in_order = Subscriber::default();
    accepted.iter().try_for_each(|event| in_order.receive(event))?;
    assert_eq!(in_order.objects(), expected);
    let entropy = SeededEntropy::new(7);
    for _ in 0..20 {
        let mut subscriber = Subscriber::default();
        for event in shuffled(&accepted, &entropy) {
            subscriber.receive(&event)?;
        }
        assert_eq!(subscriber.objects(), expected);
    }
    Ok(())
}
