//! Completes a link: stores the grant as an account.

use super::{LinkError, LinkService};
use crate::connectors::LinkedGrant;
use crate::domain::event::EventKind;
use crate::domain::ids::{AuditId, IntegratedAccountId};
use crate::domain::provider::Provider;
use crate::store::{
    AuditEntry, AuditOutcome, LinkOutcome, LinkToken, LinkedAccount, NewEvent, ProviderApp,
    StoreError,
};
use crate::vault::Destination;

/// Whether the customer confirmed that a token belongs to the organization that was connected before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameOrganization {
    /// Not confirmed: a token that sees none of the users of the last link is rejected.
    Unconfirmed,
    /// Confirmed by the customer.
    Confirmed,
}

/// A completed link.
#[derive(Debug)]
pub struct CompletedLink {
    /// The account, new or reconnected.
    pub account_id: IntegratedAccountId,
    /// The organization's name.
    pub organization: String,
    /// The requested scopes that were not granted.
    pub missing_scopes: Vec<String>,
    /// Whether the callback was repeated.
    pub is_repeated: bool,
}

/// A verified grant to be stored.
pub(super) struct VerifiedGrant<'a> {
    /// The link token.
    pub(super) link: &'a LinkToken,
    /// The selected provider.
    pub(super) provider: Provider,
    /// The OAuth client, for OAuth providers.
    pub(super) app: Option<&'a ProviderApp>,
    /// The base URL, for providers that customers host.
    pub(super) base_url: Option<&'a str>,
    /// The grant.
    pub(super) granted: LinkedGrant,
    /// Whether the customer confirmed that the organization is the same.
    pub(super) asked: SameOrganization,
    /// The request, for the audit log.
    pub(super) request_id: &'a str,
}

impl LinkService {
    /// Stores a grant as the account of its organization: a new one, or the one that is reconnected.
    pub(super) async fn complete(
        &self,
        verified: VerifiedGrant<'_>,
    ) -> Result<CompletedLink, LinkError> {
        let VerifiedGrant { link, provider, app, base_url, granted, asked, request_id } = verified;
        let db = self.store.tenant(link.environment_id);
        let organization = &granted.organization;
        let live = db.connected_account(&link.tenant_id, provider, &organization.id).await?;
        let id = match (link.account_id, live) {
            (Some(wanted), live) if live != Some(wanted) => {
                return Err(LinkError::OtherOrganization);
            }
            (_, Some(live)) => live,
            (_, None) => IntegratedAccountId::generate(&*self.clock, &*self.entropy),
        };
        let is_known = match live {
            Some(live) => shares_user(&db.organization_sample(live).await?, &granted.sample),
            None => true,
        };
        if !is_known && asked == SameOrganization::Unconfirmed {
            return Err(LinkError::OtherUsers);
        }
        let now = self.clock.now();
        let to = Destination { provider, base_url };
        let credentials = self.vault.seal_grant(link.environment_id, id, to, &granted.grant)?;
        let wanted = app.map(|app| &*app.scopes).unwrap_or_default();
        let missing: Vec<String> =
            wanted.iter().filter(|scope| !granted.scopes.contains(scope)).cloned().collect();
        let entry = AuditEntry {
            id: AuditId::generate(&*self.clock, &*self.entropy),
            at: now,
            actor: "link",
            action: if live.is_some() {
                "integrated_account.relinked"
            } else {
                "integrated_account.linked"
            },
            account_id: Some(id),
            subject: (!is_known).then_some("confirmed_by_customer"),
            request_id: Some(request_id),
            outcome: AuditOutcome::Done,
        };
        let account = LinkedAccount {
            id,
            link_token_id: link.id,
            tenant_id: &link.tenant_id,
            provider,
            provider_app_id: app.map(|app| app.id),
            base_url,
            organization,
            installer_id: granted.installer_id.as_deref(),
            granted_scopes: &granted.scopes,
            missing_scopes: &missing,
            context: &link.context,
            credentials: &credentials,
            organization_sample: &granted.sample,
            now,
        };
        let event = |kind| NewEvent::new(kind, id, None, &*self.clock, &*self.entropy);
        let events = match live {
            None => vec![event(EventKind::Created), event(EventKind::Active)],
            Some(_) => vec![event(EventKind::Reactivated)],
        };
        match db.complete_link(&account, &entry, &events).await {
            Ok(LinkOutcome::Stored) => {}
            Ok(LinkOutcome::AccountUnavailable) => return Err(LinkError::AccountNotFound),
            // Another tab completed the link first; its account remains.
            Ok(LinkOutcome::TokenUsed) | Err(StoreError::Conflict(_)) => {
                return Err(LinkError::Used);
            }
            Err(error) => return Err(error.into()),
        }
        tracing::info!(account = %id, environment = %link.environment_id, "account linked");
        Ok(CompletedLink {
            account_id: id,
            organization: organization.name.clone(),
            missing_scopes: missing,
            is_repeated: false,
        })
    }
}

/// Whether a token sees one of the users that the last link saw; `true` without a stored sample. A token that sees no
/// users does not.
fn shares_user(known: &[String], seen: &[String]) -> bool {
    known.is_empty() || known.iter().any(|user| seen.contains(user))
}
