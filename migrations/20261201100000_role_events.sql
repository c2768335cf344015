-- The changes of role assignments of an account, newest first, without reading its other events.
CREATE INDEX events_roles ON events (environment_id, integrated_account_id, position)
    WHERE type IN ('role_assignment.granted', 'role_assignment.revoked');
