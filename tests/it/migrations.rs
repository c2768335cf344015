//! Every migration runs with data: each new table gets a row before the next migration.

use std::collections::BTreeSet;

use anyhow::Context as _;
use sqlx::migrate::Migrate as _;
use sqlx::{PgConnection, PgPool};

use crate::support::remove_migrations;

/// A row for each table. A migration that creates a table needs an entry here, which stays as it was
/// when the table was created.
const SAMPLES: &[(&str, &str)] = &[
    ("gateways", "insert into gateways values ('0123456789abcdef', now())"),
    ("environments", "insert into environments values ('env_1', 'home', now())"),
    (
        "api_keys",
        "insert into api_keys values ('env_1', 'key_1', 'k', '\\x01', '{read}', now(), null, null)",
    ),
    (
        "provider_apps",
        "insert into provider_apps values ('env_1', 'app_1', 'slack_enterprise', '1.2', 'm', '\\x01',
            '\\x02', '{admin}', now(), now())",
    ),
    (
        "integrated_accounts",
        "insert into integrated_accounts values ('env_1', 'acc_1', 'acme', 'slack_enterprise', 'app_1',
            'active', null, 'E1', 'Org', 'U1', '{admin}', '{}', '{}', now(), now())",
    ),
    (
        "account_credentials",
        "insert into account_credentials values ('env_1', 'acc_1', 1, 'm', '\\x01', '\\x02', '\\x03',
            now(), now())",
    ),
    (
        "credential_refreshes",
        "insert into credential_refreshes values ('env_1', 'acc_1', 1, 1, now(), null, null)",
    ),
    (
        "account_tokens",
        "insert into account_tokens values ('env_1', 'atk_1', 'acc_1', '\\x01', '{read}', now(), null,
            null)",
    ),
    (
        "link_tokens",
        "insert into link_tokens values ('env_1', 'lnk_1', '\\x01', 'acme', 'slack_enterprise', 'app_1',
            null, null, '{}', now(), now(), null, null, null, null, null, null, null)",
    ),
    (
        "audit_log",
        "insert into audit_log values ('env_1', 'aud_1', now(), 'key_1', 'made', null, null, null,
            'done')",
    ),
    (
        "idempotency_keys",
        "insert into idempotency_keys values ('env_1', 'env_1', 'k', '\\x01', '{read}', 'req_1', now(),
            now(), now(), null, null, null, null, null, null)",
    ),
    (
        "mappings",
        "insert into mappings values ('env_1', 'map_1', null, 'slack_enterprise', 'users', 'field', '1',
            now(), now())",
    ),
    (
        "console_sessions",
        "insert into console_sessions values ('env_1', 'ses_1', 'key_1', '\\x01', now(), now(), now())",
    ),
    (
        "console_sign_in_links",
        "insert into console_sign_in_links values ('env_1', 'key_1', '\\x01', now())",
    ),
    (
        "portal_links",
        "insert into portal_links values ('env_1', 'plk_1', 'acc_1', 'key_1', '\\x01', '{directory}', '{read}',
            now(), now(), null, null, null)",
    ),
    ("key_uses", "insert into key_uses values ('env_1', 'key_1', now())"),
    // The migration made one for the event above.
    ("account_feeds", "update account_feeds set last_sequence = 9"),
    (
        "jobs",
        "insert into jobs values ('env_1', 'acc_1', 'job_1', 'sync', 'queued', now(), 0, null, null, null,
            now(), null)",
    ),
    (
        "change_sources",
        "insert into change_sources (environment_id, integrated_account_id, rechecks_due_at)
         values ('env_1', 'acc_1', now())",
    ),
    (
        "rechecks",
        "insert into rechecks values ('env_1', 'acc_1', 'user', 'U1', true, false, 'provider_event', '[]', 1,
            now(), now(), 0, null, 0)",
    ),
    (
        "change_log_entries",
        "insert into change_log_entries values ('env_1', 'acc_1', 'entry_1', now())",
    ),
    (
        "own_changes",
        "insert into own_changes values ('env_1', 'acc_1', 'own_1', '{}', '[]', now(), null, false, now())",
    ),
    (
        "change_causes",
        "insert into change_causes values ('env_1', 'acc_1', 'U1', now(), 1, now(), '{}')",
    ),
    (
        "directory_copies",
        "insert into directory_copies values ('env_1', 'acc_1', 'user', now(), now(), true)",
    ),
    (
        "directory_copy_sizes",
        "insert into directory_copy_sizes values ('env_1', 'acc_1', 'a later kind', 1)",
    ),
    (
        "directory_versions",
        "insert into directory_versions (environment_id, integrated_account_id, kind, object_id, valid_from,
            read_at, hash, body)
         select 'env_1', 'acc_1', kind, 'id', now(), now(), '\\x01', '{}'
         from unnest(array['user', 'workspace', 'workspace_member', 'role_assignment', 'group',
            'group_member']) kind",
    ),
    (
        "sync_runs",
        "insert into sync_runs (environment_id, integrated_account_id, sync_run_id, job_id, status, resources,
            started_by, created_at)
         values ('env_1', 'acc_1', 'syn_1', 'job_1', 'queued', '{users}', 'schedule', now())",
    ),
    ("sync_seen", "insert into sync_seen values ('acc_1', 'syn_1', 'user', 'id')"),
    ("sync_profiles", "insert into sync_profiles values ('acc_1', 'syn_1', 'id', '{}')"),
    (
        "events",
        "insert into events values ('env_1', 1, 'evt_1', now(), 'integrated_account.created', 'acc_1',
            '{}')",
    ),
    (
        "webhooks",
        "insert into webhooks values ('env_1', 'whk_1', 'https://example.com/', '{*}', 'acc_1', '', true,
            null, null, 'm', '\\x01', '\\x02', null, null, 1, null, 0, null, null, null, now(), now())",
    ),
    (
        "webhook_deliveries",
        "insert into webhook_deliveries values ('env_1', 'whk_1', 'dlv_1', 'evt_1',
            'integrated_account.created', 1, 'pending', 1, '[]', now(), now())",
    ),
    (
        "webhook_replays",
        "insert into webhook_replays values ('env_1', 'whk_1', 'rpl_1', '{*}', 0, 1, now())",
    ),
    (
        "policies",
        "insert into policies values ('env_1', 'pol_1', 'Guests', 'guests_must_expire', '{}', '{acc_1}',
            'warning', 0, 'alert', true, now(), now())",
    ),
    (
        "violations",
        "insert into violations values ('env_1', 'acc_1', 'pol_1', 'vio_1', 'user', 'U1', 'open', '{}', '[]',
            null, 1, now(), now(), null, now(), null, null, null, null)",
    ),
    ("policy_evaluations", "insert into policy_evaluations values ('env_1', 'acc_1', 0)"),
    (
        "rule_sets",
        "insert into rule_sets values ('env_1', 'acc_1', 'rls_1', 'Departments', '[]', 'additive', '{}', true,
            now(), now())",
    ),
    ("rule_set_positions", "insert into rule_set_positions values ('env_1', 'acc_1', 0)"),
    (
        "reconciliations",
        "insert into reconciliations (environment_id, integrated_account_id, reconciliation_id, job_id, status,
            options, new_workspaces, desired_users, row_errors, summary, created_by, created_at)
         values ('env_1', 'acc_1', 'rec_1', 'job_2', 'planned', '{}', '[]', 1, '[]', '{}', 'key_1', now())",
    ),
    (
        "reconciliation_steps",
        "insert into reconciliation_steps (environment_id, integrated_account_id, reconciliation_id, position,
            phase, operation, operation_type, subject, before, after, reason, is_removal, provider_calls, outcome)
         values ('env_1', 'acc_1', 'rec_1', 1, 'additions', '{}', 'user.update', '{}', '{}', '{}', '', false, 1,
            'pending')",
    ),
    (
        "reconciliation_rows",
        "insert into reconciliation_rows values ('env_1', 'acc_1', 'rec_1', 1, 'ada@example.com', '{}', now())",
    ),
];

