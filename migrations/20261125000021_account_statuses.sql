-- How many accounts there are of each status is counted whenever the metrics are read.
CREATE INDEX integrated_accounts_status ON integrated_accounts (status);
