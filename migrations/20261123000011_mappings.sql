-- Unified fields that the SaaS computes itself, by a JSONata expression each: for the whole
-- environment, or for one account, whose own take the place of the environment's.
CREATE TABLE mappings (
    environment_id        text NOT NULL REFERENCES environments ON DELETE CASCADE,
    mapping_id            text NOT NULL,
    integrated_account_id text,
    provider              text NOT NULL,
    resource              text NOT NULL,
    field                 text NOT NULL,
    expression            text NOT NULL,
    created_at            timestamptz NOT NULL,
    updated_at            timestamptz NOT NULL,
    PRIMARY KEY (environment_id, mapping_id),
    CONSTRAINT mappings_account_fkey
        FOREIGN KEY (environment_id, integrated_account_id) REFERENCES integrated_accounts ON DELETE CASCADE
);

-- One a place; the environment's own stand at the place without an account.
CREATE UNIQUE INDEX mappings_place_key
    ON mappings (environment_id, COALESCE(integrated_account_id, ''), provider, resource, field);
