//! Discovers what the server of a request's account can do, if the last result is old.

use std::sync::Arc;

use super::authentication::{Access, RequiredScope};
use crate::domain::access::Scope;
use crate::domain::account::IntegratedAccount;
use crate::http::problem::Problem;
use crate::http::state::AppState;

/// Returns the account after another discovery, if one is due. Raw calls do not wait for it.
pub(super) async fn with_discovery<P: RequiredScope>(
    access: &Access<P>,
    state: &AppState,
    account: Arc<IntegratedAccount>,
) -> Result<Arc<IntegratedAccount>, Problem> {
    if P::SCOPE == Scope::Proxy || !state.discovery.is_due(&account) {
        return Ok(account);
    }
    // Boxed to keep the future of all requests small.
    if !Box::pin(state.discovery.refresh_if_due(&account)).await {
        return Ok(account);
    }
    let newer = Box::pin(access.db.cached_account(account.id)).await?;
    Ok(newer.unwrap_or(account))
}
