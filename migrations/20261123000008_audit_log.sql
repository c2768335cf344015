-- Who did what to which account. Append-only: rows are never updated, and hold no bodies.
CREATE TABLE audit_log (
    environment_id        text NOT NULL REFERENCES environments ON DELETE CASCADE,
    audit_id              text NOT NULL,
    at                    timestamptz NOT NULL,
    actor                 text NOT NULL,
    action                text NOT NULL,
    integrated_account_id text,
    subject               text,
    request_id            text,
    outcome               text NOT NULL,
    PRIMARY KEY (environment_id, audit_id)
);
