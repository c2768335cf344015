//! Pages of the synced copy through the gateway, against the same rows read by plain SQL.

use std::hint::black_box;
use std::time::Instant;

use anyhow::Context as _;
use reqwest::Method;
use sqlx::{Connection as _, PgConnection};

use super::fleet::Fleet;
use super::progress::note;
use super::reading::{Reading, as_f64, median};
use super::table::Section;

const USERS: usize = 10_000;
const WORKSPACES: usize = 20;
const PAGE_ROWS: i64 = 1_000;
/// Alternating rounds, of which the median counts.
const ROUNDS: usize = 9;
/// Budget: throughput as a share of that of plain SQL.
const MIN_RATE_RATIO: f64 = 0.8;

/// Reads a page of users as they are stored: without what refers to them.
const STORED: &str = "
    SELECT v.object_id, v.body::text FROM directory_users v
    WHERE v.environment_id = $1 AND v.integrated_account_id = $2 AND v.kind = 'user' AND v.valid_to = 'infinity'
      AND v.object_id > $3
    ORDER BY v.object_id LIMIT $4";

/// Reads the same page as the API returns it: with roles, groups and workspaces.
const COMPLETE: &str = r#"
    SELECT v.object_id,
        left(v.body::text, -1) || ',"roles":' || COALESCE((
            SELECT json_agg(json_build_object('id', r.body->'role_id', 'name', r.body->'role_name',
                'scope', r.body->'scope', 'workspace_id', r.body->'workspace_id',
                'organization', r.body->'organization_id') ORDER BY r.object_id)
            FROM directory_role_assignments r
            WHERE r.environment_id = v.environment_id AND r.integrated_account_id = v.integrated_account_id
              AND r.user_id = v.object_id AND r.valid_to = 'infinity')::text, '[]')
        || ',"groups":' || COALESCE((
            SELECT json_agg(json_build_object('id', r.parent_id, 'name', p.name) ORDER BY r.parent_id)
            FROM directory_group_members r
            LEFT JOIN directory_groups p ON p.environment_id = r.environment_id
              AND p.integrated_account_id = r.integrated_account_id AND p.object_id = r.parent_id
              AND p.valid_to = 'infinity'
            WHERE r.environment_id = v.environment_id AND r.integrated_account_id = v.integrated_account_id
              AND r.user_id = v.object_id AND r.valid_to = 'infinity')::text, '[]')
        || ',"workspaces":' || COALESCE((
            SELECT json_agg(json_build_object('id', r.parent_id, 'name', p.name) ORDER BY r.parent_id)
            FROM directory_workspace_members r
            LEFT JOIN directory_workspaces p ON p.environment_id = r.environment_id
              AND p.integrated_account_id = r.integrated_account_id AND p.object_id = r.parent_id
              AND p.valid_to = 'infinity'
            WHERE r.environment_id = v.environment_id AND r.integrated_account_id = v.integrated_account_id
              AND r.user_id = v.object_id AND r.valid_to = 'infinity')::text, '[]')
        || ',"last_activity_at":' || COALESCE(to_json(v.last_activity_at)::text, 'null') || '}'
    FROM directory_users v
    WHERE v.environment_id = $1 AND v.integrated_account_id = $2 AND v.kind = 'user' AND v.valid_to = 'infinity'
      AND v.object_id > $3
    ORDER BY v.object_id LIMIT $4"#;

/// The three ways of reading.
#[derive(Debug)]
struct Comparison {
    stored: Reading,
    complete: Reading,
    gateway: Reading,
}

