-- An environment's OAuth client. `data_key` is the row's own key, wrapped by the master key
-- `master_key_id`; `client_secret` is encrypted under it, bound to environment, row and column.
CREATE TABLE provider_apps (
    environment_id  text NOT NULL REFERENCES environments ON DELETE CASCADE,
    provider_app_id text NOT NULL,
    provider        text NOT NULL,
    client_id       text NOT NULL,
    master_key_id   text NOT NULL,
    data_key        bytea NOT NULL,
    client_secret   bytea NOT NULL,
    scopes          text[] NOT NULL,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    PRIMARY KEY (environment_id, provider_app_id),
    CONSTRAINT provider_apps_client_key UNIQUE (environment_id, provider, client_id)
);
