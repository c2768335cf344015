-- Events about no account: they have no account and no number.
ALTER TABLE events ALTER COLUMN integrated_account_id DROP NOT NULL;
ALTER TABLE events ALTER COLUMN sequence DROP NOT NULL;
DROP TRIGGER events_number ON events;
CREATE TRIGGER events_number BEFORE INSERT ON events
    FOR EACH ROW WHEN (NEW.sequence IS NULL AND NEW.integrated_account_id IS NOT NULL)
    EXECUTE FUNCTION number_event();
ALTER TABLE events ENABLE ALWAYS TRIGGER events_number;

-- The endpoints that receive events by HTTP. `last_position` is the position of the last event that was taken from the
-- environment's feed. One process at a time delivers to an endpoint: it holds a lease, by the time of the database
-- server. `failing_since` is the time of the first failure after the last success.
CREATE TABLE webhooks (
    environment_id        text NOT NULL REFERENCES environments ON DELETE CASCADE,
    webhook_id            text NOT NULL,
    url                   text NOT NULL,
    event_types           text[] NOT NULL,
    integrated_account_id text,
    description           text NOT NULL,
    is_active             boolean NOT NULL,
    disabled_at           timestamptz,
    disabled_reason       text,
    master_key_id         text NOT NULL,
    data_key              bytea NOT NULL,
    secret                bytea NOT NULL,
    previous_secret       bytea,
    previous_secret_until timestamptz,
    last_position         bigint NOT NULL,
    failing_since         timestamptz,
    failures              integer NOT NULL DEFAULT 0,
    retry_at              timestamptz,
    worker                text,
    lease_until           timestamptz,
    created_at            timestamptz NOT NULL,
    updated_at            timestamptz NOT NULL,
    PRIMARY KEY (environment_id, webhook_id),
    CONSTRAINT webhooks_account_fkey
        FOREIGN KEY (environment_id, integrated_account_id) REFERENCES integrated_accounts ON DELETE CASCADE
);
CREATE INDEX webhooks_account ON webhooks (environment_id, integrated_account_id);

-- The deliveries of events to endpoints. `position` is that of the event in the feed; a test has none. `attempts` has
-- the last attempts, oldest first.
CREATE TABLE webhook_deliveries (
    environment_id  text NOT NULL,
    webhook_id      text NOT NULL,
    delivery_id     text NOT NULL,
    event_id        text NOT NULL,
    event_type      text NOT NULL,
    position        bigint,
    status          text NOT NULL,
    attempt_count   integer NOT NULL,
    attempts        jsonb NOT NULL,
    next_attempt_at timestamptz,
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (environment_id, webhook_id, delivery_id),
    CONSTRAINT webhook_deliveries_status_check CHECK (status IN ('pending', 'succeeded', 'failed')),
    CONSTRAINT webhook_deliveries_webhook_fkey
        FOREIGN KEY (environment_id, webhook_id) REFERENCES webhooks ON DELETE CASCADE
);
CREATE INDEX webhook_deliveries_due
    ON webhook_deliveries (environment_id, webhook_id, next_attempt_at) WHERE status = 'pending';
CREATE INDEX webhook_deliveries_failed
    ON webhook_deliveries (environment_id, webhook_id, created_at) WHERE status = 'failed';
CREATE INDEX webhook_deliveries_event ON webhook_deliveries (environment_id, webhook_id, event_id);
CREATE INDEX webhook_deliveries_old ON webhook_deliveries (created_at);

-- Spans of the feed that are delivered again. `last_position` is the position of the last event that was delivered.
CREATE TABLE webhook_replays (
    environment_id text NOT NULL,
    webhook_id     text NOT NULL,
    replay_id      text NOT NULL,
    event_types    text[] NOT NULL,
    last_position  bigint NOT NULL,
    until_position bigint NOT NULL,
    created_at     timestamptz NOT NULL,
    PRIMARY KEY (environment_id, webhook_id, replay_id),
    CONSTRAINT webhook_replays_webhook_fkey
        FOREIGN KEY (environment_id, webhook_id) REFERENCES webhooks ON DELETE CASCADE
);
