//! Extractors of handlers: caller, account, query parameters, body.

mod account;
mod account_copy;
mod account_discovery;
mod authentication;
mod body;
mod client_ip;
mod filter;
mod max_wait;
mod params;
mod query;
mod source;

pub(super) use account::{
    Account, AccountQuery, HEADER as ACCOUNT_HEADER, RequestHead, account_filter,
};
pub(super) use authentication::{
    Access, Admin, ClientSource, Proxy, Read, Write, authenticate, authenticate_key,
    authenticate_token, bearer,
};
pub(super) use body::{
    JsonBody, OptionalJsonBody, PartialBody, incomplete_body, read_prefix, read_up_to, read_whole,
    reserve_memory,
};
pub(super) use client_ip::{HEADERS as ADDRESS_HEADERS, connection};
pub(super) use filter::{
    AssignmentFilterQuery, GroupFilterQuery, RemoteQueryParameter, RoleFilterQuery, TakeFilter,
    UserFilterQuery, WorkspaceFilterQuery, take_enum, take_timestamp,
};
pub(super) use max_wait::{PREFER, max_wait};
pub(super) use params::{
    Params, contradicting_parameters, differing_parameters, invalid_parameter,
};
pub(super) use query::{
    CreateUserQuery, DeactivateUserQuery, ItemQuery, ListQuery, NoQuery, PageOnlyQuery, PageQuery,
    ResourceQuery, ResponseFormatQuery,
};
pub(super) use source::{CopyListQuery, Source, SourceQuery, UserCopyQuery};
