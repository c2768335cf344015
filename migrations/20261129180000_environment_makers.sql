-- Which key made an environment, in which environment, and from which one it descends: what a stolen key made is found
-- and ended, and environments have a quota together.
ALTER TABLE environments
    ADD COLUMN made_in             text,
    ADD COLUMN made_by             text,
    ADD COLUMN root_environment_id text;
CREATE INDEX environments_made_by ON environments (made_in, made_by) WHERE made_by IS NOT NULL;
CREATE INDEX environments_root ON environments (root_environment_id) WHERE root_environment_id IS NOT NULL;
-- Keys are deleted long after their end.
CREATE INDEX api_keys_end ON api_keys (LEAST(expires_at, revoked_at));