async fn tables(connection: &mut PgConnection) -> sqlx::Result<BTreeSet<String>> {
    let names: Vec<String> = sqlx::query_scalar(
        "select table_name::text from information_schema.tables
            where table_schema = 'public' and table_name <> '_sqlx_migrations'
              and not exists (select from pg_class where relname = table_name and relispartition)",
    )
    .fetch_all(connection)
    .await?;
    Ok(names.into_iter().collect())
}

#[sqlx::test(migrations = false)]
async fn every_migration_runs_with_data(pool: PgPool) -> anyhow::Result<()> {
    remove_migrations(&pool).await?;
    let mut connection = pool.acquire().await?;
    let mut known = tables(&mut connection).await?;
    assert!(known.is_empty(), "{known:?}");
    connection.ensure_migrations_table("_sqlx_migrations").await?;
    for migration in switchboard::MIGRATOR.iter() {
        let applied = connection.apply("_sqlx_migrations", migration).await;
        applied.with_context(|| format!("{} fails over data", migration.description))?;
        let present = tables(&mut connection).await?;
        // In the order of the samples: rows of one migration may refer to each other.
        let new: Vec<&String> = present.difference(&known).collect();
        for table in &new {
            let sample = SAMPLES.iter().any(|(name, _)| name == table);
            assert!(sample, "add a sample row of {table} to SAMPLES in tests/it/migrations.rs");
        }
        for (table, sample) in SAMPLES {
            if new.iter().any(|name| name == table) {
                let inserted =
                    sqlx::query(sqlx::AssertSqlSafe(*sample)).execute(&mut *connection).await;
                inserted.with_context(|| format!("the sample of {table} does not fit"))?;
            }
        }
        known = present;
    }
    for (table, _) in SAMPLES {
        assert!(known.contains(*table), "{table} is in SAMPLES and no longer in the database");
    }
    let rest = switchboard::MIGRATOR.run(&pool).await;
    rest.context("the applied migrations differ from the program's")?;
    Ok(())
}
