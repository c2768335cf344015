-- A link token and, once its page was opened and left for the provider, the session behind it:
-- digests of the OAuth state and of the browser's cookie, and the PKCE verifier, encrypted.
CREATE TABLE link_tokens (
    environment_id        text NOT NULL REFERENCES environments ON DELETE CASCADE,
    link_token_id         text NOT NULL,
    digest                bytea NOT NULL,
    tenant_id             text NOT NULL,
    provider              text NOT NULL,
    provider_app_id       text NOT NULL,
    integrated_account_id text,
    redirect_uri          text,
    context               jsonb NOT NULL,
    created_at            timestamptz NOT NULL,
    expires_at            timestamptz NOT NULL,
    started_at            timestamptz,
    state_digest          bytea,
    browser_digest        bytea,
    master_key_id         text,
    data_key              bytea,
    pkce_verifier         bytea,
    used_at               timestamptz,
    PRIMARY KEY (environment_id, link_token_id),
    CONSTRAINT link_tokens_digest_key UNIQUE (digest),
    CONSTRAINT link_tokens_state_key UNIQUE (state_digest),
    CONSTRAINT link_tokens_provider_app_fkey
        FOREIGN KEY (environment_id, provider_app_id) REFERENCES provider_apps,
    CONSTRAINT link_tokens_account_fkey
        FOREIGN KEY (environment_id, integrated_account_id) REFERENCES integrated_accounts ON DELETE CASCADE
);
