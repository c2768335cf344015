//! A file for each URL.

mod batch;
mod compat;
mod events;
mod events_slack;
mod expand;
mod filters;
mod groups;
mod health;
mod idempotency;
mod integrated_accounts;
mod link;
mod link_attacks;
mod link_form;
mod link_page;
mod mappings;
mod metrics;
mod openapi;
mod people;
mod problems;
mod provider_apps;
mod proxy;
mod role_assignments;
mod roles;
mod users;
mod workspaces;
mod writes;
