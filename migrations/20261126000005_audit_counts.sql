-- A key that calls one method many times within a second gets rows for the first calls, and one for the others
-- together, which tells how many they were.
ALTER TABLE audit_log ADD COLUMN calls integer NOT NULL DEFAULT 1;
