-- Sessions of the console and the one-time links that start one. Only digests of their secrets are stored. A session
-- acts for its API key: it is valid only while the key is.
CREATE TABLE console_sessions (
    environment_id     text NOT NULL,
    console_session_id text NOT NULL,
    api_key_id         text NOT NULL,
    digest             bytea NOT NULL,
    created_at         timestamptz NOT NULL,
    last_used_at       timestamptz NOT NULL,
    expires_at         timestamptz NOT NULL,
    PRIMARY KEY (environment_id, console_session_id),
    CONSTRAINT console_sessions_digest_key UNIQUE (digest),
    CONSTRAINT console_sessions_key_fkey
        FOREIGN KEY (environment_id, api_key_id) REFERENCES api_keys ON DELETE CASCADE
);
CREATE INDEX console_sessions_key ON console_sessions (environment_id, api_key_id);
CREATE INDEX console_sessions_expiry ON console_sessions (expires_at);

CREATE TABLE console_sign_in_links (
    environment_id text NOT NULL,
    api_key_id     text NOT NULL,
    digest         bytea NOT NULL PRIMARY KEY,
    expires_at     timestamptz NOT NULL,
    CONSTRAINT console_sign_in_links_key_fkey
        FOREIGN KEY (environment_id, api_key_id) REFERENCES api_keys ON DELETE CASCADE
);
CREATE INDEX console_sign_in_links_key ON console_sign_in_links (environment_id, api_key_id);
CREATE INDEX console_sign_in_links_expiry ON console_sign_in_links (expires_at);
