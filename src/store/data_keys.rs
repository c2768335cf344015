//! The wrapped data keys of all tables: how many are wrapped by which master key, which rows need rewrapping, and the
//! update of one row.

use super::columns::parse_name;
use super::{Store, StoreError, TenantDb};
use crate::domain::ids::EnvironmentId;
use crate::domain::sealed::WrappedKey;

/// A table whose rows each have a data key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyedTable {
    /// Tokens of accounts.
    AccountCredentials,
    /// Secrets of OAuth clients.
    ProviderApps,
    /// PKCE verifiers of links.
    LinkTokens,
    /// Stored responses of idempotency keys.
    IdempotencyKeys,
    /// Signing secrets of webhooks.
    Webhooks,
}

impl KeyedTable {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::AccountCredentials,
        Self::ProviderApps,
        Self::LinkTokens,
        Self::IdempotencyKeys,
        Self::Webhooks,
    ];

    /// Returns the name of the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AccountCredentials => "account_credentials",
            Self::ProviderApps => "provider_apps",
            Self::LinkTokens => "link_tokens",
            Self::IdempotencyKeys => "idempotency_keys",
            Self::Webhooks => "webhooks",
        }
    }
}

impl std::str::FromStr for KeyedTable {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|one| one.name() == name).ok_or(())
    }
}

/// A row with a data key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyedRow {
    /// Its table.
    pub table: KeyedTable,
    /// Its id or its idempotency key.
    pub id: String,
    /// The scope of its idempotency key; empty in the other tables.
    pub scope: String,
    /// Its data key.
    pub data_key: WrappedKey,
}

/// Number of rows of a table and environment that are wrapped by a master key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterKeyUsage {
    /// The table.
    pub table: KeyedTable,
    /// The environment of the rows.
    pub environment_id: EnvironmentId,
    /// The id of the master key.
    pub master_key_id: String,
    /// The number of rows.
    pub rows: u64,
}

impl Store {
    /// Returns which master keys the rows of all environments need.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn master_key_usage(&self) -> Result<Vec<MasterKeyUsage>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT name AS "name!", environment_id AS "environment_id!: EnvironmentId",
                      master_key_id AS "master_key_id!", count(*) AS "rows!"
               FROM (
                   SELECT 'account_credentials' AS name, environment_id, master_key_id
                   FROM account_credentials
                   UNION ALL
                   SELECT 'provider_apps', environment_id, master_key_id FROM provider_apps
                   UNION ALL
                   SELECT 'link_tokens', environment_id, master_key_id FROM link_tokens
                   UNION ALL
                   SELECT 'idempotency_keys', environment_id, master_key_id FROM idempotency_keys
                   UNION ALL
                   SELECT 'webhooks', environment_id, master_key_id FROM webhooks
               ) AS keyed
               WHERE master_key_id IS NOT NULL
               GROUP BY name, environment_id, master_key_id
               ORDER BY environment_id, name, master_key_id"#
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(MasterKeyUsage {
                    table: parse_name("keyed", "name", &row.name)?,
                    environment_id: row.environment_id,
                    master_key_id: row.master_key_id,
                    rows: u64::try_from(row.rows).unwrap_or_default(),
                })
            })
            .collect()
    }
}

