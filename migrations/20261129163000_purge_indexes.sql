-- What the purge of ended rows looks for, and what rows are looked for by those they belong to: to revoke a key
-- revokes what it made, to delete an account or an app looks for the rows that refer to it.
CREATE INDEX link_tokens_expiry ON link_tokens (expires_at);
CREATE INDEX link_tokens_account ON link_tokens (environment_id, integrated_account_id)
    WHERE integrated_account_id IS NOT NULL;
CREATE INDEX link_tokens_linked ON link_tokens (environment_id, linked_account_id)
    WHERE linked_account_id IS NOT NULL;
CREATE INDEX link_tokens_app ON link_tokens (environment_id, provider_app_id) WHERE provider_app_id IS NOT NULL;
CREATE INDEX account_tokens_end ON account_tokens (LEAST(expires_at, revoked_at));
CREATE INDEX account_tokens_account ON account_tokens (environment_id, integrated_account_id);
CREATE INDEX account_tokens_made_by ON account_tokens (environment_id, made_by) WHERE revoked_at IS NULL;
CREATE INDEX integrated_accounts_app ON integrated_accounts (environment_id, provider_app_id)
    WHERE provider_app_id IS NOT NULL;
CREATE INDEX mappings_account ON mappings (environment_id, integrated_account_id)
    WHERE integrated_account_id IS NOT NULL;
