-- The event feed of all changes: each account's events are numbered without gaps, and tell what changed.
-- The row of an account's feed is locked by whatever changes the copy of its directory, until its commit.
CREATE TABLE account_feeds (
    environment_id        text NOT NULL,
    integrated_account_id text NOT NULL,
    last_sequence         bigint NOT NULL,
    last_change_at        timestamptz NOT NULL,
    PRIMARY KEY (environment_id, integrated_account_id),
    CONSTRAINT account_feeds_account_fkey
        FOREIGN KEY (environment_id, integrated_account_id) REFERENCES integrated_accounts ON DELETE CASCADE
);

ALTER TABLE events
    ADD COLUMN sequence    bigint,
    ADD COLUMN occurred_at timestamptz,
    ADD COLUMN origin      text NOT NULL DEFAULT 'gateway',
    ADD COLUMN actor       jsonb,
    ADD COLUMN object      json,
    ADD COLUMN previous    json,
    ADD COLUMN initial     boolean NOT NULL DEFAULT false;

UPDATE events e SET sequence = numbered.sequence
FROM (SELECT environment_id, position,
             row_number() OVER (PARTITION BY environment_id, integrated_account_id ORDER BY position) AS sequence
      FROM events) numbered
WHERE e.environment_id = numbered.environment_id AND e.position = numbered.position;

INSERT INTO account_feeds (environment_id, integrated_account_id, last_sequence, last_change_at)
SELECT environment_id, integrated_account_id, max(sequence), max(at)
FROM events GROUP BY environment_id, integrated_account_id;

-- Gateways of the previous version insert events without a sequence.
CREATE FUNCTION number_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO account_feeds AS feed (environment_id, integrated_account_id, last_sequence, last_change_at)
    VALUES (NEW.environment_id, NEW.integrated_account_id, 1, NEW.at)
    ON CONFLICT (environment_id, integrated_account_id) DO UPDATE SET last_sequence = feed.last_sequence + 1
    RETURNING last_sequence INTO NEW.sequence;
    RETURN NEW;
END;
$$;
CREATE TRIGGER events_number BEFORE INSERT ON events
    FOR EACH ROW WHEN (NEW.sequence IS NULL) EXECUTE FUNCTION number_event();
ALTER TABLE events ENABLE ALWAYS TRIGGER events_number;

ALTER TABLE events ALTER COLUMN sequence SET NOT NULL;
CREATE UNIQUE INDEX events_sequence ON events (environment_id, integrated_account_id, sequence);
