//! The database: reached, new enough, up to date, of one time with us, and heard from.

use std::time::Duration;

use time::OffsetDateTime;

use super::report::Report;
use crate::app::{Database, Sharing};
use crate::config::Config;
use crate::domain::clock::{Clock as _, SystemClock};
use crate::store::{Condition, DatabaseRole, Migrations, Store, StoreError};

const NAME: &str = "database";
/// The oldest version that is tested with.
const OLDEST: i32 = 140_000;
/// How far the clocks may be apart before it is told: tokens end by our clock, rows are dated by both.
const CLOCK_WARNS: time::Duration = time::Duration::seconds(2);
/// How far before renewed tokens and link tokens end too late or too early.
const CLOCK_FAILS: time::Duration = time::Duration::seconds(60);
/// How long a notification may take from one connection to another.
const DELIVERED_WITHIN: Duration = Duration::from_secs(5);

pub(super) async fn check(config: &Config, has_keys: bool, report: &mut Report) {
    let settings = &config.database;
    if settings.embedded && !settings.data_dir.join("postgres").exists() {
        let data = settings.data_dir.display();
        return report.ok(NAME, format!("embedded; the first `serve` makes it in {data}"));
    }
    if !settings.embedded
        && let Err(error) = Database::knock(settings).await
    {
        let fix = "start PostgreSQL, open the way to it, or correct database.url";
        return report.fail(NAME, format!("can't be reached: {error:#}"), fix);
    }
    match Database::open(settings, true, Sharing::Shared).await {
        Ok(database) => {
            let store = database.store();
            if let Err(error) = ask(&store, config, has_keys, report).await {
                let error = anyhow::Error::from(error);
                let fix = "the role in database.url must own the database or have all rights in it";
                report.fail(NAME, format!("{error:#}"), fix);
            }
            drop(store);
            database.close().await;
        }
        Err(error) => {
            let fix = "see postgres.log in database.data_dir, or use a PostgreSQL of your own";
            report.fail(NAME, format!("{error:#}"), fix);
        }
    }
}

async fn ask(
    store: &Store,
    config: &Config,
    has_keys: bool,
    report: &mut Report,
) -> Result<(), StoreError> {
    // First: it finds out how statements can be sent.
    let mut of_changes = Report::default();
    changes(store, config, &mut of_changes).await?;
    let asked_at = SystemClock.now();
    let condition = store.condition().await?;
    let answered_at = SystemClock.now();
    server(&condition, config, answered_at - asked_at, report);
    if !config.database.embedded {
        role(&condition, report);
    }
    clock(condition.now, asked_at + (answered_at - asked_at) / 2, report);
    let migrations = store.migrations(&condition).await?;
    let is_current = tables(&migrations, config.database.embedded, report);
    report.append(of_changes);
    if is_current && has_keys {
        super::vault::check(store, &config.vault, report).await?;
    }
    Ok(())
}

async fn changes(store: &Store, config: &Config, report: &mut Report) -> Result<(), StoreError> {
    let max_age = config.cache.max_age_s;
    if store.delivers_notifications(DELIVERED_WITHIN).await? {
        let found = format!(
            "a notification of one connection is delivered to another; no cached row is older than {max_age} s"
        );
        report.ok("changes", found);
    } else {
        report.warn(
            "changes",
            "a notification of one connection is not delivered to another: nothing is cached, every call \
             asks the database",
            "connect to PostgreSQL itself, or let the pooler keep sessions (pool_mode = session)",
        );
    }
    Ok(())
}

fn server(condition: &Condition, config: &Config, took: time::Duration, report: &mut Report) {
    let Condition { version, max_connections, .. } = *condition;
    let (major, minor) = (version / 10_000, version % 10_000);
    let way = if condition.is_encrypted { "by TLS" } else { "without TLS" };
    let ms = took.as_seconds_f64() * 1_000.0;
    let found = format!("PostgreSQL {major}.{minor}, {way}, answers in {ms:.1} ms");
    if version < OLDEST {
        return report.fail(NAME, found, "upgrade PostgreSQL to version 14 or newer");
    }
    if condition.is_replica {
        let fix = "name the primary in database.url";
        return report.fail(NAME, format!("{found}; it is a replica and takes no changes"), fix);
    }
    // Two more are for the feed of changes.
    let wanted = config.database.max_connections.saturating_add(2);
    if i64::from(max_connections) < i64::from(wanted) {
        let fix = "raise the server's max_connections, or lower database.max_connections";
        let found =
            format!("{found}; it takes {max_connections} connections, we may want {wanted}");
        return report.warn(NAME, found, fix);
    }
    report.ok(NAME, found);
}

/// Reports a role that can do more than a gateway needs.
fn role(condition: &Condition, report: &mut Report) {
    let fix = "run scripts/database_roles.sql and use its switchboard_runtime in database.url of gateways";
    match condition.role {
        DatabaseRole::Superuser => {
            report.warn("role", "is a superuser of the database server", fix);
        }
        DatabaseRole::TableOwner => {
            report.warn("role", "owns the tables, so it could change the audit log", fix);
        }
        DatabaseRole::Runtime => report.ok("role", "owns no table and is no superuser"),
    }
}

fn clock(of_database: OffsetDateTime, ours: OffsetDateTime, report: &mut Report) {
    let apart = (of_database - ours).abs();
    let found = format!("{:.1} s apart from the database's", apart.as_seconds_f64());
    let fix = "let both machines keep their time by NTP";
    if apart > CLOCK_FAILS {
        report.fail("clock", found, fix);
    } else if apart > CLOCK_WARNS {
        report.warn("clock", found, fix);
    } else {
        report.ok("clock", found);
    }
}

/// Tells how far the tables are, and answers whether they can be read.
fn tables(migrations: &Migrations, is_embedded: bool, report: &mut Report) -> bool {
    let Migrations { applied, lacking, newer, failed } = *migrations;
    let name = "migrations";
    if failed > 0 {
        let fix = "restore the database from a backup, or ask for help with the server's log";
        report.fail(name, format!("{failed} were broken off in the middle"), fix);
    } else if lacking > 0 && is_embedded {
        report.ok(name, format!("{lacking} will be applied by the next `serve`"));
    } else if lacking > 0 {
        let found = format!("{applied} applied, {lacking} lacking: the gateway is not ready");
        report.fail(name, found, "run `switchboard migrate`");
    } else if newer > 0 {
        let found = format!("all {applied} applied, and {newer} of a newer program");
        report.warn(name, found, "bring this program up to date too; it works meanwhile");
    } else {
        report.ok(name, format!("all {applied} applied"));
    }
    failed == 0 && lacking == 0
}
