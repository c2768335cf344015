//! The sandbox without limits: it must not be the bottleneck of another measurement.

use std::sync::Arc;

use anyhow::Context as _;
use switchboard::domain::clock::SystemClock;
use switchboard::sandbox::{DEFAULT_CLIENT_ID, Sandbox, SandboxOptions, router};
use tokio::net::TcpListener;

use super::load::{Target, measure};
use super::table::Section;

/// Minimum requests per second for small calls on two cores.
const MIN_RATE: f64 = 10_000.0;

/// Measures small calls of each API.
pub(crate) fn section(runtime: &tokio::runtime::Runtime) -> anyhow::Result<Section> {
    let options =
        SandboxOptions { users: 1_000, enforce_limits: false, ..SandboxOptions::default() };
    let sandbox = Sandbox::new(options, Arc::new(SystemClock))?;
    let scopes = ["admin", "admin.users:read", "users:read"];
    let token = sandbox.install(DEFAULT_CLIENT_ID, &scopes)?.access_token;
    let user = sandbox.with_org(|org| org.primary_owner().map(|owner| owner.id.clone()));
    let user = user.context("the organization has no owner")?;
    let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0)))?;
    let base = format!("http://{}", listener.local_addr()?);
    let server = runtime.spawn(axum::serve(listener, router(sandbox)).into_future());
    let mut section = Section::new(
        "Sandbox without limits",
        "1,000 accounts, 32 connections, 5 s each. The sandbox must not be the bottleneck of another \
         measurement.",
        &["what", "requests/s", "p50 ms", "p99 ms", "errors", "budget"],
    );
    for (name, path) in [
        ("`auth.test`", "/api/auth.test".to_owned()),
        ("`users.info`", format!("/api/users.info?user={user}")),
        ("one SCIM user", format!("/scim/v2/Users/{user}")),
        ("`admin.users.list` of 10", "/api/admin.users.list?limit=10".to_owned()),
    ] {
        let url = format!("{base}{path}");
        let seen = measure(&Target { url: &url, token: &token, connections: 32, seconds: 5 })?;
        let word = section.check(name, seen.rate >= MIN_RATE && seen.errors == 0);
        section.rows.push(vec![
            name.to_owned(),
            format!("{:.0}", seen.rate),
            format!("{:.2}", seen.p50_ms),
            format!("{:.2}", seen.p99_ms),
            seen.errors.to_string(),
            format!("≥ {MIN_RATE:.0}: {word}"),
        ]);
    }
    server.abort();
    Ok(section)
}
