//! Access reviews of a large synced copy, in each format: rows per second, and memory while they are streamed.

use std::time::Instant;

use anyhow::Context as _;
use reqwest::Method;

use super::copy_rows::{CopySize, fill};
use super::fleet::{Caller, Deployment};
use super::machine::{memory_mb, peak_memory_mb, reset_peak_memory};
use super::person_names::PersonNames;
use super::progress::note;
use super::reading::{Reading, median};
use super::table::Section;

const USERS: i64 = 100_000;
const GROUPS: i64 = 50;
/// Rounds, of which the median counts.
const ROUNDS: usize = 5;
/// Budgets.
const MIN_ROWS_PER_S: f64 = 50_000.0;
const MAX_GROWTH_MB: f64 = 40.0;
const FORMATS: [&str; 3] = ["json", "ndjson", "csv"];

/// Inserts groups.
const INSERT_GROUPS: &str = "
    INSERT INTO directory_groups (environment_id, integrated_account_id, kind, object_id, valid_from, read_at, hash,
        name, name_key, body)
    SELECT $1, $2, 'group', 'S' || n, now(), now(), sha256(convert_to('S' || n, 'UTF8')), 'Group ' || n,
        'group ' || n, json_build_object('id', 'S' || n, 'name', 'Group ' || n)
    FROM generate_series(0, $3 - 1) AS series (n)";

/// Inserts a group membership of each user.
const INSERT_GROUP_MEMBERS: &str = "
    INSERT INTO directory_group_members (environment_id, integrated_account_id, kind, object_id, valid_from, read_at,
        hash, user_id, parent_id, body)
    SELECT $1, $2, 'group_member', group_id || '.' || id, now(), now(), sha256(convert_to(id, 'UTF8')), id, group_id,
        json_build_object('group_id', group_id, 'user_id', id)
    FROM (SELECT 'U' || lpad(i::text, 10, '0') AS id, 'S' || i % $3 AS group_id
          FROM generate_series(0, $4::bigint - 1) AS series (i)) person";

/// What was measured.
#[derive(Debug)]
struct Measured {
    /// The median of each format.
    formats: Vec<Reading>,
    /// A review of the few privileged rows of the copy.
    privileged_ms: f64,
    growth_mb: f64,
}

/// Runs the measurement.
pub(crate) fn section(runtime: &tokio::runtime::Runtime) -> anyhow::Result<Section> {
    let measured = runtime.block_on(measure())?;
    let mut section = Section::new(
        "Access review",
        format!(
            "`/access-review` of a copy of {USERS} users with a role, a workspace and a group each, on one connection, \
             until the whole document has arrived. Median of {ROUNDS} rounds. Memory is the peak of the gateway \
             during all rounds, above that before."
        ),
        &["format", "rows", "seconds", "rows/s", "budget"],
    );
    for (format, reading) in FORMATS.into_iter().zip(measured.formats) {
        let rate = reading.rate();
        let word = section.check(&format!("{format}: {rate:.0} rows/s"), rate >= MIN_ROWS_PER_S);
        section.rows.push(vec![
            format!("`{format}`"),
            reading.rows.to_string(),
            format!("{:.2}", reading.seconds),
            format!("{rate:.0}"),
            format!("≥ {MIN_ROWS_PER_S:.0} rows/s: {word}"),
        ]);
    }
    let growth_mb = measured.growth_mb;
    let word =
        section.check(&format!("memory grew by {growth_mb:.0} MB"), growth_mb <= MAX_GROWTH_MB);
    let only = |what: String, budget: String| {
        vec![what, String::new(), String::new(), String::new(), budget]
    };
    section.rows.push(only(
        format!("`is_privileged=true`, no row: {:.0} ms", measured.privileged_ms),
        String::new(),
    ));
    section.rows.push(only(
        "memory growth of the gateway".to_owned(),
        format!("≤ {MAX_GROWTH_MB:.0} MB: {growth_mb:.1}, {word}"),
    ));
    Ok(section)
}

async fn measure() -> anyhow::Result<Measured> {
    let deployment = Deployment::new("http://127.0.0.1:9", "").await?;
    let measured = review(&deployment).await;
    deployment.close().await;
    measured
}

async fn review(deployment: &Deployment) -> anyhow::Result<Measured> {
    let created = deployment.accounts(1, "xoxp-fixed").await?;
    let (account, token) = created.first().context("no account")?;
    let account = account.to_string();
    let size = CopySize { first: USERS, all: USERS };
    fill(deployment, std::slice::from_ref(&account), &PersonNames::new(), size).await?;
    add_groups(deployment, &account).await?;
    let mut gateway = deployment.serve()?;
    gateway.ready("/readyz")?;
    let caller = Caller::new()?.with("authorization", &format!("Bearer {}", token.reveal()))?;
    let base = format!("{}/access-review", gateway.url());
    note("access_review: reading");
    // The first document opens connections and prepares statements.
    read(&caller, &format!("{base}?format=csv")).await?;
    let before_mb = memory_mb(gateway.pid())?;
    reset_peak_memory(gateway.pid())?;
    let mut formats = Vec::new();
    for format in FORMATS {
        let mut readings = Vec::new();
        for _ in 0..ROUNDS {
            let reading = read(&caller, &format!("{base}?format={format}")).await?;
            let expected = usize::try_from(USERS)? * 3;
            anyhow::ensure!(reading.rows == expected, "{format}: {} rows", reading.rows);
            readings.push(reading);
        }
        formats.push(median(readings));
    }
    let growth_mb = peak_memory_mb(gateway.pid())? - before_mb;
    let privileged = read(&caller, &format!("{base}?format=ndjson&is_privileged=true")).await?;
    Ok(Measured { formats, privileged_ms: privileged.seconds * 1e3, growth_mb })
}

async fn add_groups(deployment: &Deployment, account: &str) -> anyhow::Result<()> {
    let environment = deployment.environment().await?.to_string();
    let mut connection = deployment.connect().await?;
    let groups = sqlx::query(INSERT_GROUPS).bind(&environment).bind(account).bind(GROUPS);
    groups.execute(&mut connection).await.context("groups")?;
    let members = sqlx::query(INSERT_GROUP_MEMBERS).bind(&environment).bind(account).bind(GROUPS);
    members.bind(USERS).execute(&mut connection).await.context("group members")?;
    sqlx::raw_sql("VACUUM (ANALYZE) directory_versions").execute(&mut connection).await?;
    Ok(())
}

/// Reads a document as it arrives, and counts its rows.
async fn read(caller: &Caller, url: &str) -> anyhow::Result<Reading> {
    let began = Instant::now();
    let mut response = caller.request(Method::GET, url).send().await?.error_for_status()?;
    let (mut lines, mut end) = (0, Vec::new());
    while let Some(chunk) = response.chunk().await? {
        lines += chunk.split(|byte| *byte == b'\n').count() - 1;
        end.extend_from_slice(chunk.get(chunk.len().saturating_sub(64)..).unwrap_or_default());
        end.drain(..end.len().saturating_sub(64));
    }
    let seconds = began.elapsed().as_secs_f64();
    let end = String::from_utf8_lossy(&end);
    let rows = match end.rsplit_once(r#""result_count":"#) {
        Some((_, count)) => count.trim_end_matches('}').parse()?,
        None if url.contains("csv") => lines - 1,
        None => lines,
    };
    Ok(Reading { rows, pages: 1, seconds, cpu_s: 0.0 })
}
