-- The number of current objects of each kind in the copies of directories, so that no page has to count them. The end
-- of a complete run counts the rows; each change between adds what it created and removed.
CREATE TABLE directory_copy_sizes (
    environment_id        text NOT NULL,
    integrated_account_id text NOT NULL,
    kind                  text NOT NULL,
    objects               bigint NOT NULL,
    PRIMARY KEY (integrated_account_id, environment_id, kind),
    CONSTRAINT directory_copy_sizes_account_fkey
        FOREIGN KEY (environment_id, integrated_account_id) REFERENCES integrated_accounts ON DELETE CASCADE
);

INSERT INTO directory_copy_sizes (environment_id, integrated_account_id, kind, objects)
SELECT environment_id, integrated_account_id, kind, count(*)
FROM directory_versions WHERE valid_to = 'infinity'
GROUP BY environment_id, integrated_account_id, kind;
