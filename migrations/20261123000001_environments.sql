-- An environment is the isolation unit: every other table of a tenant begins its keys with it.
CREATE TABLE environments (
    environment_id text PRIMARY KEY,
    name           text NOT NULL,
    created_at     timestamptz NOT NULL,
    CONSTRAINT environments_name_key UNIQUE (name)
);
