-- Accounts that are linked by a form instead of OAuth: no client, no person whose grant it is, and an address
-- of the customer's own. A link token may leave the choice of the provider to the customer: `choices`
-- is what they choose from (none: `provider` alone), `provider` what they chose last.
ALTER TABLE integrated_accounts
    ALTER COLUMN provider_app_id DROP NOT NULL,
    ALTER COLUMN installer_id DROP NOT NULL,
    ADD COLUMN base_url text;

ALTER TABLE link_tokens
    ALTER COLUMN provider_app_id DROP NOT NULL,
    ADD COLUMN choices text[] NOT NULL DEFAULT '{}';
