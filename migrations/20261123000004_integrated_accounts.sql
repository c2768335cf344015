-- One tenant's connection to one provider. A tenant has at most one live account for an organization,
-- so linking twice re-connects instead of making a second row.
CREATE TABLE integrated_accounts (
    environment_id        text NOT NULL REFERENCES environments ON DELETE CASCADE,
    integrated_account_id text NOT NULL,
    tenant_id             text NOT NULL,
    provider              text NOT NULL,
    provider_app_id       text NOT NULL,
    status                text NOT NULL,
    status_reason         text,
    organization_id       text NOT NULL,
    organization_name     text NOT NULL,
    installer_id          text NOT NULL,
    granted_scopes        text[] NOT NULL,
    missing_scopes        text[] NOT NULL,
    context               jsonb NOT NULL,
    created_at            timestamptz NOT NULL,
    updated_at            timestamptz NOT NULL,
    PRIMARY KEY (environment_id, integrated_account_id),
    CONSTRAINT integrated_accounts_status_check
        CHECK (status IN ('active', 'needs_reauth', 'disconnected')),
    CONSTRAINT integrated_accounts_provider_app_fkey
        FOREIGN KEY (environment_id, provider_app_id) REFERENCES provider_apps
);

CREATE UNIQUE INDEX integrated_accounts_live_key
    ON integrated_accounts (environment_id, tenant_id, provider, organization_id)
    WHERE status <> 'disconnected';
