//! Memory of a hundred thousand accounts whose rows are all cached.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _};
use switchboard::app::{Gateway, GatewayParts};
use switchboard::domain::access::KeyKind;
use switchboard::domain::clock::{Clock as _, SystemClock};
use switchboard::domain::entropy::SystemEntropy;
use switchboard::expressions::WorkerProgram;
use url::Url;

use super::fleet::Deployment;
use super::machine::memory_mb;
use super::table::Section;

const ACCOUNTS: usize = 100_000;
/// Concurrent reads.
const MAX_CONCURRENT_READS: usize = 16;
/// Account tokens that the measurement holds at a time.
const KEYS_PER_PART: i64 = 1_000;
/// Maximum memory of the process.
const MAX_MB: f64 = 150.0;

/// Runs the measurement.
pub(crate) fn section(runtime: &tokio::runtime::Runtime) -> anyhow::Result<Section> {
    let mut section = Section::new(
        "Memory of cached accounts",
        format!(
            "{ACCOUNTS} accounts with 13 scopes each; the key, the account and the access token of each are read \
             once. Resident memory of the process."
        ),
        &["what", "MB", "budget"],
    );
    let (idle, cached) = runtime.block_on(async {
        let deployment = Deployment::new("http://127.0.0.1:9", "").await?;
        let gateway = Gateway::build(GatewayParts {
            config: &deployment.config()?,
            pool: deployment.pool().clone(),
            public_url: Url::parse("http://127.0.0.1:9")?,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            worker_program: WorkerProgram::at(env!("CARGO_BIN_EXE_switchboard")),
        })?;
        drop(deployment.accounts(ACCOUNTS, &format!("xoxe.xoxp-1-{}", "x".repeat(160))).await?);
        let idle = memory_mb(std::process::id())?;
        let db = &gateway.state.store.tenant(deployment.environment().await?);
        let (state, mut last) = (&gateway.state, String::new());
        loop {
            // In parts, because the list of all accounts is not part of the gateway's memory.
            let keys = deployment.digests(&last, KEYS_PER_PART).await?;
            let Some((id, _)) = keys.last() else { break };
            last = id.to_string();
            let reads = keys.iter().map(|(id, digest)| async move {
                state.store.caller(KeyKind::AccountToken, digest, SystemClock.now()).await?;
                if let Some(account) = db.cached_account(*id).await? {
                    state.tokens.access_token(&account, tokio::time::Instant::now()).await?;
                }
                anyhow::Ok(())
            });
            let mut reads = stream::iter(reads).buffer_unordered(MAX_CONCURRENT_READS);
            while let Some(read) = reads.next().await {
                read?;
            }
        }
        let cached = memory_mb(std::process::id())?;
        drop(gateway);
        deployment.close().await;
        anyhow::Ok((idle, cached))
    })?;
    let word = section.check(&format!("{cached:.0} MB"), cached <= MAX_MB);
    section.rows.push(vec!["empty cache".to_owned(), format!("{idle:.0}"), String::new()]);
    section.rows.push(vec![
        "all cached".to_owned(),
        format!("{cached:.0}"),
        format!("≤ {MAX_MB:.0}: {word}"),
    ]);
    Ok(section)
}
