-- The changes of privileged roles of an account, newest first, without reading its other events.
CREATE INDEX events_privileged_roles ON events (environment_id, integrated_account_id, position)
    WHERE type IN ('role_assignment.granted', 'role_assignment.revoked') AND NOT initial
      AND COALESCE(object, previous)->>'is_privileged' = 'true';
