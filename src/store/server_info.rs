//! Properties of the PostgreSQL server and of our role, used by `doctor`. No request handler reads them.

use time::OffsetDateTime;

use super::{Store, StoreError};

/// Properties of the server.
#[derive(Debug)]
pub struct ServerInfo {
    /// Version as one number: 150004 is 15.4.
    pub version: i32,
    /// The server's clock.
    pub now: OffsetDateTime,
    /// Maximum number of connections from all clients.
    pub max_connections: i32,
    /// Whether it is a read-only replica.
    pub is_replica: bool,
    /// Whether our connection to it is encrypted.
    pub is_encrypted: bool,
    /// Privileges of our role.
    pub role: DatabaseRole,
    has_migrations: bool,
}

/// Privileges of the role that we connect as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseRole {
    /// Superuser of the whole server.
    Superuser,
    /// Owner of the tables, directly or as a member of the owning role.
    TableOwner,
    /// Only what was granted to it.
    Runtime,
}

/// Comparison of the applied migrations with those of this program.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct MigrationStatus {
    /// Number of our migrations that are applied.
    pub applied: usize,
    /// Number of our migrations that are missing.
    pub missing: usize,
    /// Number of applied migrations that this program doesn't know.
    pub unknown: usize,
    /// Number of migrations that failed halfway.
    pub failed: usize,
}

impl Store {
    /// Returns the properties of the server.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn server_info(&self) -> Result<ServerInfo, StoreError> {
        let row = sqlx::query!(
            r#"SELECT current_setting('server_version_num')::int AS "version!",
                      current_setting('max_connections')::int AS "max_connections!",
                      clock_timestamp() AS "now!",
                      pg_is_in_recovery() AS "is_replica!",
                      coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)
                          AS "is_encrypted!",
                      current_setting('is_superuser')::bool AS "is_superuser!",
                      coalesce((SELECT pg_has_role(relowner, 'USAGE') FROM pg_class
                                WHERE oid = to_regclass('audit_log')), false) AS "owns_tables!",
                      to_regclass('_sqlx_migrations') IS NOT NULL AS "has_migrations!""#
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(ServerInfo {
            version: row.version,
            now: row.now,
            max_connections: row.max_connections,
            is_replica: row.is_replica,
            is_encrypted: row.is_encrypted,
            role: match (row.is_superuser, row.owns_tables) {
                (true, _) => DatabaseRole::Superuser,
                (false, true) => DatabaseRole::TableOwner,
                (false, false) => DatabaseRole::Runtime,
            },
            has_migrations: row.has_migrations,
        })
    }

    /// Compares the database's migrations with ours.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn migration_status(
        &self,
        condition: &ServerInfo,
    ) -> Result<MigrationStatus, StoreError> {
        let rows: Vec<(i64, bool)> = if condition.has_migrations {
            // The table is sqlx's own and may be missing, so the query can't be checked at build time.
            sqlx::query_as("SELECT version, success FROM _sqlx_migrations")
                .fetch_all(&self.pool)
                .await?
        } else {
            Vec::new()
        };
        let mut found =
            MigrationStatus { missing: crate::MIGRATOR.iter().count(), ..Default::default() };
        for (version, success) in rows {
            if !success {
                found.failed += 1;
            } else if crate::MIGRATOR.version_exists(version) {
                found.applied += 1;
                found.missing = found.missing.saturating_sub(1);
            } else {
                found.unknown += 1;
            }
        }
        Ok(found)
    }
}
