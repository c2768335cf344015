//! The end of a link: what the provider granted is stored as an account.

use super::{LinkError, Links};
use crate::connectors::LinkedGrant;
use crate::domain::event::EventKind;
use crate::domain::ids::{AuditId, IntegratedAccountId};
use crate::domain::provider::Provider;
use crate::store::{
    AuditEntry, LinkEnd, LinkToken, LinkedAccount, NewEvent, Outcome, ProviderApp, StoreError,
};
use crate::vault::Destination;

/// Whether a customer was asked whether a token is of the organization that was connected before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Not yet: a token that sees none of the users of the last link is refused.
    No,
    /// Yes, and they said so.
    Confirmed,
}

/// A link that worked.
#[derive(Debug)]
pub struct Linked {
    /// The account, new or connected again.
    pub account_id: IntegratedAccountId,
    /// The organization's name.
    pub organization: String,
    /// What was asked for and not granted.
    pub missing_scopes: Vec<String>,
    /// Whether the browser has seen this outcome before.
    pub is_repeated: bool,
}

/// A grant to be kept.
pub(super) struct Kept<'a> {
    /// The link token that led here.
    pub(super) link: &'a LinkToken,
    /// The provider that was chosen.
    pub(super) provider: Provider,
    /// The OAuth client that asked, if one did.
    pub(super) app: Option<&'a ProviderApp>,
    /// Where the provider is, when the customer has one of their own.
    pub(super) base_url: Option<&'a str>,
    /// The grant.
    pub(super) granted: LinkedGrant,
    /// Whether the customer was asked whose it is.
    pub(super) asked: Asked,
    /// The request, for the audit log.
    pub(super) request_id: &'a str,
}

impl Links {
    /// Stores a grant as the account of its organization: a new one, or the one that is connected again.
    pub(super) async fn keep(&self, kept: Kept<'_>) -> Result<Linked, LinkError> {
        let Kept { link, provider, app, base_url, granted, asked, request_id } = kept;
        let db = self.store.tenant(link.environment_id);
        let organization = &granted.organization;
        let live = db.live_account(&link.tenant_id, provider, &organization.id).await?;
        let id = match (link.account_id, live) {
            (Some(wanted), live) if live != Some(wanted) => {
                return Err(LinkError::OtherOrganization);
            }
            (_, Some(live)) => live,
            (_, None) => IntegratedAccountId::generate(&*self.clock, &*self.entropy),
        };
        let is_known = match live {
            Some(live) => is_of(&db.organization_sample(live).await?, &granted.sample),
            None => true,
        };
        if !is_known && asked == Asked::No {
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
            outcome: Outcome::Done,
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
        let told = |kind| NewEvent::new(kind, id, None, &*self.clock, &*self.entropy);
        let told = match live {
            None => vec![told(EventKind::Created), told(EventKind::Active)],
            Some(_) => vec![told(EventKind::Reactivated)],
        };
        match db.complete_link(&account, &entry, &told).await {
            Ok(LinkEnd::Stored) => {}
            Ok(LinkEnd::AccountGone) => return Err(LinkError::AccountNotFound),
            // Another tab was faster: its account stands.
            Ok(LinkEnd::TokenSpent) | Err(StoreError::Conflict(_)) => return Err(LinkError::Used),
            Err(error) => return Err(error.into()),
        }
        tracing::info!(account = %id, environment = %link.environment_id, "account linked");
        Ok(Linked {
            account_id: id,
            organization: organization.name.clone(),
            missing_scopes: missing,
            is_repeated: false,
        })
    }
}

/// Whether a token sees one of the users that the last link saw. Of an account without a sample nobody knows, and what
/// sees no user may be anybody's.
fn is_of(known: &[String], seen: &[String]) -> bool {
    known.is_empty() || known.iter().any(|user| seen.contains(user))
}