impl TenantDb {
    /// Returns up to `limit` rows of a table, after the row `after`, whose data key is wrapped by another master key.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn rows_not_wrapped_by(
        &self,
        master_key_id: &str,
        table: KeyedTable,
        after: Option<&KeyedRow>,
        limit: i64,
    ) -> Result<Vec<KeyedRow>, StoreError> {
        let (scope, id) = after.map_or(("", ""), |row| (&row.scope, &row.id));
        let rows = sqlx::query!(
            r#"SELECT scope AS "scope!", id AS "id!", master_key_id AS "master_key_id!",
                      data_key AS "data_key!"
               FROM (
                   SELECT '' AS scope, integrated_account_id AS id, master_key_id, data_key
                   FROM account_credentials WHERE $3 = 'account_credentials'
                     AND environment_id = $1 AND integrated_account_id > $5
                   UNION ALL
                   SELECT '', provider_app_id, master_key_id, data_key
                   FROM provider_apps WHERE $3 = 'provider_apps'
                     AND environment_id = $1 AND provider_app_id > $5
                   UNION ALL
                   SELECT '', link_token_id, master_key_id, data_key
                   FROM link_tokens WHERE $3 = 'link_tokens'
                     AND environment_id = $1 AND link_token_id > $5
                   UNION ALL
                   SELECT scope, idempotency_key, master_key_id, data_key
                   FROM idempotency_keys WHERE $3 = 'idempotency_keys'
                     AND environment_id = $1 AND (scope, idempotency_key) > ($4, $5)
                   UNION ALL
                   SELECT '', webhook_id, master_key_id, data_key
                   FROM webhooks WHERE $3 = 'webhooks'
                     AND environment_id = $1 AND webhook_id > $5
               ) AS keyed
               WHERE master_key_id <> $2 ORDER BY scope, id LIMIT $6"#,
            self.environment_id as EnvironmentId,
            master_key_id,
            table.name(),
            scope,
            id,
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        let read = |master_key_id, bytes| WrappedKey { master_key_id, bytes };
        let rows = rows.into_iter().map(|row| KeyedRow {
            table,
            id: row.id,
            scope: row.scope,
            data_key: read(row.master_key_id, row.data_key),
        });
        Ok(rows.collect())
    }

    /// Replaces a row's data key by `new`. Returns `false`, and changes nothing, if the row has another key meanwhile
    /// or is deleted.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn replace_data_key(
        &self,
        row: &KeyedRow,
        new: &WrappedKey,
    ) -> Result<bool, StoreError> {
        let environment_id = self.environment_id;
        let (old_id, old) = (&row.data_key.master_key_id, &row.data_key.bytes);
        let (new_id, bytes) = (&new.master_key_id, &new.bytes);
        let done = match row.table {
            KeyedTable::AccountCredentials => sqlx::query!(
                "UPDATE account_credentials SET master_key_id = $5, data_key = $6
                 WHERE environment_id = $1 AND integrated_account_id = $2
                   AND master_key_id = $3 AND data_key = $4",
                environment_id as EnvironmentId,
                row.id,
                old_id,
                old,
                new_id,
                bytes,
            )
            .execute(&self.pool),
            KeyedTable::ProviderApps => sqlx::query!(
                "UPDATE provider_apps SET master_key_id = $5, data_key = $6
                 WHERE environment_id = $1 AND provider_app_id = $2
                   AND master_key_id = $3 AND data_key = $4",
                environment_id as EnvironmentId,
                row.id,
                old_id,
                old,
                new_id,
                bytes,
            )
            .execute(&self.pool),
            KeyedTable::LinkTokens => sqlx::query!(
                "UPDATE link_tokens SET master_key_id = $5, data_key = $6
                 WHERE environment_id = $1 AND link_token_id = $2
                   AND master_key_id = $3 AND data_key = $4",
                environment_id as EnvironmentId,
                row.id,
                old_id,
                old,
                new_id,
                bytes,
            )
            .execute(&self.pool),
            KeyedTable::IdempotencyKeys => sqlx::query!(
                "UPDATE idempotency_keys SET master_key_id = $5, data_key = $6
                 WHERE environment_id = $1 AND idempotency_key = $2
                   AND master_key_id = $3 AND data_key = $4 AND scope = $7",
                environment_id as EnvironmentId,
                row.id,
                old_id,
                old,
                new_id,
                bytes,
                row.scope,
            )
            .execute(&self.pool),
            KeyedTable::Webhooks => sqlx::query!(
                "UPDATE webhooks SET master_key_id = $5, data_key = $6
                 WHERE environment_id = $1 AND webhook_id = $2
                   AND master_key_id = $3 AND data_key = $4",
                environment_id as EnvironmentId,
                row.id,
                old_id,
                old,
                new_id,
                bytes,
            )
            .execute(&self.pool),
        };
        Ok(done.await?.rows_affected() == 1)
    }
}
