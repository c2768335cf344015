//! What a hundred thousand accounts cost when everything that calls read of them is in memory.

use futures_util::stream::{self, StreamExt as _};
use switchboard::domain::clock::{Clock as _, SystemClock};
use switchboard::store::KeyKind;

use super::gateway::Bench;
use super::machine::memory_mb;
use super::table::Section;

const ACCOUNTS: usize = 100_000;
/// So many are read at once.
const AT_ONCE: usize = 16;
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
        let bench = Bench::start("http://127.0.0.1:9").await?;
        let made = bench.accounts(ACCOUNTS, &format!("xoxe.xoxp-1-{}", "x".repeat(160))).await?;
        let keys: Vec<_> = made.iter().map(|(id, key)| (*id, key.digest())).collect();
        drop(made);
        let idle = memory_mb(std::process::id())?;
        let db = bench.state.store.tenant(bench.environment_id);
        let state = &bench.state;
        let reads = keys.iter().map(|(id, digest)| {
            let db = db.clone();
            async move {
                state.store.caller(KeyKind::AccountToken, digest, SystemClock.now()).await?;
                if let Some(account) = db.known_account(*id).await? {
                    state.tokens.fresh(&account).await?;
                }
                anyhow::Ok(())
            }
        });
        let mut reads = stream::iter(reads).buffer_unordered(AT_ONCE);
        while let Some(read) = reads.next().await {
            read?;
        }
        drop(reads);
        let warm = memory_mb(std::process::id())?;
        bench.stop().await;
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
