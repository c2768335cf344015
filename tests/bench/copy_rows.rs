//! Rows of synced copies, written directly, as runs of the directory sync would have written them.

use anyhow::Context as _;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use super::fleet::Deployment;
use super::person_names::PersonNames;
use super::progress::note;

/// How many users are inserted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CopySize {
    /// Of the first account.
    pub(crate) first: i64,
    /// Of all accounts.
    pub(crate) all: i64,
}

/// Rows per statement.
const CHUNK: i64 = 100_000;

/// Gives the session time and memory for long statements.
const SESSION: &str = "SET maintenance_work_mem = '512MB'; SET synchronous_commit = off";

/// The indexes of users that are no part of an index of all kinds.
const OWN_INDEXES: &str = "SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid)
     FROM pg_index i
     WHERE i.indrelid = 'directory_users'::regclass
       AND NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = i.indexrelid)";

/// Inserts users. Given names are distributed by the square of a hash of the user's number, family names by its third
/// power: the first ones are common, the last ones rare.
const INSERT_USERS: &str = "
    INSERT INTO directory_users (environment_id, integrated_account_id, kind, object_id, valid_from, read_at, hash,
        user_id, name, name_key, email, username, title, department, status, user_type, search_text, updated_at,
        last_activity_at, body)
    SELECT $1, account, 'user', id, now(), now(), sha256(convert_to(id, 'UTF8')), id, name, lower(name), email,
        username, lower(title), lower(department), 'active', 'member',
        lower(concat_ws(' ', name, given, family, username, title, department, email)),
        now() - make_interval(days => number % 900), now() - make_interval(days => number % 90),
        json_build_object(
            'id', id, 'external_id', 'ext-' || id, 'identifiers', json_build_object('enterprise_user', id),
            'first_name', given, 'last_name', family, 'name', name, 'username', username, 'title', title,
            'department', department, 'division', 'Product and Technology', 'organization', 'Lumen Works',
            'cost_center', 'CC-' || 1000 + number % 90, 'employee_number', number::text,
            'emails', json_build_array(json_build_object('email', email, 'type', 'work', 'is_primary', true)),
            'phones', json_build_array(json_build_object('number', '+49 30 ' || number, 'extension', NULL,
                'type', 'work')),
            'photos', json_build_array(json_build_object('url', 'https://pictures.example/' || id || '/192.png',
                'type', 'photo')),
            'addresses', json_build_array(json_build_object('street', number % 200 || ' Main Street',
                'city', 'Berlin', 'region', 'Berlin', 'postal_code', '10115', 'country', 'DE')),
            'status', 'active', 'user_type', 'member', 'is_email_verified', true, 'is_2fa_enabled', true,
            'is_sso_enabled', true, 'manager', json_build_object('id', 'U0000000000', 'name', NULL),
            'timezone', 'Europe/Berlin', 'locale', 'en-GB', 'expires_at', NULL,
            'created_at', '2024-03-01T09:00:00Z', 'updated_at', '2026-06-01T09:00:00Z', 'deactivated_at', NULL,
            'custom_fields', json_build_object('start_date', '2024-03-01'))
    FROM (
        SELECT *, given || ' ' || family AS name, lower(given || '.' || family) || number AS username,
            lower(given || '.' || family) || number || '@corp.example' AS email
        FROM (
            SELECT i::int AS number, 'U' || lpad(i::text, 10, '0') AS id,
                ($2::text[])[CASE WHEN i < $3::bigint THEN 1 ELSE 2 + (i % $4::bigint)::int END] AS account,
                1 + floor(power((hashint8extended(i, 1) & 1048575)::float8 / 1048576, 2)
                    * cardinality($5::text[]))::int AS given_number,
                1 + floor(power((hashint8extended(i, 2) & 1048575)::float8 / 1048576, 3)
                    * cardinality($6::text[]))::int AS family_number,
                (ARRAY['Software Engineer', 'Account Executive', 'Recruiter', 'Product Manager', 'Controller',
                    'Support Specialist', 'Security Engineer', 'Counsel'])[1 + (i % 8)::int] AS title,
                (ARRAY['Engineering', 'Sales', 'People', 'Product', 'Finance', 'Customer Support', 'Security'])
                    [1 + (i % 7)::int] AS department
            FROM generate_series($7::bigint, $8::bigint) AS series (i)
        ) numbered
        JOIN unnest($5::text[]) WITH ORDINALITY AS given_names (given, given_ordinal)
            ON given_ordinal = given_number
        JOIN unnest($6::text[]) WITH ORDINALITY AS family_names (family, family_ordinal)
            ON family_ordinal = family_number
    ) person";

/// Inserts the workspaces of an account.
const INSERT_WORKSPACES: &str = "
    INSERT INTO directory_workspaces (environment_id, integrated_account_id, kind, object_id, valid_from, read_at,
        hash, name, name_key, body)
    SELECT $1, $2, 'workspace', 'T' || n, now(), now(), sha256(convert_to('T' || n, 'UTF8')), 'Workspace ' || n,
        'workspace ' || n, json_build_object('id', 'T' || n, 'name', 'Workspace ' || n)
    FROM generate_series(0, 19) AS series (n)";

