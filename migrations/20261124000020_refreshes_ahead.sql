-- Tokens are renewed ahead of their end: the task that does so asks for the accounts whose tokens end
-- next. Grants that never end are not in the index.
CREATE INDEX account_credentials_ending
    ON account_credentials (expires_at, integrated_account_id)
    WHERE refresh_token IS NOT NULL AND expires_at IS NOT NULL;
