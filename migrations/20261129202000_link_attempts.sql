-- The form of a link tries an address of the customer's choice: how often it did so, and when the last time was. An
-- environment's attempts of the last hour are counted, too.
ALTER TABLE link_tokens
    ADD COLUMN attempts integer NOT NULL DEFAULT 0,
    ADD COLUMN attempted_at timestamptz;
CREATE INDEX link_tokens_attempted ON link_tokens (environment_id, attempted_at) WHERE attempted_at IS NOT NULL;
