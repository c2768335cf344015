-- Names of environments are labels. Were they unique in the installation, a key of one tenant could find out by
-- making or renaming an environment which names others have.
ALTER TABLE environments DROP CONSTRAINT environments_name_key;
CREATE INDEX environments_name ON environments (name);
