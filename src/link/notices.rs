//! The provider says that grants are gone: their accounts need a new link.

use super::Links;
use crate::connectors::slack_enterprise::notices::{LostGrants, Notice, Signed};
use crate::domain::ids::{EnvironmentId, ProviderAppId};
use crate::domain::provider::Provider;
use crate::store::{Revocation, StoreError};

/// What a provider sent to us.
#[derive(Debug)]
pub struct Incoming<'a> {
    /// When it says that it sent it.
    pub timestamp: &'a str,
    /// What it signed it with.
    pub signature: &'a str,
    /// The body, to the byte.
    pub body: &'a [u8],
    /// The request, for the audit log.
    pub request_id: &'a str,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum NoticeError {
    /// It is signed by no app of ours, or not now.
    #[error("the request is not signed by an app that has its signing secret here")]
    Unsigned,
    /// It is signed, but it can't be read.
    #[error("the body is not an event")]
    Unreadable(#[source] serde_json::Error),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Links {
    /// Takes a request of Slack's Events API; answers the challenge to send back, if it wants one.
    ///
    /// # Errors
    ///
    /// When it isn't Slack's, can't be read, or the database fails.
    pub async fn hear_slack(&self, incoming: &Incoming<'_>) -> Result<Option<String>, NoticeError> {
        let Incoming { timestamp, signature, body, request_id } = *incoming;
        let signed = Signed::read(timestamp, signature, body, self.clock.now());
        let apps = self.signers(&signed.ok_or(NoticeError::Unsigned)?).await?;
        if apps.is_empty() {
            return Err(NoticeError::Unsigned);
        }
        match Notice::read(body).map_err(NoticeError::Unreadable)? {
            Notice::Challenge(text) => Ok(Some(text)),
            Notice::Lost(lost) => {
                self.lose(&apps, &lost, request_id).await?;
                Ok(None)
            }
            Notice::Other => Ok(None),
        }
    }

    /// The apps that a request can be for: one, or the same in several environments.
    async fn signers(
        &self,
        signed: &Signed<'_>,
    ) -> Result<Vec<(EnvironmentId, ProviderAppId)>, StoreError> {
        let mut signers = Vec::new();
        for (environment_id, app) in self.store.signing_apps(Provider::SlackEnterprise).await? {
            // Many secrets on a long body: others may go in between.
            tokio::task::yield_now().await;
            match self.vault.open_signing_secret(environment_id, &app) {
                Ok(Some(secret)) if signed.is_by(&secret) => signers.push((environment_id, app.id)),
                Ok(_) => {}
                // One app's broken row is no reason to refuse the requests for all others.
                Err(error) => tracing::warn!(app = %app.id, %error, "no signing secret"),
            }
        }
        Ok(signers)
    }

    async fn lose(
        &self,
        apps: &[(EnvironmentId, ProviderAppId)],
        lost: &LostGrants,
        request_id: &str,
    ) -> Result<(), StoreError> {
        for (environment_id, provider_app_id) in apps {
            let gone = Revocation {
                provider_app_id: *provider_app_id,
                organization_id: &lost.organization_id,
                installer_ids: lost.installer_ids.as_deref(),
                reason: lost.reason,
                at: lost.at,
                request_id,
            };
            let db = self.store.tenant(*environment_id);
            for account in db.revoke_grants(&gone, &*self.clock, &*self.entropy).await? {
                tracing::warn!(%account, reason = lost.reason, "the provider says the grant is lost");
            }
        }
        Ok(())
    }
}
