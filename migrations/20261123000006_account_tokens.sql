-- A key bound to one account: what a provider's own SDK sends as its token.
CREATE TABLE account_tokens (
    environment_id        text NOT NULL,
    account_token_id      text NOT NULL,
    integrated_account_id text NOT NULL,
    digest                bytea NOT NULL,
    scopes                text[] NOT NULL,
    created_at            timestamptz NOT NULL,
    expires_at            timestamptz,
    revoked_at            timestamptz,
    PRIMARY KEY (environment_id, account_token_id),
    CONSTRAINT account_tokens_digest_key UNIQUE (digest),
    CONSTRAINT account_tokens_account_fkey
        FOREIGN KEY (environment_id, integrated_account_id) REFERENCES integrated_accounts ON DELETE CASCADE
);
