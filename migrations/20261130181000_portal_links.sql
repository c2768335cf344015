-- Links to the hosted directory view of one account, and the session that each of them starts once. Only digests of their
-- secrets are stored. Both are valid only while the key that created the link is.
CREATE TABLE portal_links (
    environment_id        text NOT NULL,
    portal_link_id        text NOT NULL,
    integrated_account_id text NOT NULL,
    made_by               text NOT NULL,
    digest                bytea NOT NULL,
    views                 text[] NOT NULL,
    permissions           text[] NOT NULL,
    created_at            timestamptz NOT NULL,
    expires_at            timestamptz NOT NULL,
    used_at               timestamptz,
    session_digest        bytea,
    session_expires_at    timestamptz,
    PRIMARY KEY (environment_id, portal_link_id),
    CONSTRAINT portal_links_digest_key UNIQUE (digest),
    CONSTRAINT portal_links_session_key UNIQUE (session_digest),
    CONSTRAINT portal_links_account_fkey
        FOREIGN KEY (environment_id, integrated_account_id) REFERENCES integrated_accounts ON DELETE CASCADE,
    CONSTRAINT portal_links_key_fkey
        FOREIGN KEY (environment_id, made_by) REFERENCES api_keys ON DELETE CASCADE
);
CREATE INDEX portal_links_account ON portal_links (environment_id, integrated_account_id);
CREATE INDEX portal_links_maker ON portal_links (environment_id, made_by);
CREATE INDEX portal_links_expiry ON portal_links (GREATEST(expires_at, session_expires_at));
