//! Whose token we have: `auth.test`, and the person in full. Four calls, three of them at once.

use async_trait::async_trait;

use super::{SlackEnterprise, wire};
use crate::connectors::{CallContext, ConnectorError, Identity, Reads, Record};
use crate::domain::me::Me;
use crate::domain::user::User;

const TEST: &str = "auth.test";

#[async_trait]
impl Identity for SlackEnterprise {
    async fn me(&self, cx: &CallContext<'_>) -> Result<Record<Me>, ConnectorError> {
        let answer = self.web(cx, TEST, &[]).await?;
        let test: wire::AuthTest = answer.read(cx)?;
        let user = Reads::<User>::get(self, cx, &test.user_id).await?;
        let remote = cx.wants_remote.then(|| serde_json::json!({ TEST: answer.remote() }));
        let unified = Me {
            user: user.map(|record| record.unified),
            organization: cx.account.organization.clone(),
            url: test.url,
            is_organization_wide: test.is_enterprise_install,
            granted_scopes: cx.account.granted_scopes.clone(),
            missing_scopes: cx.account.missing_scopes.clone(),
        };
        Ok(Record { unified, remote })
    }
}
