-- The OAuth state that a browser came back with last: a reload of that page shows the outcome again.
ALTER TABLE link_tokens
    ADD COLUMN returned_state_digest bytea,
    ADD COLUMN returned_at           timestamptz,
    ADD CONSTRAINT link_tokens_returned_state_key UNIQUE (returned_state_digest);
