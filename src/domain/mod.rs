//! Plain values and the rules that need nothing but them. No I/O, no SQL, no HTTP.

pub mod access;
pub mod account;
pub mod allowed_methods;
pub mod api_key;
pub mod assignment;
pub mod audit;
pub mod clock;
pub mod entropy;
pub mod event;
pub mod filter;
pub mod group;
pub mod ids;
pub mod input;
pub mod link_page;
pub mod mapping;
pub mod me;
pub mod moment;
pub mod networks;
pub mod page;
pub mod provider;
pub mod role;
pub mod sealed;
pub mod user;
pub mod user_input;
pub mod workspace;
pub mod workspace_input;