/// Runs the measurement.
pub(crate) fn section(runtime: &tokio::runtime::Runtime) -> anyhow::Result<Section> {
    let Comparison { stored, complete, gateway } = runtime.block_on(measure())?;
    let mut section = Section::new(
        "Pages of the synced copy",
        format!(
            "The copy of {USERS} users after a run, in pages of {PAGE_ROWS}, on one connection: \
             `/users?source=synced` through the gateway until the whole response has arrived, and plain SQL until the \
             rows are joined to one JSON text; once as users are stored, once complete as in the response, with \
             roles, groups and workspaces. Median of {ROUNDS} alternating rounds."
        ),
        &["source", "users", "ms a page", "users/s", "budget"],
    );
    let ratio = gateway.rate() / stored.rate();
    let of_complete = gateway.rate() / complete.rate();
    let word = section.check(&format!("{ratio:.2} of plain SQL"), ratio >= MIN_RATE_RATIO);
    let verdict = format!(
        "≥ {MIN_RATE_RATIO} of plain SQL: {ratio:.2}, {word}; of complete users: {of_complete:.2}"
    );
    for (source, reading, verdict) in [
        ("plain SQL, as stored", stored, String::new()),
        ("plain SQL, complete", complete, String::new()),
        ("`/users?source=synced`", gateway, verdict),
    ] {
        section.rows.push(vec![
            source.to_owned(),
            reading.rows.to_string(),
            format!("{:.1}", reading.seconds * 1e3 / as_f64(reading.pages)),
            format!("{:.0}", reading.rate()),
            verdict,
        ]);
    }
    Ok(section)
}

async fn measure() -> anyhow::Result<Comparison> {
    Fleet::measure(USERS, WORKSPACES, compare).await
}

async fn compare(fleet: &Fleet) -> anyhow::Result<Comparison> {
    note(&format!("copy_page: a run for {USERS} users"));
    fleet.enable_sync().await?;
    fleet.sync().await?;
    let environment = fleet.deployment().environment().await?.to_string();
    let copy = (&*environment, fleet.account());
    let mut connection = fleet.deployment().connect().await?;
    sqlx::raw_sql("VACUUM (ANALYZE) directory_versions").execute(&mut connection).await?;
    note("copy_page: reading");
    let (mut stored, mut complete, mut gateway) = (Vec::new(), Vec::new(), Vec::new());
    // The first round opens connections and prepares statements.
    for round in 0..=ROUNDS {
        let plain = read_rows(&mut connection, STORED, copy).await?;
        let joined = read_rows(&mut connection, COMPLETE, copy).await?;
        let ours = read_gateway(fleet).await?;
        anyhow::ensure!(plain.rows == ours.rows, "{plain:?} is not {ours:?}");
        if round > 0 {
            stored.push(plain);
            complete.push(joined);
            gateway.push(ours);
        }
    }
    connection.close().await?;
    let [stored, complete, gateway] = [stored, complete, gateway].map(median);
    Ok(Comparison { stored, complete, gateway })
}

/// Reads all pages by a statement, each as one JSON text.
async fn read_rows(
    connection: &mut PgConnection,
    statement: &'static str,
    (environment, account): (&str, &str),
) -> anyhow::Result<Reading> {
    let (mut reading, mut after) = (Reading::default(), String::new());
    loop {
        let began = Instant::now();
        let rows: Vec<(String, String)> = sqlx::query_as(statement)
            .bind(environment)
            .bind(account)
            .bind(&after)
            .bind(PAGE_ROWS)
            .fetch_all(&mut *connection)
            .await?;
        let Some((last, _)) = rows.last() else { return Ok(reading) };
        drop(black_box(page_text(&rows)));
        reading.seconds += began.elapsed().as_secs_f64();
        reading.rows += rows.len();
        reading.pages += 1;
        after.clone_from(last);
    }
}

/// Returns a page as JSON.
fn page_text(rows: &[(String, String)]) -> String {
    let length: usize = rows.iter().map(|(_, body)| body.len() + 1).sum();
    let mut text = String::with_capacity(length + 1);
    text.push('[');
    for (index, (_, body)) in rows.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str(body);
    }
    text.push(']');
    text
}

async fn read_gateway(fleet: &Fleet) -> anyhow::Result<Reading> {
    let base = fleet.urls().next().context("no gateway")?;
    let base = format!("{base}/users?source=synced&limit={PAGE_ROWS}");
    let mut reading = Reading::default();
    reading
        .all(|cursor| {
            let behind = if cursor.is_empty() { "" } else { "&next_cursor=" };
            fleet.caller.request(Method::GET, &format!("{base}{behind}{cursor}"))
        })
        .await?;
    Ok(reading)
}
