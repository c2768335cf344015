-- Several organizations can share one SCIM address, so the address alone does not tell whose a new token is. Digests of
-- some of the organization's users do: a link that sees none of them may be another organization's, and the customer is
-- asked. Empty for accounts that were linked before, and for providers that name their organizations.
ALTER TABLE integrated_accounts
    ADD COLUMN organization_sample text[] NOT NULL DEFAULT '{}';
