-- A link token and an API key end no later than the key that made them, and are listed with it; a link token can be
-- revoked on its own.
ALTER TABLE api_keys ADD COLUMN made_by text;
ALTER TABLE link_tokens
    ADD COLUMN made_by    text,
    ADD COLUMN revoked_at timestamptz;
CREATE INDEX link_tokens_made_by ON link_tokens (environment_id, made_by);
CREATE INDEX api_keys_made_by ON api_keys (environment_id, made_by);
