-- What is known of an account's changes between two runs of the sync. One process at a time reads the provider's change
-- log and the objects that were reported as changed: it holds a lease, by the time of the database server. `log_problem`
-- says why the change log can't be read.
CREATE TABLE change_sources (
    environment_id        text NOT NULL,
    integrated_account_id text NOT NULL,
    rechecks_due_at       timestamptz,
    log_due_at            timestamptz,
    log_position          jsonb,
    log_read_at           timestamptz,
    log_problem           jsonb,
    last_event_at         timestamptz,
    run_needed            boolean NOT NULL DEFAULT false,
    worker                text,
    claims                bigint NOT NULL DEFAULT 0,
    lease_until           timestamptz,
    PRIMARY KEY (integrated_account_id, environment_id),
    CONSTRAINT change_sources_account_fkey
        FOREIGN KEY (environment_id, integrated_account_id) REFERENCES integrated_accounts ON DELETE CASCADE
);
CREATE INDEX change_sources_rechecks ON change_sources (rechecks_due_at) WHERE rechecks_due_at IS NOT NULL;
CREATE INDEX change_sources_log ON change_sources (log_due_at) WHERE log_due_at IS NOT NULL;

-- Objects that a provider reported as changed, to be read again: several reports of one object are one row. `version`
-- counts the reports. `reads` counts the reads in quick succession, which lengthen the pause before the next. `causes`
-- are the entries of the provider's audit log.
CREATE TABLE rechecks (
    environment_id        text NOT NULL,
    integrated_account_id text NOT NULL,
    kind                  text NOT NULL,
    object_id             text NOT NULL,
    is_pending            boolean NOT NULL,
    with_roles            boolean NOT NULL,
    origin                text NOT NULL,
    causes                jsonb NOT NULL,
    version               bigint NOT NULL,
    due_at                timestamptz NOT NULL,
    reported_at           timestamptz NOT NULL,
    reads                 integer NOT NULL DEFAULT 0,
    read_at               timestamptz,
    failures              integer NOT NULL DEFAULT 0,
    PRIMARY KEY (integrated_account_id, environment_id, kind, object_id),
    CONSTRAINT rechecks_account_fkey
        FOREIGN KEY (environment_id, integrated_account_id) REFERENCES integrated_accounts ON DELETE CASCADE
);
CREATE INDEX rechecks_due ON rechecks (integrated_account_id, due_at) WHERE is_pending;
CREATE INDEX rechecks_read ON rechecks (read_at) WHERE NOT is_pending;

-- The entries of change logs that were read: the last hours are read again, because entries may be late.
CREATE TABLE change_log_entries (
    environment_id        text NOT NULL,
    integrated_account_id text NOT NULL,
    entry_id              text NOT NULL,
    at                    timestamptz NOT NULL,
    PRIMARY KEY (integrated_account_id, environment_id, entry_id),
    CONSTRAINT change_log_entries_account_fkey
        FOREIGN KEY (environment_id, integrated_account_id) REFERENCES integrated_accounts ON DELETE CASCADE
);
CREATE INDEX change_log_entries_at ON change_log_entries (at);

-- Who made a version of an object, and who ended it, with the times that the provider has of it.
ALTER TABLE directory_versions
    ADD COLUMN actor       jsonb,
    ADD COLUMN occurred_at timestamptz,
    ADD COLUMN end_actor   jsonb,
    ADD COLUMN ended_at    timestamptz;

-- The user, workspace or group that a change concerns: the provider's audit log may tell later who made it.
ALTER TABLE events ADD COLUMN subject_id text;
CREATE INDEX events_subject ON events (environment_id, integrated_account_id, subject_id, at)
    WHERE subject_id IS NOT NULL;
CREATE INDEX events_origin ON events (origin, at);
CREATE INDEX events_time ON events (environment_id, at);
