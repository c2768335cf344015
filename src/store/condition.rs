//! What the server is like, for whoever checks an installation. Nothing here is asked by calls.

use time::OffsetDateTime;

use super::{Store, StoreError};

/// What the server says of itself.
#[derive(Debug)]
pub struct Condition {
    /// Its version as one number: 150004 is 15.4.
    pub version: i32,
    /// Its clock.
    pub now: OffsetDateTime,
    /// How many connections it takes, from everybody.
    pub max_connections: i32,
    /// Whether it follows another server and takes no changes.
    pub is_replica: bool,
    /// Whether our connection to it is encrypted.
    pub is_encrypted: bool,
    /// What our role may do.
    pub role: DatabaseRole,
    has_migrations: bool,
}

/// What the role that we connect as may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseRole {
    /// Everything in the whole server.
    Superuser,
    /// Everything with the tables: it owns them, by itself or as a member of their owner.
    TableOwner,
    /// What was granted to it.
    Runtime,
}

/// How far its tables are.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Migrations {
    /// How many of ours it has.
    pub applied: usize,
    /// How many of ours it lacks.
    pub lacking: usize,
    /// How many it has that this program doesn't know.
    pub newer: usize,
    /// How many were broken off in the middle.
    pub failed: usize,
}

impl Store {
    /// Asks the server what it is like.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn condition(&self) -> Result<Condition, StoreError> {
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
        Ok(Condition {
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
    pub async fn migrations(&self, condition: &Condition) -> Result<Migrations, StoreError> {
        let rows: Vec<(i64, bool)> = if condition.has_migrations {
            // The table is sqlx's own: not there to check the query with.
            sqlx::query_as("SELECT version, success FROM _sqlx_migrations")
                .fetch_all(&self.pool)
                .await?
        } else {
            Vec::new()
        };
        let mut found =
            Migrations { lacking: crate::MIGRATOR.iter().count(), ..Default::default() };
        for (version, success) in rows {
            if !success {
                found.failed += 1;
            } else if crate::MIGRATOR.version_exists(version) {
                found.applied += 1;
                found.lacking = found.lacking.saturating_sub(1);
            } else {
                found.newer += 1;
            }
        }
        Ok(found)
    }
}
