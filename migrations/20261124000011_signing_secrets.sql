-- What the provider signs its own requests to us with, encrypted under the row's data key like the
-- client secret; null when none was given.
ALTER TABLE provider_apps ADD COLUMN signing_secret bytea;
