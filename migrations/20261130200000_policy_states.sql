-- `fix_unavailable` says why a violation has no fix, or not for all of it. `pending_since`: when the grace period of a
-- pending violation began, from which a changed one is counted.
ALTER TABLE violations
    ADD COLUMN fix_unavailable text,
    ADD COLUMN pending_since timestamptz;
UPDATE violations v SET pending_since = v.grace_until - make_interval(secs => p.grace_s)
FROM policies p
WHERE p.environment_id = v.environment_id AND p.policy_id = v.policy_id AND v.status = 'pending';

-- `problems`: the policies that could not be evaluated in an account, each with its problem. They replace `problem`, which
-- processes of the version before still write. `removals`: when policies of mode `fix` removed something in the last 24
-- hours; the reports of fixes have only the last one of each violation.
ALTER TABLE policy_evaluations
    ADD COLUMN problems jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN removals timestamptz[] NOT NULL DEFAULT '{}';
