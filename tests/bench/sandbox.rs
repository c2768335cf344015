//! The sandbox with its limits off: it must never be the bottleneck of another measurement.

use std::sync::Arc;

use anyhow::Context as _;
use switchboard::domain::clock::SystemClock;
use switchboard::sandbox::{DEFAULT_CLIENT_ID, Options, Sandbox, router};
use tokio::net::TcpListener;

use super::load::{Row, Target, measure};

/// Requests a second that small calls should reach on two cores.
const BUDGET: u32 = 10_000;

/// Measures small calls of each of its APIs.
pub(crate) fn rows() -> anyhow::Result<Vec<Row>> {
    let options = Options { users: 1_000, enforce_limits: false, ..Options::default() };
    let sandbox = Sandbox::new(options, Arc::new(SystemClock))?;
    let scopes = ["admin", "admin.users:read", "users:read"];
    let token = sandbox.install(DEFAULT_CLIENT_ID, &scopes)?.access_token;
    let user = sandbox.with_org(|org| org.primary_owner().map(|owner| owner.id.clone()));
    let user = user.context("the organization has no owner")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0)))?;
    let base = format!("http://{}", listener.local_addr()?);
    let server = axum::serve(listener, router(sandbox));
    let _served = runtime.spawn(server.into_future());
    let calls = [
        ("sandbox, auth.test", "/api/auth.test".to_owned()),
        ("sandbox, users.info", format!("/api/users.info?user={user}")),
        ("sandbox, SCIM user", format!("/scim/v2/Users/{user}")),
        ("sandbox, admin.users.list of 10", "/api/admin.users.list?limit=10".to_owned()),
    ];
    let rows = calls.map(|(name, path)| {
        let url = format!("{base}{path}");
        measure(&Target { name, url, token: &token, budget: BUDGET })
    });
    rows.into_iter().collect()
}
