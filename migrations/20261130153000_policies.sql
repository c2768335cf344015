-- Policies: rules that directories must comply with. `account_ids` is null for all accounts of the environment. The
-- kind is validated by the gateway, because each version of it knows its own.
CREATE TABLE policies (
    environment_id text NOT NULL REFERENCES environments ON DELETE CASCADE,
    policy_id      text NOT NULL,
    name           text NOT NULL,
    kind           text NOT NULL,
    parameters     jsonb NOT NULL,
    account_ids    text[],
    severity       text NOT NULL,
    grace_s        integer NOT NULL,
    mode           text NOT NULL,
    is_active      boolean NOT NULL,
    created_at     timestamptz NOT NULL,
    updated_at     timestamptz NOT NULL,
    PRIMARY KEY (environment_id, policy_id),
    CONSTRAINT policies_severity_check CHECK (severity IN ('info', 'warning', 'critical')),
    CONSTRAINT policies_mode_check CHECK (mode IN ('alert', 'fix'))
);

-- What violates policies: one row for each subject of a policy in an account, also after it was resolved, so that one
-- that returns has the same id. `grace_until` ends the status `pending`, `fix_due_at` is when the fix of a policy of
-- mode `fix` is run.
CREATE TABLE violations (
    environment_id        text NOT NULL,
    integrated_account_id text NOT NULL,
    policy_id             text NOT NULL,
    violation_id          text NOT NULL,
    subject_kind          text NOT NULL,
    subject_id            text NOT NULL,
    status                text NOT NULL,
    evidence              jsonb NOT NULL,
    fix                   jsonb NOT NULL,
    last_fix              jsonb,
    occurrences           integer NOT NULL,
    first_seen_at         timestamptz NOT NULL,
    last_seen_at          timestamptz NOT NULL,
    grace_until           timestamptz,
    opened_at             timestamptz,
    resolved_at           timestamptz,
    acknowledgement       jsonb,
    acknowledged_until    timestamptz,
    fix_due_at            timestamptz,
    PRIMARY KEY (environment_id, violation_id),
    CONSTRAINT violations_subject_key
        UNIQUE (integrated_account_id, environment_id, policy_id, subject_kind, subject_id),
    CONSTRAINT violations_status_check CHECK (status IN ('pending', 'open', 'acknowledged', 'resolved')),
    CONSTRAINT violations_policy_fkey
        FOREIGN KEY (environment_id, policy_id) REFERENCES policies ON DELETE CASCADE,
    CONSTRAINT violations_account_fkey
        FOREIGN KEY (environment_id, integrated_account_id) REFERENCES integrated_accounts ON DELETE CASCADE
);
CREATE INDEX violations_policy ON violations (environment_id, policy_id, violation_id);
CREATE INDEX violations_open ON violations (environment_id, status, violation_id);
CREATE INDEX violations_resolved ON violations (resolved_at) WHERE resolved_at IS NOT NULL;
CREATE INDEX violations_users ON violations USING gin (environment_id, (evidence -> 'user_ids'));

-- Which accounts are evaluated next, and how far: up to the event `sequence` of the account's feed, or over everybody
-- (while more full evaluations were requested than done). One process at a time evaluates an account: it holds a lease, by the time of the database server.
CREATE TABLE policy_evaluations (
    environment_id        text NOT NULL,
    integrated_account_id text NOT NULL,
    sequence              bigint NOT NULL,
    full_requested        bigint NOT NULL DEFAULT 0,
    full_done             bigint NOT NULL DEFAULT 0,
    due_at                timestamptz,
    evaluated_at          timestamptz,
    problem               jsonb,
    worker                text,
    claims                bigint NOT NULL DEFAULT 0,
    lease_until           timestamptz,
    PRIMARY KEY (integrated_account_id, environment_id),
    CONSTRAINT policy_evaluations_account_fkey
        FOREIGN KEY (environment_id, integrated_account_id) REFERENCES integrated_accounts ON DELETE CASCADE
);

CREATE INDEX directory_users_guests ON directory_users (integrated_account_id, object_id)
    WHERE valid_to = 'infinity' AND user_type IN ('guest_multi_channel', 'guest_single_channel');
