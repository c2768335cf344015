-- The privileged roles among all of a directory, for access reviews.
CREATE INDEX directory_role_assignments_privileged
    ON directory_role_assignments (integrated_account_id, user_id)
    WHERE body->>'is_privileged' = 'true';
