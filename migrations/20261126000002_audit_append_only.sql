-- Nobody changes the audit log, its owner included: the gateway often owns its tables, and a privilege that an
-- owner gave up binds it until it takes it back by name. The triggers bind a superuser too, and fire on a
-- replica. What is older than 90 days may be deleted, by whoever may: `switchboard audit purge` does.
CREATE FUNCTION keep_audit_row() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.at < now() - interval '90 days' THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege',
        HINT = 'Rows older than 90 days can be deleted: switchboard audit purge.';
END $$;

CREATE FUNCTION keep_audit_log() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER audit_log_rows_stay BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION keep_audit_row();
CREATE TRIGGER audit_log_stays BEFORE TRUNCATE ON audit_log EXECUTE FUNCTION keep_audit_log();
ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_rows_stay;
ALTER TABLE audit_log ENABLE ALWAYS TRIGGER audit_log_stays;

REVOKE UPDATE, DELETE, TRUNCATE ON audit_log FROM PUBLIC, CURRENT_USER;
