//! Extractors of handlers: caller, account, query parameters, body.

mod access;
mod account;
mod account_copy;
mod body;
mod client_ip;
mod filter;
mod params;
mod query;
mod source;
mod strict_json;

pub(super) use access::{
    Access, Admin, ClientSource, Proxy, Read, Write, authenticate, authenticate_token, bearer,
};
pub(super) use account::{
    Account, AccountQuery, HEADER as ACCOUNT_HEADER, PREFER, RequestHead, account_filter, max_wait,
};
pub(super) use body::{JsonBody, PartialBody, parse_strict, read_prefix, read_up_to, read_whole};
pub(super) use client_ip::{HEADERS as ADDRESS_HEADERS, connection};
pub(super) use filter::{
    AssignmentFilterQuery, GroupFilterQuery, RemoteQueryParameter, RoleFilterQuery, TakeFilter,
    UserFilterQuery, WorkspaceFilterQuery, take_timestamp,
};
pub(super) use params::{Params, contradicting_parameters, invalid_parameter};
pub(super) use query::{
    CreateUserQuery, DeactivateUserQuery, ItemQuery, ListQuery, NoQuery, PageOnlyQuery, PageQuery,
    ResourceQuery, ResponseFormatQuery,
};
pub(super) use source::{CopyListQuery, Source, SourceQuery, UserCopyQuery};
