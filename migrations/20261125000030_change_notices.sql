-- Gateways keep what every call reads in memory: who is behind a key, the account, its tokens, its custom
-- fields. Whoever changes such a row, by whatever program, tells all of them on one channel when the
-- change is committed; a trigger can't be forgotten. The payload names what changed, and holds no secret.
CREATE FUNCTION tell_key_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM pg_notify('switchboard_changes', 'key ' || encode(OLD.digest, 'hex'));
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM pg_notify('switchboard_changes', 'key ' || encode(NEW.digest, 'hex'));
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION tell_account_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM pg_notify('switchboard_changes',
            'account ' || OLD.environment_id || ' ' || OLD.integrated_account_id);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM pg_notify('switchboard_changes',
            'account ' || NEW.environment_id || ' ' || NEW.integrated_account_id);
    END IF;
    RETURN NULL;
END $$;

-- A mapping without an account is the environment's.
CREATE FUNCTION tell_mapping_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM pg_notify('switchboard_changes', 'mappings ' || OLD.environment_id
            || coalesce(' ' || OLD.integrated_account_id, ''));
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM pg_notify('switchboard_changes', 'mappings ' || NEW.environment_id
            || coalesce(' ' || NEW.integrated_account_id, ''));
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION tell_any_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('switchboard_changes', 'everything');
    RETURN NULL;
END $$;

CREATE TRIGGER api_keys_change AFTER INSERT OR UPDATE OR DELETE ON api_keys
    FOR EACH ROW EXECUTE FUNCTION tell_key_change();
CREATE TRIGGER account_tokens_change AFTER INSERT OR UPDATE OR DELETE ON account_tokens
    FOR EACH ROW EXECUTE FUNCTION tell_key_change();
CREATE TRIGGER integrated_accounts_change AFTER INSERT OR UPDATE OR DELETE ON integrated_accounts
    FOR EACH ROW EXECUTE FUNCTION tell_account_change();
CREATE TRIGGER mappings_change AFTER INSERT OR UPDATE OR DELETE ON mappings
    FOR EACH ROW EXECUTE FUNCTION tell_mapping_change();

-- A rotation of the master keys wraps every data key anew: the tokens stay what they are, and nobody is told.
CREATE TRIGGER account_credentials_come_or_go AFTER INSERT OR DELETE ON account_credentials
    FOR EACH ROW EXECUTE FUNCTION tell_account_change();
CREATE TRIGGER account_credentials_change AFTER UPDATE ON account_credentials
    FOR EACH ROW
    WHEN ((OLD.generation, OLD.access_token, OLD.refresh_token, OLD.expires_at)
        IS DISTINCT FROM (NEW.generation, NEW.access_token, NEW.refresh_token, NEW.expires_at))
    EXECUTE FUNCTION tell_account_change();

CREATE TRIGGER api_keys_emptied AFTER TRUNCATE ON api_keys EXECUTE FUNCTION tell_any_change();
CREATE TRIGGER account_tokens_emptied AFTER TRUNCATE ON account_tokens EXECUTE FUNCTION tell_any_change();
CREATE TRIGGER integrated_accounts_emptied AFTER TRUNCATE ON integrated_accounts
    EXECUTE FUNCTION tell_any_change();
CREATE TRIGGER account_credentials_emptied AFTER TRUNCATE ON account_credentials
    EXECUTE FUNCTION tell_any_change();
CREATE TRIGGER mappings_emptied AFTER TRUNCATE ON mappings EXECUTE FUNCTION tell_any_change();
