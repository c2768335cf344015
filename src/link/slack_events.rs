//! Handles Slack's events: revoked grants need a new link, and changed objects are read again.

use super::LinkService;
use crate::connectors::slack_enterprise::events::{
    ChangedObjects, EventRequest, RequestSignature, RevokedGrants,
};
use crate::domain::event::EventOrigin;
use crate::domain::ids::{EnvironmentId, ProviderAppId};
use crate::domain::provider::Provider;
use crate::store::{GrantRevocation, StoreError};

/// A request of Slack's Events API.
#[derive(Debug)]
pub struct SlackEventRequest<'a> {
    /// The timestamp header.
    pub timestamp: &'a str,
    /// The signature header.
    pub signature: &'a str,
    /// The body, byte for byte.
    pub body: &'a [u8],
    /// The request, for the audit log.
    pub request_id: &'a str,
}

/// An event that was not processed.
#[derive(Debug, thiserror::Error)]
pub enum SlackEventError {
    /// The signature matches no provider app, or is too old.
    #[error("the signature matches no provider app")]
    InvalidSignature,
    /// The body is not an event.
    #[error("the body is not an event")]
    InvalidBody(#[source] serde_json::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl LinkService {
    /// Processes an event; returns the challenge to send back, if Slack asks for it.
    ///
    /// # Errors
    ///
    /// If the signature or the body is invalid, or the database fails.
    pub async fn receive_slack_event(
        &self,
        incoming: &SlackEventRequest<'_>,
    ) -> Result<Option<String>, SlackEventError> {
        let SlackEventRequest { timestamp, signature, body, request_id } = *incoming;
        let signed = RequestSignature::parse(timestamp, signature, body, self.clock.now());
        let apps = self.signers(&signed.ok_or(SlackEventError::InvalidSignature)?).await?;
        if apps.is_empty() {
            return Err(SlackEventError::InvalidSignature);
        }
        match EventRequest::parse(body).map_err(SlackEventError::InvalidBody)? {
            EventRequest::Challenge(text) => Ok(Some(text)),
            EventRequest::GrantsRevoked(lost) => {
                self.mark_grants_lost(&apps, &lost, request_id).await?;
                Ok(None)
            }
            EventRequest::Changed(changed) => {
                self.report_changes(&apps, &changed).await?;
                Ok(None)
            }
            EventRequest::Other => Ok(None),
        }
    }

    async fn report_changes(
        &self,
        apps: &[(EnvironmentId, ProviderAppId)],
        changed: &ChangedObjects,
    ) -> Result<(), StoreError> {
        for (environment_id, provider_app_id) in apps {
            let db = self.store.tenant(*environment_id);
            let organization_id = &changed.organization_id;
            for account in db.followed_accounts(*provider_app_id, organization_id).await? {
                let (origin, now) = (EventOrigin::ProviderEvent, self.clock.now());
                db.report_changes(account, origin, &changed.changes, changed.needs_run, now)
                    .await?;
                self.changes_reported.notify_one();
            }
        }
        Ok(())
    }

    /// Returns the provider apps that signed a request: one, or the same in several environments.
    async fn signers(
        &self,
        signed: &RequestSignature<'_>,
    ) -> Result<Vec<(EnvironmentId, ProviderAppId)>, StoreError> {
        let mut signers = Vec::new();
        for (environment_id, app) in
            self.store.apps_with_signing_secret(Provider::SlackEnterprise).await?
        {
            // Many secrets are tried on a long body: other tasks may run in between.
            tokio::task::yield_now().await;
            match self.vault.open_signing_secret(environment_id, &app) {
                Ok(Some(secret)) if signed.is_signed_with(&secret) => {
                    signers.push((environment_id, app.id));
                }
                Ok(_) => {}
                // A broken row of one app must not block the events of the others.
                Err(error) => tracing::warn!(app = %app.id, %error, "no signing secret"),
            }
        }
        Ok(signers)
    }

    async fn mark_grants_lost(
        &self,
        apps: &[(EnvironmentId, ProviderAppId)],
        lost: &RevokedGrants,
        request_id: &str,
    ) -> Result<(), StoreError> {
        for (environment_id, provider_app_id) in apps {
            let gone = GrantRevocation {
                provider_app_id: *provider_app_id,
                organization_id: &lost.organization_id,
                installer_ids: lost.installer_ids.as_deref(),
                reason: lost.reason,
                at: lost.at,
                request_id,
            };
            let db = self.store.tenant(*environment_id);
            for account in db.revoke_grants(&gone, &*self.clock, &*self.entropy).await? {
                tracing::warn!(%account, reason = lost.reason, "the provider revoked the grant");
            }
        }
        Ok(())
    }
}
