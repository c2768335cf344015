-- Which gateways are running: each notes it every few seconds, when the limits are in Redis. One that starts while
-- Redis can't be reached learns here among how many it shares the rates.
CREATE TABLE gateways (
    name    text PRIMARY KEY,
    seen_at timestamptz NOT NULL
);
