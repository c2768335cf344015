-- The account of a delivery's event. What endpoints respond may repeat the event, so a disconnection of the account
-- erases it.
ALTER TABLE webhook_deliveries ADD COLUMN integrated_account_id text;
UPDATE webhook_deliveries d SET integrated_account_id = e.integrated_account_id
FROM events e WHERE e.environment_id = d.environment_id AND e.position = d.position AND e.event_id = d.event_id;

CREATE FUNCTION without_response_bodies(attempts jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (SELECT COALESCE(jsonb_agg(attempt || '{"response_body": null}' ORDER BY number), '[]')
        FROM jsonb_array_elements(attempts) WITH ORDINALITY AS listed (attempt, number));

CREATE INDEX webhook_deliveries_responses ON webhook_deliveries (environment_id, integrated_account_id)
    WHERE attempts @? '$[*].response_body ? (@ != null)';
