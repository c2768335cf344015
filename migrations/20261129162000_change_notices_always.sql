-- Logical replication applies changes as `session_replication_role = replica`, where an ordinary trigger does not
-- fire. Gateways on a subscriber have to hear of those changes as well.
ALTER TABLE api_keys ENABLE ALWAYS TRIGGER api_keys_change;
ALTER TABLE api_keys ENABLE ALWAYS TRIGGER api_keys_emptied;
ALTER TABLE account_tokens ENABLE ALWAYS TRIGGER account_tokens_change;
ALTER TABLE account_tokens ENABLE ALWAYS TRIGGER account_tokens_emptied;
ALTER TABLE integrated_accounts ENABLE ALWAYS TRIGGER integrated_accounts_change;
ALTER TABLE integrated_accounts ENABLE ALWAYS TRIGGER integrated_accounts_come_or_go;
ALTER TABLE integrated_accounts ENABLE ALWAYS TRIGGER integrated_accounts_move;
ALTER TABLE integrated_accounts ENABLE ALWAYS TRIGGER integrated_accounts_emptied;
ALTER TABLE mappings ENABLE ALWAYS TRIGGER mappings_change;
ALTER TABLE mappings ENABLE ALWAYS TRIGGER mappings_emptied;
ALTER TABLE account_credentials ENABLE ALWAYS TRIGGER account_credentials_come_or_go;
ALTER TABLE account_credentials ENABLE ALWAYS TRIGGER account_credentials_change;
ALTER TABLE account_credentials ENABLE ALWAYS TRIGGER account_credentials_emptied;
