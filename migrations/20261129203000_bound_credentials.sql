-- Tokens are sealed for the place that they are sent to: an account's provider and base URL are in their associated data.
-- The generation of the pair that is sealed so; another one, or none, is a pair from before, which a gateway seals anew.
ALTER TABLE account_credentials ADD COLUMN bound_generation bigint;
CREATE INDEX account_credentials_unbound ON account_credentials (environment_id, integrated_account_id)
    WHERE bound_generation IS DISTINCT FROM generation;
