-- Default privileges of the tables' owner may have given another role, such as the gateway's own, more on the audit log
-- than the migration that created it took from PUBLIC and from the owner: nobody may change its rows. The same role
-- needs only to read the list of migrations.
DO $$
DECLARE grantee text;
BEGIN
    FOR grantee IN
        SELECT DISTINCT acl.grantee::regrole::text
        FROM pg_class, aclexplode(relacl) AS acl
        WHERE oid = 'audit_log'::regclass AND acl.grantee <> 0
    LOOP
        EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON audit_log FROM %s', grantee);
    END LOOP;
    IF to_regclass('_sqlx_migrations') IS NOT NULL THEN
        FOR grantee IN
            SELECT DISTINCT acl.grantee::regrole::text
            FROM pg_class, aclexplode(relacl) AS acl
            WHERE oid = '_sqlx_migrations'::regclass AND acl.grantee NOT IN (0, relowner)
        LOOP
            EXECUTE format('REVOKE INSERT, UPDATE, DELETE ON _sqlx_migrations FROM %s', grantee);
        END LOOP;
    END IF;
END $$;
