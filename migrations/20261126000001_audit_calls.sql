-- The audit log tells of the calls to providers too: which method, what status, how long. A call that only reads
-- is a use of a credential and no change. There are many of them, so an account's rows need an index now.
ALTER TABLE audit_log
    ADD COLUMN provider_method text,
    ADD COLUMN status smallint,
    ADD COLUMN duration_ms integer,
    ADD COLUMN is_use boolean NOT NULL DEFAULT false;

CREATE INDEX audit_log_account ON audit_log (environment_id, integrated_account_id, audit_id);
