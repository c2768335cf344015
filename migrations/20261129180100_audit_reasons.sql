-- Why something was refused or failed: the name of a problem, or of the failure of a link. Refusals and reads of the log
-- are counted: a row tells of many.
ALTER TABLE audit_log ADD COLUMN reason text;
-- Failures of a link beyond the first ones are not written down any more.
ALTER TABLE link_tokens ADD COLUMN failures integer NOT NULL DEFAULT 0;
