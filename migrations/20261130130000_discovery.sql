-- What a connector found out about an account's server (a SCIM server announces its features and its schemas), when
-- that was read, and the settings of the account for its provider. A gateway of the previous version ignores all three.
ALTER TABLE integrated_accounts
    ADD COLUMN discovery         jsonb,
    ADD COLUMN discovered_at     timestamptz,
    ADD COLUMN provider_settings jsonb,
    ADD CONSTRAINT integrated_accounts_discovery_size CHECK (octet_length(discovery::text) <= 32768);
