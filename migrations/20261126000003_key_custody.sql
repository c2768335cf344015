-- A key may be bound to addresses, and two secrets may open it: the newest, and for a while the one before.
ALTER TABLE api_keys
    ADD COLUMN allowed_addresses text[],
    ADD COLUMN previous_digest bytea,
    ADD COLUMN previous_until timestamptz;
ALTER TABLE account_tokens ADD COLUMN allowed_addresses text[];
CREATE UNIQUE INDEX api_keys_previous_digest ON api_keys (previous_digest);

-- Gateways keep who is behind each secret: they are told of both.
CREATE FUNCTION tell_api_key_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM pg_notify('switchboard_changes', 'key ' || encode(digest, 'hex'))
            FROM unnest(ARRAY[OLD.digest, OLD.previous_digest]) AS digest WHERE digest IS NOT NULL;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM pg_notify('switchboard_changes', 'key ' || encode(digest, 'hex'))
            FROM unnest(ARRAY[NEW.digest, NEW.previous_digest]) AS digest WHERE digest IS NOT NULL;
    END IF;
    RETURN NULL;
END $$;

DROP TRIGGER api_keys_change ON api_keys;
CREATE TRIGGER api_keys_change AFTER INSERT OR UPDATE OR DELETE ON api_keys
    FOR EACH ROW EXECUTE FUNCTION tell_api_key_change();
