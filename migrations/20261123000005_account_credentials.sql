-- The tokens of an account, encrypted under the row's own data key. `generation` counts the pairs this
-- grant has had: whoever saw generation N fail asks for a newer one, and gets it if somebody was faster.
CREATE TABLE account_credentials (
    environment_id        text NOT NULL,
    integrated_account_id text NOT NULL,
    generation            bigint NOT NULL,
    master_key_id         text NOT NULL,
    data_key              bytea NOT NULL,
    access_token          bytea NOT NULL,
    refresh_token         bytea,
    expires_at            timestamptz,
    updated_at            timestamptz NOT NULL,
    PRIMARY KEY (environment_id, integrated_account_id),
    CONSTRAINT account_credentials_account_fkey
        FOREIGN KEY (environment_id, integrated_account_id) REFERENCES integrated_accounts ON DELETE CASCADE
);

-- The intent to refresh, written before the provider is asked. A row that stays without an outcome
-- tells that a process died in between and the refresh token may be spent.
CREATE TABLE credential_refreshes (
    environment_id        text NOT NULL,
    integrated_account_id text NOT NULL,
    generation            bigint NOT NULL,
    attempt               integer NOT NULL,
    started_at            timestamptz NOT NULL,
    finished_at           timestamptz,
    outcome               text,
    PRIMARY KEY (environment_id, integrated_account_id, generation, attempt),
    CONSTRAINT credential_refreshes_outcome_check
        CHECK (outcome IN ('refreshed', 'refused', 'failed')),
    CONSTRAINT credential_refreshes_account_fkey
        FOREIGN KEY (environment_id, integrated_account_id) REFERENCES integrated_accounts ON DELETE CASCADE
);
