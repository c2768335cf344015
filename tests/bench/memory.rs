//! What a hundred thousand accounts cost when everything that calls read of them is in memory.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _};
use switchboard::app::{Gateway, Parts};
use switchboard::domain::access::KeyKind;
use switchboard::domain::clock::{Clock as _, SystemClock};
use switchboard::domain::entropy::SystemEntropy;
use switchboard::expressions::WorkerProgram;
use url::Url;

use super::fleet::Home;
use super::machine::memory_mb;
use super::table::Section;

const ACCOUNTS: usize = 100_000;
/// So many are read at once.
const AT_ONCE: usize = 16;
/// So many keys are known to the measurement at a time.
const PART: i64 = 1_000;
/// All that the process may hold.
const BUDGET_MB: f64 = 150.0;

/// Measures.
pub(crate) fn section(runtime: &tokio::runtime::Runtime) -> anyhow::Result<Section> {
    let mut section = Section::new(
        "Memory of warm accounts",
        format!(
            "{ACCOUNTS} accounts with 13 scopes each, of each the key, the account and the opened token, read \
             once. The process's resident memory."
        ),
        &["what", "MB", "budget"],
    );
    let (idle, warm) = runtime.block_on(async {
        let home = Home::new("http://127.0.0.1:9", "").await?;
        let gateway = Gateway::build(Parts {
            config: &home.config()?,
            pool: home.pool().clone(),
            public_url: Url::parse("http://127.0.0.1:9")?,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            worker_program: WorkerProgram::at(env!("CARGO_BIN_EXE_switchboard")),
        })?;
        drop(home.accounts(ACCOUNTS, &format!("xoxe.xoxp-1-{}", "x".repeat(160))).await?);
        let idle = memory_mb(std::process::id())?;
        let db = &gateway.state.store.tenant(home.environment().await?);
        let (state, mut last) = (&gateway.state, String::new());
        loop {
            // A part at a time: the list of all of them is none of the gateway's memory.
            let keys = home.digests(&last, PART).await?;
            let Some((id, _)) = keys.last() else { break };
            last = id.to_string();
            let reads = keys.iter().map(|(id, digest)| async move {
                state.store.caller(KeyKind::AccountToken, digest, SystemClock.now()).await?;
                if let Some(account) = db.known_account(*id).await? {
                    state.tokens.fresh(&account, tokio::time::Instant::now()).await?;
                }
                anyhow::Ok(())
            });
            let mut reads = stream::iter(reads).buffer_unordered(AT_ONCE);
            while let Some(read) = reads.next().await {
                read?;
            }
        }
        let warm = memory_mb(std::process::id())?;
        drop(gateway);
        home.close().await;
        anyhow::Ok((idle, warm))
    })?;
    let word = section.judge(&format!("{warm:.0} MB"), warm <= BUDGET_MB);
    section.rows.push(vec!["before".to_owned(), format!("{idle:.0}"), String::new()]);
    section.rows.push(vec![
        "all warm".to_owned(),
        format!("{warm:.0}"),
        format!("≤ {BUDGET_MB:.0}: {word}"),
    ]);
    Ok(section)
}
