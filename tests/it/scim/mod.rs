//! Accounts of SCIM 2.0 servers, by a server of the tests: discovery, linking, reads, writes, and malformed responses.

mod discovery;
mod group_writes;
mod linking;
mod lost_responses;
mod reads;
mod robustness;
mod role_writes;
mod same_result;
mod story;
pub(crate) mod sync;
pub(crate) mod write_validation;
pub(crate) mod writes;
