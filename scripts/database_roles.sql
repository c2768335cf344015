-- Creates the two roles of Switchboard and their privileges. Run it in Switchboard's database, as a superuser or as the
-- database's owner with CREATEROLE, before the first `switchboard migrate`. It is idempotent:
--
--   OWNER_PASSWORD_FILE=… RUNTIME_PASSWORD_FILE=… psql "$ADMIN_URL" --file=scripts/database_roles.sql
--
-- Passwords are read from files: command lines are visible to every process.
--
-- switchboard_owner    owns the tables: `switchboard migrate`, `switchboard audit purge`
-- switchboard_runtime  reads and writes rows: `switchboard serve` and every other command
\set ON_ERROR_STOP on
\set owner_password `cat "$OWNER_PASSWORD_FILE"`
\set runtime_password `cat "$RUNTIME_PASSWORD_FILE"`
BEGIN;

SELECT format('CREATE ROLE %I LOGIN', name)
FROM unnest(ARRAY['switchboard_owner', 'switchboard_runtime']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec
ALTER ROLE switchboard_owner PASSWORD :'owner_password';
ALTER ROLE switchboard_runtime PASSWORD :'runtime_password';

-- The owner may not create extensions: a migration finds these.
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS btree_gin;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO switchboard_owner;
GRANT USAGE ON SCHEMA public TO switchboard_runtime;

-- Changes the owner of tables that an older version created under another role.
SELECT format('ALTER TABLE public.%I OWNER TO switchboard_owner', tablename)
FROM pg_tables WHERE schemaname = 'public' AND tableowner <> 'switchboard_owner' \gexec
SELECT format('ALTER FUNCTION public.%I(%s) OWNER TO switchboard_owner', proname, pg_get_function_identity_arguments(oid))
FROM pg_proc
WHERE pronamespace = 'public'::regnamespace AND proowner <> 'switchboard_owner'::regrole
    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e') \gexec

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO switchboard_runtime;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO switchboard_runtime;
ALTER DEFAULT PRIVILEGES FOR ROLE switchboard_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO switchboard_runtime;
ALTER DEFAULT PRIVILEGES FOR ROLE switchboard_owner IN SCHEMA public
    GRANT USAGE ON SEQUENCES TO switchboard_runtime;

-- On a migrated database: repeats the revocations of the audit log's migration.
SELECT format('REVOKE UPDATE, DELETE, TRUNCATE ON public.%I FROM switchboard_owner, switchboard_runtime', tablename)
FROM pg_tables WHERE schemaname = 'public' AND tablename = 'audit_log' \gexec
SELECT format('REVOKE INSERT, UPDATE, DELETE ON public.%I FROM switchboard_runtime', tablename)
FROM pg_tables WHERE schemaname = 'public' AND tablename = '_sqlx_migrations' \gexec

COMMIT;
