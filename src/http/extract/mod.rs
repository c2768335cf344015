//! What a handler's signature can ask for: who calls, for which account, with which parameters.

mod access;
mod account;
mod body;
mod client;
mod filter;
mod params;
mod query;
mod strict;

pub(super) use access::{
    Access, Admin, Proxy, Read, Source, Write, authenticate, bearer, prove_token,
};
pub(super) use account::{
    Account, AccountQuery, HEADER as ACCOUNT_HEADER, Head, PREFER, account_filter, max_wait,
};
pub(super) use body::{Ahead, Body, read, read_ahead, read_up_to, read_whole};
pub(super) use client::{HEADERS as ADDRESS_HEADERS, connection};
pub(super) use filter::{
    AssignmentFilterQuery, GroupFilterQuery, RemoteQueryParameter, RoleFilterQuery,
    UserFilterQuery, WorkspaceFilterQuery, moment,
};
pub(super) use params::{Params, contradicting, invalid};
pub(super) use query::{
    CreateQuery, ItemQuery, LeaveQuery, ListQuery, NoQuery, PageOnlyQuery, PageQuery, ShapeQuery,
};
