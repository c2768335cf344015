//! Reads the user behind the credentials (`/Me`, RFC 7644 §3.11), where the server has it.

use async_trait::async_trait;

use super::ScimConnector;
use super::features::{ScimFeatures, ScimSettings};
use super::pages::read_single;
use super::unsupported::{NO_ME, unsupported};
use crate::connectors::{CallContext, ConnectorError, ErrorKind, ReadIdentity, Unified};
use crate::domain::me::Me;
use crate::domain::patch::WriteOutcome;

/// The call.
const GET_ME: &str = "scim.me.get";
/// The code of a server without it.
const NOT_IMPLEMENTED: &str = "http_501";

#[async_trait]
impl ReadIdentity for ScimConnector {
    async fn me(&self, cx: &CallContext<'_>) -> Result<Unified<Me>, ConnectorError> {
        let (features, settings) = (ScimFeatures::of(cx.account), ScimSettings::of(cx.account));
        if !features.has_me {
            return Err(unsupported(cx, NO_ME));
        }
        let response = match self.get(cx, GET_ME, &["Me"], &[]).await {
            Err(error) if is_absent(&error) => return Err(unsupported(cx, NO_ME)),
            response => response?,
        };
        let user = read_single(cx, &response)?;
        let remote = user.1.clone();
        let users = self.unified_users(cx, (&features, &settings), vec![user]).await?;
        let me = Me {
            user: users.into_iter().next().map(|user| *user.resource),
            organization: cx.account.organization.clone(),
            url: cx.account.base_url.clone(),
            is_organization_wide: true,
            granted_scopes: cx.account.granted_scopes.to_vec(),
            missing_scopes: cx.account.missing_scopes.to_vec(),
        };
        Ok(Unified::new(me, remote))
    }

    /// SCIM has no revocation: the customer withdraws the credentials in the service.
    async fn revoke(&self, _: &CallContext<'_>) -> Result<WriteOutcome, ConnectorError> {
        Ok(WriteOutcome::Unchanged)
    }
}

/// Whether the server has no `/Me` for these credentials.
fn is_absent(error: &ConnectorError) -> bool {
    error.kind == ErrorKind::NotFound || error.code.as_deref() == Some(NOT_IMPLEMENTED)
}
