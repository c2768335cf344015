//! The pages, one file each. A page reads the API, or what the store counts, and renders it; the frame is around it.

pub(in crate::http) mod access_review;
pub(super) mod account;
pub(super) mod accounts;
pub(super) mod audit_log;
pub(super) mod budgets;
pub(in crate::http) mod directory;
pub(in crate::http) mod drift;
pub(super) mod environment;
pub(super) mod events;
pub(super) mod keys;
pub(super) mod overview;
pub(in crate::http) mod person;
pub(super) mod policies;
pub(super) mod policy_form;
pub(super) mod roles;
pub(super) mod sessions;
pub(in crate::http) mod sync;
pub(in crate::http) mod syncs;
pub(in crate::http) mod timeline;
pub(super) mod webhook;
pub(super) mod webhooks;
