-- After attempts that got no clear answer everybody leaves the provider alone until `pause_until`, and
-- callers are told the same failure meanwhile. Null on attempts that another one followed at once.
ALTER TABLE credential_refreshes
    ADD COLUMN failure text,
    ADD COLUMN failure_detail text,
    ADD COLUMN pause_until timestamptz;
