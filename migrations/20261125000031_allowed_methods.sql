-- A key may be bound to some of a provider's methods for raw calls. NULL: all of them.
ALTER TABLE api_keys ADD COLUMN allowed_methods text[];
ALTER TABLE account_tokens ADD COLUMN allowed_methods text[];
