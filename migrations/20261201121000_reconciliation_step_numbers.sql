-- A step is found by its position, in the primary key. Without statistics, the planner preferred the index of the numbers,
-- which began with two columns of that key, and read all steps of the plan.
DROP INDEX reconciliation_steps_parent;
CREATE INDEX reconciliation_steps_number ON reconciliation_steps (reconciliation_id, n);
