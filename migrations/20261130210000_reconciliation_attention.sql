-- Plans that wait to be approved or that failed, which the console counts on each page.
CREATE INDEX reconciliations_attention ON reconciliations (environment_id, integrated_account_id, reconciliation_id)
    WHERE status IN ('planned', 'failed', 'partially_applied');
CREATE INDEX reconciliations_applied ON reconciliations (environment_id, integrated_account_id, reconciliation_id)
    WHERE status = 'applied';
