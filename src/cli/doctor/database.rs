//! Checks the database: connection, version, migrations, clock, role and notifications.

use std::time::Duration;

use time::OffsetDateTime;

use super::report::DoctorReport;
use crate::app::{Database, Exclusivity};
use crate::config::Config;
use crate::domain::clock::{Clock as _, SystemClock};
use crate::store::{DatabaseRole, MigrationStatus, ServerInfo, Store, StoreError};

const NAME: &str = "database";
/// The oldest supported version.
const MIN_VERSION: i32 = 140_000;
/// Clock difference that is a warning: tokens expire by our clock, rows are dated by both.
const CLOCK_WARNING: time::Duration = time::Duration::seconds(2);
/// Clock difference that is a failure: refreshed tokens and link tokens expire too early or late.
const CLOCK_FAILURE: time::Duration = time::Duration::seconds(60);
/// Maximum time for the delivery of a notification.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) async fn check(config: &Config, has_keys: bool, report: &mut DoctorReport) {
    let settings = &config.database;
    if settings.embedded && !settings.data_dir.join("postgres").exists() {
        let data = settings.data_dir.display();
        return report.ok(NAME, format!("embedded; the first `serve` creates it in {data}"));
    }
    if !settings.embedded
        && let Err(error) = Database::ping(settings).await
    {
        let fix = "start PostgreSQL, allow connections to it, or correct database.url";
        return report.fail(NAME, format!("unreachable: {error:#}"), fix);
    }
    match Database::open(settings, true, Exclusivity::Shared).await {
        Ok(database) => {
            let store = database.store();
            if let Err(error) = check_store(&store, config, has_keys, report).await {
                let error = anyhow::Error::from(error);
                let fix = "the role in database.url must own the database or have all rights in it";
                report.fail(NAME, format!("{error:#}"), fix);
            }
            drop(store);
            database.close().await;
        }
        Err(error) => {
            let fix = "see postgres.log in database.data_dir, or use an external PostgreSQL";
            report.fail(NAME, format!("{error:#}"), fix);
        }
    }
}

async fn check_store(
    store: &Store,
    config: &Config,
    has_keys: bool,
    report: &mut DoctorReport,
) -> Result<(), StoreError> {
    // First: it detects how statements can be sent.
    let mut of_changes = DoctorReport::default();
    check_notifications(store, config, &mut of_changes).await?;
    let asked_at = SystemClock.now();
    let condition = store.server_info().await?;
    let responded_at = SystemClock.now();
    report_server(&condition, config, responded_at - asked_at, report);
    if !config.database.embedded {
        report_role(&condition, report);
    }
    report_clock(condition.now, asked_at + (responded_at - asked_at) / 2, report);
    let migrations = store.migration_status(&condition).await?;
    let is_current = report_migrations(&migrations, config.database.embedded, report);
    report.append(of_changes);
    if is_current && has_keys {
        super::vault::check(store, &config.vault, report).await?;
    }
    Ok(())
}

async fn check_notifications(
    store: &Store,
    config: &Config,
    report: &mut DoctorReport,
) -> Result<(), StoreError> {
    let max_age = config.cache.max_age_s;
    if store.delivers_notifications(DELIVERY_TIMEOUT).await? {
        let found = format!(
            "notifications are delivered between connections; cached rows are at most {max_age} s old"
        );
        report.ok("changes", found);
    } else {
        report.warn(
            "changes",
            "notifications are not delivered between connections: nothing is cached, every call queries the database",
            "connect to PostgreSQL directly, or use session pooling (pool_mode = session)",
        );
    }
    Ok(())
}

fn report_server(
    condition: &ServerInfo,
    config: &Config,
    took: time::Duration,
    report: &mut DoctorReport,
) {
    let ServerInfo { version, max_connections, .. } = *condition;
    let (major, minor) = (version / 10_000, version % 10_000);
    let way = if condition.is_encrypted { "by TLS" } else { "without TLS" };
    let ms = took.as_seconds_f64() * 1_000.0;
    let found = format!("PostgreSQL {major}.{minor}, {way}, round trip {ms:.1} ms");
    if version < MIN_VERSION {
        return report.fail(NAME, found, "upgrade PostgreSQL to version 14 or newer");
    }
    if condition.is_replica {
        let fix = "name the primary in database.url";
        return report.fail(NAME, format!("{found}; it is a read-only replica"), fix);
    }
    // Two more are for the invalidation feed.
    let wanted = config.database.max_connections.saturating_add(2);
    if i64::from(max_connections) < i64::from(wanted) {
        let fix = "raise the server's max_connections, or lower database.max_connections";
        let found = format!(
            "{found}; it allows {max_connections} connections, the gateway needs up to {wanted}"
        );
        return report.warn(NAME, found, fix);
    }
    report.ok(NAME, found);
}

/// Reports a role with more rights than a gateway needs.
fn report_role(condition: &ServerInfo, report: &mut DoctorReport) {
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

fn report_clock(of_database: OffsetDateTime, ours: OffsetDateTime, report: &mut DoctorReport) {
    let apart = (of_database - ours).abs();
    let found = format!("{:.1} s apart from the database's", apart.as_seconds_f64());
    let fix = "synchronize both machines by NTP";
    if apart > CLOCK_FAILURE {
        report.fail("clock", found, fix);
    } else if apart > CLOCK_WARNING {
        report.warn("clock", found, fix);
    } else {
        report.ok("clock", found);
    }
}

/// Reports the migrations; returns whether the tables can be read.
fn report_migrations(
    migrations: &MigrationStatus,
    is_embedded: bool,
    report: &mut DoctorReport,
) -> bool {
    let MigrationStatus { applied, missing: lacking, unknown: newer, failed } = *migrations;
    let name = "migrations";
    if failed > 0 {
        let fix = "restore the database from a backup, or ask for help with the server's log";
        report.fail(name, format!("{failed} failed half way"), fix);
    } else if lacking > 0 && is_embedded {
        report.ok(name, format!("{lacking} will be applied by the next `serve`"));
    } else if lacking > 0 {
        let found = format!("{applied} applied, {lacking} missing: the gateway is not ready");
        report.fail(name, found, "run `switchboard migrate`");
    } else if newer > 0 {
        let found = format!("all {applied} applied, and {newer} of a newer version");
        report.warn(name, found, "upgrade this program too; it works meanwhile");
    } else {
        report.ok(name, format!("all {applied} applied"));
    }
    failed == 0 && lacking == 0
}
