//! A file for each URL.

mod health;
mod link;
mod role_assignments;
mod roles;
mod users;
mod workspaces;
