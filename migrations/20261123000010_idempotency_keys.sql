-- What was answered to a request that came with an `Idempotency-Key`, so that the same request gets the
-- same answer. A row without `finished_at` is in flight; whoever runs it renews `alive_at`. The body
-- is encrypted, because answers can hold secrets. `scope` is the environment for API keys and the
-- account for account tokens; `caller_scopes` is what a caller must be allowed to get the answer.
CREATE TABLE idempotency_keys (
    environment_id  text NOT NULL REFERENCES environments ON DELETE CASCADE,
    scope           text NOT NULL,
    idempotency_key text NOT NULL,
    fingerprint     bytea NOT NULL,
    caller_scopes   text[] NOT NULL,
    request_id      text NOT NULL,
    started_at      timestamptz NOT NULL,
    alive_at        timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    finished_at     timestamptz,
    status          smallint,
    headers         jsonb,
    master_key_id   text,
    data_key        bytea,
    body            bytea,
    PRIMARY KEY (environment_id, scope, idempotency_key)
);
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (environment_id, expires_at);
-- What a request left in flight has done is looked up by its id.
CREATE INDEX audit_log_request ON audit_log (environment_id, request_id) WHERE request_id IS NOT NULL;
