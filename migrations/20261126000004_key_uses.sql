-- When each API key and account token was last used, to the minute. A table of its own: what is told of changes of
-- keys makes every gateway forget them, and a use is no change.
CREATE TABLE key_uses (
    environment_id text NOT NULL REFERENCES environments ON DELETE CASCADE,
    key_id         text NOT NULL,
    last_used_at   timestamptz NOT NULL,
    PRIMARY KEY (environment_id, key_id)
) WITH (fillfactor = 70);
