-- Callers may name a tenant and a provider instead of an account: which accounts that leads to is kept in memory
-- as well. The tenant's name comes last, since it may hold spaces; of one that no notice has room for, everybody
-- is told that more has changed than can be said.
CREATE FUNCTION tell_tenant(environment_id text, provider text, tenant_id text) RETURNS void LANGUAGE sql AS $$
    SELECT pg_notify('switchboard_changes', CASE
        WHEN octet_length(tenant_id) > 4000 THEN 'everything'
        ELSE 'tenant ' || environment_id || ' ' || provider || ' ' || tenant_id END)
$$;

CREATE FUNCTION tell_tenant_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM tell_tenant(OLD.environment_id, OLD.provider, OLD.tenant_id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM tell_tenant(NEW.environment_id, NEW.provider, NEW.tenant_id);
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER integrated_accounts_come_or_go AFTER INSERT OR DELETE ON integrated_accounts
    FOR EACH ROW EXECUTE FUNCTION tell_tenant_change();
CREATE TRIGGER integrated_accounts_move AFTER UPDATE ON integrated_accounts
    FOR EACH ROW
    WHEN ((OLD.tenant_id, OLD.provider, OLD.status) IS DISTINCT FROM (NEW.tenant_id, NEW.provider, NEW.status))
    EXECUTE FUNCTION tell_tenant_change();
