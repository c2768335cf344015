//! Whose token we have: `auth.test`, and the person in full, which is four calls, three of them at once.
//! And giving it back: `auth.revoke`.

use async_trait::async_trait;

use super::api::Okay;
use super::dialect::is_refused_token;
use super::{SlackEnterprise, wire};
use crate::connectors::reading::together;
use crate::connectors::{CallContext, ConnectorError, Identity, Kind, Reads, Record};
use crate::domain::input::Done;
use crate::domain::me::Me;
use crate::domain::user::User;
use crate::upstream::Carried;

const TEST: &str = "auth.test";
const REVOKE: &str = "auth.revoke";

/// A token that is dead already, or isn't there, has been given back.
fn given_back(answer: Result<Okay, ConnectorError>) -> Result<Done, ConnectorError> {
    match answer {
        Ok(_) => Ok(Done::Done),
        Err(error) if is_dead(&error) => Ok(Done::Already),
        Err(error) => Err(error),
    }
}

fn is_dead(error: &ConnectorError) -> bool {
    error.kind == Kind::NeedsReauth || error.code.as_deref().is_some_and(is_refused_token)
}

#[async_trait]
impl Identity for SlackEnterprise {
    async fn me(&self, cx: &CallContext<'_>) -> Result<Record<Me>, ConnectorError> {
        let answer = self.web(cx, TEST, &[]).await?;
        let test: wire::AuthTest = answer.read(cx)?;
        let user = Reads::<User>::get(self, cx, &test.user_id).await?;
        let remote = cx.wants_remote.then(|| together([(TEST, Some(&*answer.remote()))]));
        let unified = Me {
            user: user.map(|record| *record.unified),
            organization: cx.account.organization.clone(),
            url: test.url,
            is_organization_wide: test.is_enterprise_install,
            granted_scopes: cx.account.granted_scopes.to_vec(),
            missing_scopes: cx.account.missing_scopes.to_vec(),
        };
        Ok(Record::new(unified, remote))
    }

    async fn revoke(&self, cx: &CallContext<'_>) -> Result<Done, ConnectorError> {
        let revoked = given_back(self.web(cx, REVOKE, &[]).await)?;
        // Where tokens rotate, each is given back by itself: the grant would live on in the other one.
        // <https://docs.slack.dev/authentication/using-token-rotation#uninstalling-apps>
        let mut request = self.web_request(cx, REVOKE, [])?;
        request.carried = Carried::RefreshToken;
        given_back(self.web_send(cx, REVOKE, request).await)?;
        Ok(revoked)
    }
}
