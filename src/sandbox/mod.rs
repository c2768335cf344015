//! A Slack Enterprise Grid organization in memory.
