-- The queue of background jobs. A process that takes a job holds a lease on it and extends the lease while it works;
-- when the lease has expired, another process continues the job. Leases use the time of the database server.
CREATE TABLE jobs (
    environment_id        text NOT NULL,
    integrated_account_id text NOT NULL,
    job_id                text NOT NULL,
    kind                  text NOT NULL,
    status                text NOT NULL,
    run_at                timestamptz NOT NULL,
    attempts              integer NOT NULL DEFAULT 0,
    worker                text,
    lease_until           timestamptz,
    last_problem          jsonb,
    created_at            timestamptz NOT NULL,
    ended_at              timestamptz,
    PRIMARY KEY (environment_id, job_id),
    CONSTRAINT jobs_status_check
        CHECK (status IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
    CONSTRAINT jobs_account_fkey
        FOREIGN KEY (environment_id, integrated_account_id) REFERENCES integrated_accounts ON DELETE CASCADE
);
CREATE INDEX jobs_account ON jobs (integrated_account_id, environment_id);
CREATE INDEX jobs_ready ON jobs (run_at) WHERE status IN ('queued', 'running');
CREATE INDEX jobs_ended ON jobs (ended_at) WHERE ended_at IS NOT NULL;
