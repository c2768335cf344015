//! `scripts/database_roles.sql`, run by psql as an operator runs it.

use std::process::Command;

use anyhow::ensure;
use serde_json::json;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use super::path;
use crate::support::{TestApp, remove_migrations};

/// Runs the script in the database of `pool`.
fn create_roles(pool: &PgPool) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut psql = Command::new("psql");
    for role in ["OWNER", "RUNTIME"] {
        let file = folder.path().join(role);
        std::fs::write(&file, format!("{role}'s \"password\"\n"))?;
        psql.env(format!("{role}_PASSWORD_FILE"), file);
    }
    let options = pool.connect_options();
    let host = options
        .get_socket()
        .map_or(options.get_host().into(), |socket| socket.as_os_str().to_owned());
    psql.arg("--host").arg(host).args(["--port", &options.get_port().to_string()]);
    psql.args(["--username", options.get_username(), "--no-psqlrc", "--quiet"]);
    psql.args(["--dbname", options.get_database().unwrap_or_default()]);
    let ran = psql.arg("--file").arg(path("scripts/database_roles.sql")).output()?;
    ensure!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    Ok(())
}

/// Connects to the same database as another role.
async fn pool_of(pool: &PgPool, role: &str) -> anyhow::Result<PgPool> {
    let options = (*pool.connect_options()).clone().username(role);
    Ok(PgPoolOptions::new().max_connections(5).connect_with(options).await?)
}

#[sqlx::test(migrations = false)]
async fn the_runtime_role_serves_and_changes_neither_tables_nor_the_audit_log(
    pool: PgPool,
) -> anyhow::Result<()> {
    remove_migrations(&pool).await?;
    create_roles(&pool)?;
    let owner = pool_of(&pool, "switchboard_owner").await?;
    switchboard::MIGRATOR.run(&owner).await?;
    // An operator may run it again, after the migrations too.
    create_roles(&pool)?;
    let runtime = pool_of(&pool, "switchboard_runtime").await?;

    let app = TestApp::new(runtime.clone()).await?;
    let api = app.linked_client().await?;
    api.get("users?limit=1").await?.success()?;
    api.post("users", &json!({"email": "ada@example.com", "name": "Ada"})).await?.created()?;
    let audited = app.home.admin.get("audit-log").await?.success()?;
    assert!(audited.pointer("/result/0").is_some(), "{audited}");

    for rejected in [
        "UPDATE audit_log SET outcome = 'done'",
        "DELETE FROM audit_log",
        "TRUNCATE audit_log",
        "ALTER TABLE audit_log DISABLE TRIGGER audit_log_rows_stay",
        "DROP TABLE audit_log",
        "CREATE TABLE extra (id int)",
        "DELETE FROM _sqlx_migrations",
        "GRANT DELETE ON audit_log TO CURRENT_USER",
    ] {
        let result = sqlx::query(rejected).execute(&runtime).await;
        // A GRANT of missing privileges is a warning in PostgreSQL.
        let is_grant = rejected.starts_with("GRANT");
        assert!(is_grant || result.is_err(), "{rejected} was permitted");
    }
    assert!(sqlx::query("DELETE FROM audit_log").execute(&runtime).await.is_err());
    Ok(())
}
