//! The demo's provider app: the OAuth client of the sandbox, and the events that the sandbox sends for it.

use std::time::Duration;

use anyhow::Context as _;
use url::Url;

use crate::connectors::OAuthLink;
use crate::domain::clock::{Clock as _, SystemClock};
use crate::domain::entropy::SystemEntropy;
use crate::domain::ids::{EnvironmentId, ProviderAppId};
use crate::domain::provider::Provider;
use crate::http::AppState;
use crate::sandbox::{
    DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, DEFAULT_SIGNING_SECRET, Sandbox, SubscriptionRequest,
};
use crate::store::{AuditEntry, NewProviderApp, ProviderApp};
use crate::vault::secret::{ClientSecret, SigningSecret};

/// The actor in the audit log.
pub(super) const ACTOR: &str = "demo";
/// The provider of the sandbox.
const PROVIDER: Provider = Provider::SlackEnterprise;

/// Number of further attempts to subscribe to events.
const MAX_ATTEMPTS: u32 = 20;
/// The pause between them.
const ATTEMPT_PAUSE: Duration = Duration::from_millis(250);
/// The events of changes in the directory. Those of revoked tokens are left out: all accounts of a demo have the same
/// organization and installer, so the disconnection of one would mark the others as revoked.
const EVENTS: [&str; 8] = [
    "team_join",
    "user_change",
    "subteam_created",
    "subteam_updated",
    "subteam_members_changed",
    "team_rename",
    "team_access_granted",
    "team_access_revoked",
];

/// Creates a provider app for the sandbox's OAuth client, unless an earlier run did.
pub(super) async fn register(
    state: &AppState,
    environment_id: EnvironmentId,
) -> anyhow::Result<()> {
    let db = state.store.tenant(environment_id);
    if db.provider_app_for(PROVIDER).await?.is_some() {
        return Ok(());
    }
    let id = ProviderAppId::generate(&SystemClock, &SystemEntropy);
    let secret = ClientSecret::from(DEFAULT_CLIENT_SECRET.to_owned());
    let sealed = state.vault.seal_app(environment_id, id, &secret, Some(&signing_secret()))?;
    let link = state.registry.connector(PROVIDER).linking().oauth();
    let scopes = link.map(OAuthLink::default_scopes).unwrap_or_default();
    let app = ProviderApp {
        id,
        provider: PROVIDER,
        client_id: DEFAULT_CLIENT_ID.to_owned(),
        data_key: sealed.data_key,
        client_secret: sealed.client_secret,
        signing_secret: sealed.signing_secret,
        scopes: scopes.iter().map(ToString::to_string).collect(),
        pkce: false,
        updated_at: SystemClock.now(),
    };
    let subject = id.to_string();
    let entry = entry("provider_app.created", &subject);
    db.insert_provider_app(&NewProviderApp { app: &app, now: app.updated_at }, &entry).await?;
    Ok(())
}

/// Subscribes the app to the sandbox's events of the directory.
pub(super) async fn subscribe_to_events(
    state: &AppState,
    environment_id: EnvironmentId,
    sandbox: &Sandbox,
    base_url: &Url,
) -> anyhow::Result<()> {
    let url = base_url.join("events/slack")?;
    let events = Some(EVENTS.map(str::to_owned).to_vec());
    let request = SubscriptionRequest { client_id: None, url, signing_secret: None, events };
    if sandbox.subscribe(request.clone()).await.is_ok() {
        return Ok(());
    }
    // The app of an earlier run may have another signing secret, or none.
    set_signing_secret(state, environment_id).await?;
    // A gateway that has just started may not reach its database yet.
    for _ in 0..MAX_ATTEMPTS {
        match sandbox.subscribe(request.clone()).await {
            Ok(_) => return Ok(()),
            Err(error) => tracing::debug!(%error, "the subscription is tried again"),
        }
        tokio::time::sleep(ATTEMPT_PAUSE).await;
    }
    // Changes are found by the next poll of the audit log or the next run instead.
    tracing::warn!("the gateway does not accept the sandbox's events");
    Ok(())
}

/// Sets the app's signing secret to that of the sandbox.
async fn set_signing_secret(state: &AppState, environment_id: EnvironmentId) -> anyhow::Result<()> {
    let db = state.store.tenant(environment_id);
    let app = db.provider_app_for(PROVIDER).await?.context("the demo has no provider app")?;
    let lock = db.lock_provider_app(app.id).await?.context("the provider app was deleted")?;
    let app = lock.app();
    let client_secret = state.vault.open_client_secret(environment_id, app)?;
    let secret = signing_secret();
    let sealed = state.vault.seal_app(environment_id, app.id, &client_secret, Some(&secret))?;
    let changed = ProviderApp {
        data_key: sealed.data_key,
        client_secret: sealed.client_secret,
        signing_secret: sealed.signing_secret,
        updated_at: SystemClock.now(),
        ..app.clone()
    };
    let subject = app.id.to_string();
    lock.update(&changed, &entry("provider_app.changed", &subject)).await?;
    Ok(())
}

fn signing_secret() -> SigningSecret {
    SigningSecret::from(DEFAULT_SIGNING_SECRET.to_owned())
}

fn entry<'a>(action: &'a str, subject: &'a str) -> AuditEntry<'a> {
    let new = AuditEntry::new(action, ACTOR, &SystemClock, &SystemEntropy);
    AuditEntry { subject: Some(subject), ..new }
}
