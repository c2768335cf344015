-- Changes that this gateway makes, registered before they are sent: whichever process finds the change first knows who
-- made it. A row is deleted when the change was copied, and expires otherwise. `ended_at`: when the provider's response
-- was received, or the outcome was read back. `is_used`: it has explained an event.
CREATE TABLE own_changes (
    environment_id        text NOT NULL,
    integrated_account_id text NOT NULL,
    own_change_id         text NOT NULL,
    actor                 jsonb NOT NULL,
    effects               jsonb NOT NULL,
    registered_at         timestamptz NOT NULL,
    ended_at              timestamptz,
    is_used               boolean NOT NULL DEFAULT false,
    expires_at            timestamptz NOT NULL,
    PRIMARY KEY (integrated_account_id, environment_id, own_change_id),
    CONSTRAINT own_changes_account_fkey
        FOREIGN KEY (environment_id, integrated_account_id) REFERENCES integrated_accounts ON DELETE CASCADE
);
CREATE INDEX own_changes_expiry ON own_changes (expires_at);

-- What the provider's audit log says of changes, as long as late entries can make their actors uncertain. `subject_id`
-- is the user, workspace or group. `settled_at`: when it was read after the entry was known; the entry explains no
-- change that was found by a later read.
CREATE TABLE change_causes (
    environment_id        text NOT NULL,
    integrated_account_id text NOT NULL,
    subject_id            text NOT NULL,
    settled_at            timestamptz NOT NULL,
    number                integer NOT NULL,
    at                    timestamptz NOT NULL,
    cause                 jsonb NOT NULL,
    PRIMARY KEY (integrated_account_id, environment_id, subject_id, settled_at, number),
    CONSTRAINT change_causes_account_fkey
        FOREIGN KEY (environment_id, integrated_account_id) REFERENCES integrated_accounts ON DELETE CASCADE
);
CREATE INDEX change_causes_at ON change_causes (at);

-- When the object of an event was requested from the provider: what happened later is not in the event.
ALTER TABLE events ADD COLUMN read_at timestamptz;
