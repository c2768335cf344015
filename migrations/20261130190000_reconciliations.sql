-- Rule sets: which workspaces, roles, groups and kind of membership people get by their attributes. The rules are
-- validated by the gateway.
CREATE TABLE rule_sets (
    environment_id        text NOT NULL,
    integrated_account_id text NOT NULL,
    rule_set_id           text NOT NULL,
    name                  text NOT NULL,
    rules                 jsonb NOT NULL,
    mode                  text NOT NULL,
    guards                jsonb NOT NULL,
    auto                  boolean NOT NULL,
    created_at            timestamptz NOT NULL,
    updated_at            timestamptz NOT NULL,
    PRIMARY KEY (environment_id, rule_set_id),
    CONSTRAINT rule_sets_mode_check CHECK (mode IN ('additive', 'authoritative')),
    CONSTRAINT rule_sets_account_fkey
        FOREIGN KEY (environment_id, integrated_account_id) REFERENCES integrated_accounts ON DELETE CASCADE
);
CREATE INDEX rule_sets_account ON rule_sets (environment_id, integrated_account_id, rule_set_id);

-- Up to which event of the account's feed its automatic rule sets were applied. One process at a time applies them: it
-- holds a lease, by the time of the database server.
CREATE TABLE rule_set_positions (
    environment_id        text NOT NULL,
    integrated_account_id text NOT NULL,
    sequence              bigint NOT NULL,
    problem               jsonb,
    worker                text,
    claims                bigint NOT NULL DEFAULT 0,
    lease_until           timestamptz,
    due_at                timestamptz,
    PRIMARY KEY (integrated_account_id, environment_id),
    CONSTRAINT rule_set_positions_account_fkey
        FOREIGN KEY (environment_id, integrated_account_id) REFERENCES integrated_accounts ON DELETE CASCADE
);

-- Reconciliations of a directory with a desired state. `control` is the request to a running job: to pause or cancel.
CREATE TABLE reconciliations (
    environment_id        text NOT NULL,
    integrated_account_id text NOT NULL,
    reconciliation_id     text NOT NULL,
    job_id                text NOT NULL,
    status                text NOT NULL,
    options               jsonb NOT NULL,
    rule_set_id           text,
    inverse_of            text,
    new_workspaces        jsonb NOT NULL,
    desired_users         bigint NOT NULL,
    row_errors            jsonb NOT NULL,
    hash                  text,
    summary               jsonb NOT NULL,
    removals              jsonb,
    override_removals     bigint,
    provider_calls        bigint NOT NULL DEFAULT 0,
    eta_s                 bigint,
    base_synced_at        timestamptz,
    pending               bigint NOT NULL DEFAULT 0,
    applied               bigint NOT NULL DEFAULT 0,
    unchanged             bigint NOT NULL DEFAULT 0,
    conflict              bigint NOT NULL DEFAULT 0,
    failed                bigint NOT NULL DEFAULT 0,
    skipped               bigint NOT NULL DEFAULT 0,
    control               text,
    problem               jsonb,
    created_by            text NOT NULL,
    applied_by            text,
    created_at            timestamptz NOT NULL,
    planned_at            timestamptz,
    expires_at            timestamptz,
    started_at            timestamptz,
    ended_at              timestamptz,
    PRIMARY KEY (environment_id, reconciliation_id),
    CONSTRAINT reconciliations_status_check CHECK (status IN ('planning', 'planned', 'applying', 'paused', 'applied',
        'partially_applied', 'failed', 'cancelled', 'expired')),
    CONSTRAINT reconciliations_control_check CHECK (control IN ('pause', 'cancel')),
    CONSTRAINT reconciliations_account_fkey
        FOREIGN KEY (environment_id, integrated_account_id) REFERENCES integrated_accounts ON DELETE CASCADE
);
CREATE INDEX reconciliations_account
    ON reconciliations (environment_id, integrated_account_id, reconciliation_id);
CREATE INDEX reconciliations_ended ON reconciliations (ended_at) WHERE ended_at IS NOT NULL;
-- One reconciliation of an account is applied at a time.
CREATE UNIQUE INDEX reconciliations_under_way ON reconciliations (integrated_account_id, environment_id)
    WHERE status IN ('applying', 'paused');

-- The people of a desired state until the plan is made. They are stored before their reconciliation, while they arrive.
CREATE TABLE reconciliation_rows (
    environment_id        text NOT NULL,
    integrated_account_id text NOT NULL,
    reconciliation_id     text NOT NULL,
    row_number            bigint NOT NULL,
    match_key             text NOT NULL,
    person                jsonb NOT NULL,
    created_at            timestamptz NOT NULL,
    PRIMARY KEY (integrated_account_id, environment_id, reconciliation_id, row_number),
    CONSTRAINT reconciliation_rows_account_fkey
        FOREIGN KEY (environment_id, integrated_account_id) REFERENCES integrated_accounts ON DELETE CASCADE
);
CREATE INDEX reconciliation_rows_created ON reconciliation_rows (created_at);

-- The steps of plans. `position` orders them by phase and then as they were planned; `n` is the number in that order.
-- `started_at` is set before the first provider call of a step, so that a process that takes over looks what was done.
-- `object_id` is the object that a step created, `new_key` the key by which other steps refer to it.
CREATE TABLE reconciliation_steps (
    environment_id        text NOT NULL,
    integrated_account_id text NOT NULL,
    reconciliation_id     text NOT NULL,
    position              bigint NOT NULL,
    n                     bigint,
    phase                 text NOT NULL,
    operation             jsonb NOT NULL,
    operation_type        text NOT NULL,
    subject               jsonb NOT NULL,
    before                jsonb NOT NULL,
    after                 jsonb NOT NULL,
    reason                text NOT NULL,
    is_removal            boolean NOT NULL,
    provider_calls        integer NOT NULL,
    outcome               text NOT NULL,
    detail                text,
    new_key               text,
    object_id             text,
    started_at            timestamptz,
    ended_at              timestamptz,
    PRIMARY KEY (integrated_account_id, environment_id, reconciliation_id, position),
    CONSTRAINT reconciliation_steps_outcome_check
        CHECK (outcome IN ('pending', 'applied', 'unchanged', 'conflict', 'failed', 'skipped')),
    CONSTRAINT reconciliation_steps_fkey
        FOREIGN KEY (environment_id, reconciliation_id) REFERENCES reconciliations ON DELETE CASCADE
);
CREATE INDEX reconciliation_steps_parent ON reconciliation_steps (environment_id, reconciliation_id, n);
CREATE INDEX reconciliation_steps_new ON reconciliation_steps (environment_id, reconciliation_id, new_key)
    WHERE new_key IS NOT NULL;
