-- The secret itself is never stored: a digest finds the row, and a random key of 256 bits needs no slow hash.
CREATE TABLE api_keys (
    environment_id text NOT NULL REFERENCES environments ON DELETE CASCADE,
    api_key_id     text NOT NULL,
    name           text NOT NULL,
    digest         bytea NOT NULL,
    scopes         text[] NOT NULL,
    created_at     timestamptz NOT NULL,
    expires_at     timestamptz,
    revoked_at     timestamptz,
    PRIMARY KEY (environment_id, api_key_id),
    CONSTRAINT api_keys_digest_key UNIQUE (digest)
);
