-- What happened to accounts, for whoever asks for it: written in the transaction of what it tells.
-- `position` counts the events of an environment in the order they were committed, so that a reader who
-- goes on behind the last one it saw misses none: taking one locks the environment's row until then.
ALTER TABLE environments ADD COLUMN last_event bigint NOT NULL DEFAULT 0;

CREATE TABLE events (
    environment_id        text NOT NULL REFERENCES environments ON DELETE CASCADE,
    position              bigint NOT NULL,
    event_id              text NOT NULL,
    at                    timestamptz NOT NULL,
    type                  text NOT NULL,
    integrated_account_id text NOT NULL,
    data                  jsonb NOT NULL,
    PRIMARY KEY (environment_id, position),
    CONSTRAINT events_account_fkey
        FOREIGN KEY (environment_id, integrated_account_id) REFERENCES integrated_accounts ON DELETE CASCADE
);
CREATE INDEX events_account ON events (environment_id, integrated_account_id, position);
