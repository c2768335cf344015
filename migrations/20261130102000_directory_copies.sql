-- The synced copies of directories, with their history. Every key begins with the account.
CREATE EXTENSION IF NOT EXISTS pg_trgm;
CREATE EXTENSION IF NOT EXISTS btree_gin;

ALTER TABLE environments ADD COLUMN sync jsonb NOT NULL DEFAULT '{}';
ALTER TABLE integrated_accounts ADD COLUMN sync jsonb NOT NULL DEFAULT '{}';

-- When a complete run last read a kind of objects: the copy is at least as recent as that. The history begins at the
-- end of the first complete run. `has_profiles`: users have the fields that are read from another list.
CREATE TABLE directory_copies (
    environment_id        text NOT NULL,
    integrated_account_id text NOT NULL,
    kind                  text NOT NULL,
    synced_at             timestamptz NOT NULL,
    first_synced_at       timestamptz NOT NULL,
    has_profiles          boolean NOT NULL,
    PRIMARY KEY (integrated_account_id, environment_id, kind),
    CONSTRAINT directory_copies_account_fkey
        FOREIGN KEY (environment_id, integrated_account_id) REFERENCES integrated_accounts ON DELETE CASCADE
);

-- One row for each version of an object. The current version is valid to 'infinity'. `read_at` is the time before the
-- object was requested from the provider. Texts that are compared are in lower case, except in `body` and `name`. `body` is the unified object as text, so that it is sent as it is stored.
CREATE TABLE directory_versions (
    environment_id        text NOT NULL,
    integrated_account_id text NOT NULL,
    kind                  text NOT NULL,
    object_id             text NOT NULL,
    valid_from            timestamptz NOT NULL,
    valid_to              timestamptz NOT NULL DEFAULT 'infinity',
    read_at               timestamptz NOT NULL,
    hash                  bytea NOT NULL,
    user_id               text,
    parent_id             text,
    role_id               text,
    name                  text,
    name_key              text,
    email                 text,
    username              text,
    title                 text,
    department            text,
    status                text,
    user_type             text,
    manager_id            text,
    search_text           text,
    updated_at            timestamptz,
    last_activity_at      timestamptz,
    body                  json NOT NULL,
    PRIMARY KEY (integrated_account_id, environment_id, kind, object_id, valid_from),
    CONSTRAINT directory_versions_account_fkey
        FOREIGN KEY (environment_id, integrated_account_id) REFERENCES integrated_accounts ON DELETE CASCADE
) PARTITION BY LIST (kind);

CREATE TABLE directory_users PARTITION OF directory_versions FOR VALUES IN ('user');
CREATE TABLE directory_workspaces PARTITION OF directory_versions FOR VALUES IN ('workspace');
CREATE TABLE directory_workspace_members PARTITION OF directory_versions FOR VALUES IN ('workspace_member');
CREATE TABLE directory_role_assignments PARTITION OF directory_versions FOR VALUES IN ('role_assignment');
CREATE TABLE directory_groups PARTITION OF directory_versions FOR VALUES IN ('group');
CREATE TABLE directory_group_members PARTITION OF directory_versions FOR VALUES IN ('group_member');

CREATE UNIQUE INDEX directory_versions_current
    ON directory_versions (integrated_account_id, kind, object_id) WHERE valid_to = 'infinity';
CREATE INDEX directory_versions_ended
    ON directory_versions (integrated_account_id, valid_to) WHERE valid_to <> 'infinity';
CREATE INDEX directory_users_name
    ON directory_users (integrated_account_id, COALESCE(name_key, ''), object_id) WHERE valid_to = 'infinity';
CREATE INDEX directory_users_name_prefix
    ON directory_users (integrated_account_id, name_key text_pattern_ops) WHERE valid_to = 'infinity';
CREATE INDEX directory_users_email
    ON directory_users (integrated_account_id, email) WHERE valid_to = 'infinity';
CREATE INDEX directory_users_words
    ON directory_users USING gin (integrated_account_id, to_tsvector('simple', search_text))
    WHERE valid_to = 'infinity';
CREATE INDEX directory_users_trigrams
    ON directory_users USING gin (integrated_account_id, search_text gin_trgm_ops)
    WHERE valid_to = 'infinity';
CREATE INDEX directory_workspace_members_user
    ON directory_workspace_members (integrated_account_id, user_id);
CREATE INDEX directory_workspace_members_parent
    ON directory_workspace_members (integrated_account_id, parent_id, user_id);
CREATE INDEX directory_role_assignments_user
    ON directory_role_assignments (integrated_account_id, user_id);
CREATE INDEX directory_role_assignments_role
    ON directory_role_assignments (integrated_account_id, role_id, user_id);
CREATE INDEX directory_role_assignments_parent
    ON directory_role_assignments (integrated_account_id, parent_id, user_id);
CREATE INDEX directory_group_members_user
    ON directory_group_members (integrated_account_id, user_id);
CREATE INDEX directory_group_members_parent
    ON directory_group_members (integrated_account_id, parent_id, user_id);

-- One run that reads a directory in full. Its job has the same id behind another prefix.
CREATE TABLE sync_runs (
    environment_id        text NOT NULL,
    integrated_account_id text NOT NULL,
    sync_run_id           text NOT NULL,
    job_id                text NOT NULL,
    status                text NOT NULL,
    resources             text[] NOT NULL,
    started_by            text NOT NULL,
    created_at            timestamptz NOT NULL,
    started_at            timestamptz,
    ended_at              timestamptz,
    cancel_requested      boolean NOT NULL DEFAULT false,
    is_accepted           boolean NOT NULL DEFAULT false,
    checkpoint            jsonb NOT NULL DEFAULT 'null',
    provider_calls        bigint NOT NULL DEFAULT 0,
    problem               jsonb,
    PRIMARY KEY (environment_id, sync_run_id),
    CONSTRAINT sync_runs_status_check CHECK (status IN
        ('queued', 'running', 'succeeded', 'partial', 'held', 'failed', 'cancelled')),
    CONSTRAINT sync_runs_account_fkey
        FOREIGN KEY (environment_id, integrated_account_id) REFERENCES integrated_accounts ON DELETE CASCADE
);
CREATE UNIQUE INDEX sync_runs_under_way
    ON sync_runs (integrated_account_id) WHERE status IN ('queued', 'running');
CREATE INDEX sync_runs_held ON sync_runs (integrated_account_id) WHERE status = 'held';
CREATE INDEX sync_runs_account ON sync_runs (integrated_account_id, environment_id, created_at);

-- The objects that a run has read: what is missing at its end was removed.
CREATE TABLE sync_seen (
    integrated_account_id text NOT NULL,
    sync_run_id           text NOT NULL,
    kind                  text NOT NULL,
    object_id             text NOT NULL,
    PRIMARY KEY (integrated_account_id, sync_run_id, kind, object_id)
);

-- Profiles that a run has read from another list than the users.
CREATE TABLE sync_profiles (
    integrated_account_id text NOT NULL,
    sync_run_id           text NOT NULL,
    user_id               text NOT NULL,
    profile               json NOT NULL,
    PRIMARY KEY (integrated_account_id, sync_run_id, user_id)
);