/// Inserts a workspace membership of each user.
const INSERT_MEMBERS: &str = "
    INSERT INTO directory_workspace_members (environment_id, integrated_account_id, kind, object_id, valid_from,
        read_at, hash, user_id, parent_id, body)
    SELECT $1, $2, 'workspace_member', workspace || '.' || id, now(), now(), sha256(convert_to(id, 'UTF8')), id,
        workspace, json_build_object('workspace_id', workspace, 'user_id', id)
    FROM (SELECT 'U' || lpad(i::text, 10, '0') AS id, 'T' || i % 20 AS workspace
          FROM generate_series($3::bigint, $4::bigint) AS series (i)) person";

/// Inserts a role assignment of each user.
const INSERT_ASSIGNMENTS: &str = "
    INSERT INTO directory_role_assignments (environment_id, integrated_account_id, kind, object_id, valid_from,
        read_at, hash, user_id, role_id, body)
    SELECT $1, $2, 'role_assignment', 'org:member.' || id || '.E1', now(), now(), sha256(convert_to(id, 'UTF8')),
        id, 'org:member', json_build_object('id', 'org:member.' || id || '.E1', 'user_id', id,
            'role_id', 'org:member', 'role_name', 'Member', 'scope', 'organization', 'workspace_id', NULL,
            'organization_id', 'E1', 'group_id', NULL, 'group_type', NULL, 'channel_id', NULL,
            'is_privileged', false, 'granted_by', NULL, 'created_at', NULL, 'updated_at', NULL)
    FROM (SELECT 'U' || lpad(i::text, 10, '0') AS id
          FROM generate_series($3::bigint, $4::bigint) AS series (i)) person";

/// Marks the copies as complete.
const INSERT_COPIES: &str = "
    INSERT INTO directory_copies (environment_id, integrated_account_id, kind, synced_at, first_synced_at,
        has_profiles)
    SELECT $1, account, kind, now(), now(), true
    FROM unnest($2::text[]) AS accounts (account),
        unnest(ARRAY['workspace', 'user', 'workspace_member', 'role_assignment', 'group', 'group_member'])
            AS kinds (kind)";

/// Notes the sizes of the copies.
const INSERT_SIZES: &str = "
    INSERT INTO directory_copy_sizes (environment_id, integrated_account_id, kind, objects)
    SELECT environment_id, integrated_account_id, kind, count(*) FROM directory_versions
    WHERE environment_id = $1 AND integrated_account_id = ANY ($2) AND valid_to = 'infinity'
    GROUP BY 1, 2, 3";

/// Fills the copies of these accounts: the users of the first one have a membership and a role each; the others share
/// the rest.
pub(crate) async fn fill(
    deployment: &Deployment,
    accounts: &[String],
    names: &PersonNames,
    size: CopySize,
) -> anyhow::Result<()> {
    let mut connection = deployment.connect().await?;
    sqlx::raw_sql(SESSION).execute(&mut connection).await?;
    let environment = deployment.environment().await?.to_string();
    let first = accounts.first().context("no account")?;
    // Building the indexes afterwards takes a fraction of the time.
    let indexes = drop_indexes(&mut connection).await?;
    insert_users(&mut connection, &environment, accounts, names, size).await?;
    sqlx::query(INSERT_WORKSPACES)
        .bind(&environment)
        .bind(first)
        .execute(&mut connection)
        .await
        .context("workspaces")?;
    for (what, sql) in [("members", INSERT_MEMBERS), ("assignments", INSERT_ASSIGNMENTS)] {
        note(&format!("copy_rows: inserting {what}"));
        sqlx::query(sql)
            .bind(&environment)
            .bind(first)
            .bind(0_i64)
            .bind(size.first - 1)
            .execute(&mut connection)
            .await
            .context(what)?;
    }
    for (what, sql) in [("copies", INSERT_COPIES), ("sizes", INSERT_SIZES)] {
        sqlx::query(sql)
            .bind(&environment)
            .bind(accounts)
            .execute(&mut connection)
            .await
            .context(what)?;
    }
    for (name, definition) in indexes {
        note(&format!("copy_rows: building {name}"));
        sqlx::raw_sql(AssertSqlSafe(definition)).execute(&mut connection).await.context(name)?;
    }
    note("copy_rows: analyzing");
    sqlx::raw_sql("VACUUM (ANALYZE) directory_versions").execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

/// Drops the indexes that can be dropped alone; returns their names and the statements that create them.
async fn drop_indexes(connection: &mut PgConnection) -> anyhow::Result<Vec<(String, String)>> {
    let indexes: Vec<(String, String)> =
        sqlx::query_as(OWN_INDEXES).fetch_all(&mut *connection).await?;
    for (name, _) in &indexes {
        let drop = AssertSqlSafe(format!("DROP INDEX {name}"));
        sqlx::raw_sql(drop).execute(&mut *connection).await.with_context(|| name.clone())?;
    }
    Ok(indexes)
}

async fn insert_users(
    connection: &mut PgConnection,
    environment: &str,
    accounts: &[String],
    names: &PersonNames,
    CopySize { first, all }: CopySize,
) -> anyhow::Result<()> {
    let others = i64::try_from(accounts.len())? - 1;
    anyhow::ensure!(others > 0 || first == all, "one account only");
    let mut from = 0;
    while from < all {
        note(&format!("copy_rows: {from} of {all} users"));
        let end = all.min(from + CHUNK);
        sqlx::query(INSERT_USERS)
            .bind(environment)
            .bind(accounts)
            .bind(first)
            .bind(others.max(1))
            .bind(&names.given)
            .bind(&names.family)
            .bind(from)
            .bind(end - 1)
            .execute(&mut *connection)
            .await
            .context("users")?;
        from = end;
    }
    Ok(())
}
