//! Reads the identity behind the token (`auth.test` and the user, four calls, three of them concurrent), and revokes
//! the token (`auth.revoke`).

use async_trait::async_trait;

use super::api::SuccessBody;
use super::classify::is_token_error;
use super::{SlackConnector, wire};
use crate::connectors::response::merge_remote;
use crate::connectors::{
    CallContext, ConnectorError, ErrorKind, ReadIdentity, ReadResource, Unified,
};
use crate::domain::me::Me;
use crate::domain::patch::WriteOutcome;
use crate::domain::user::User;
use crate::upstream::RequestToken;

const TEST: &str = "auth.test";
const REVOKE: &str = "auth.revoke";

/// Returns the outcome of a revocation: `Unchanged` for a token that was invalid or missing.
fn revocation_outcome(
    response: Result<SuccessBody, ConnectorError>,
) -> Result<WriteOutcome, ConnectorError> {
    match response {
        Ok(_) => Ok(WriteOutcome::Applied),
        Err(error) if is_token_invalid(&error) => Ok(WriteOutcome::Unchanged),
        Err(error) => Err(error),
    }
}

fn is_token_invalid(error: &ConnectorError) -> bool {
    error.kind == ErrorKind::NeedsReauth || error.code.as_deref().is_some_and(is_token_error)
}

#[async_trait]
impl ReadIdentity for SlackConnector {
    async fn me(&self, cx: &CallContext<'_>) -> Result<Unified<Me>, ConnectorError> {
        let response = self.web(cx, TEST, &[]).await?;
        let test: wire::AuthTest = response.read(cx)?;
        let user = ReadResource::<User>::get(self, cx, &test.user_id).await?;
        let remote = cx.include_remote.then(|| merge_remote([(TEST, Some(&*response.remote()))]));
        let unified = Me {
            user: user.map(|record| *record.resource),
            organization: cx.account.organization.clone(),
            url: test.url,
            is_organization_wide: test.is_enterprise_install,
            granted_scopes: cx.account.granted_scopes.to_vec(),
            missing_scopes: cx.account.missing_scopes.to_vec(),
        };
        Ok(Unified::new(unified, remote))
    }

    async fn revoke(&self, cx: &CallContext<'_>) -> Result<WriteOutcome, ConnectorError> {
        let revoked = revocation_outcome(self.web(cx, REVOKE, &[]).await)?;
        // With token rotation, the access and the refresh token are revoked separately: either keeps the grant valid.
        // <https://docs.slack.dev/authentication/using-token-rotation#uninstalling-apps>
        let mut request = self.web_request(cx, REVOKE, [])?;
        request.token = RequestToken::RefreshToken;
        revocation_outcome(self.web_send(cx, REVOKE, request).await)?;
        Ok(revoked)
    }
}
