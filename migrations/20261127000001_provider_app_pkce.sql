-- Whether a provider app is registered for PKCE: a public client, whose codes are exchanged with a verifier and
-- without its secret. Slack takes no verifier from other apps.
ALTER TABLE provider_apps ADD COLUMN pkce boolean NOT NULL DEFAULT false;
