//! What a provider can do, and one folder for each provider.
//!
//! A connector is a set of facets, one a capability: having the facet is the capability. It keeps no
//! state, never retries, sleeps or sees a token; [`CallContext`] brings the way out.

mod context;
mod error;
mod lenient;
mod linking;
mod low_priority;
pub mod paging;
mod parse;
mod path;
mod position;
mod reading;
mod registry;
mod rows;
mod scim;
pub mod slack_enterprise;
mod unreadable_rows;
mod writes;

use async_trait::async_trait;
use serde_json::value::RawValue;

pub use context::CallContext;
pub use error::{ConnectorError, Kind, ReadBack};
pub use linking::{FormLink, LinkRefusal, LinkedGrant, Linking, OAuthLink};
pub use path::Reach;
pub use registry::Registry;
pub use unreadable_rows::{UnreadableRow, UnreadableRows};
pub use writes::{
    AssignmentWrites, GroupWrites, Holding, Invitation, Membership, MembershipWrites, UserWrites,
    WorkspaceWrites,
};

use crate::domain::assignment::RoleAssignment;
use crate::domain::filter::{Expand, Filtered, RemoteQuery};
use crate::domain::group::Group;
use crate::domain::input::Done;
use crate::domain::me::Me;
use crate::domain::page::{Page, PageRequest};
use crate::domain::provider::Provider;
use crate::domain::role::Role;
use crate::domain::user::User;
use crate::domain::workspace::Workspace;
use crate::upstream::{Dialect, ProviderRequest};

/// A provider, as far as we speak with it.
pub trait Connector: Send + Sync {
    /// Which provider this is.
    fn provider(&self) -> Provider;
    /// How its answers are to be read.
    fn dialect(&self) -> &dyn Dialect;
    /// Whether it has a budget of that name, for the operator who sets another rate for one.
    fn has_budget(&self, name: &str) -> bool;
    /// Which names its budgets have, for the operator who wrote another one.
    fn budget_names(&self) -> &'static str;
    /// How accounts are linked to it.
    fn linking(&self) -> Linking<'_>;
    /// Its own API, passed through.
    fn passthrough(&self) -> &dyn Passthrough;
    /// Its people and bots.
    fn users(&self) -> Option<&dyn Reads<User>>;
    /// Its roles.
    fn roles(&self) -> Option<&dyn Reads<Role>>;
    /// Who holds which role.
    fn role_assignments(&self) -> Option<&dyn Reads<RoleAssignment>>;
    /// Its workspaces.
    fn workspaces(&self) -> Option<&dyn Reads<Workspace>>;
    /// Its groups.
    fn groups(&self) -> Option<&dyn Reads<Group>>;
    /// Whose token we have.
    fn identity(&self) -> Option<&dyn Identity>;
    /// Its people, to be changed.
    fn user_writes(&self) -> Option<&dyn UserWrites>;
    /// The members of its workspaces, to be changed.
    fn membership_writes(&self) -> Option<&dyn MembershipWrites>;
    /// Who holds which role, to be changed.
    fn assignment_writes(&self) -> Option<&dyn AssignmentWrites>;
    /// Its workspaces, to be made and set up.
    fn workspace_writes(&self) -> Option<&dyn WorkspaceWrites>;
    /// Its groups, to be changed.
    fn group_writes(&self) -> Option<&dyn GroupWrites>;
}

/// Where a page of a provider's list begins: the connector's own text, opaque to everybody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position(pub String);

/// A unified thing and, when asked for, the provider's objects it was made from.
#[derive(Debug, Clone)]
pub struct Record<T> {
    /// The unified thing; in its place, since it is large and handed on by many.
    pub unified: Box<T>,
    /// The provider's objects, as they came: the row of a list, or an object by method where several were read.
    pub remote: Option<Box<RawValue>>,
}

impl<T> Record<T> {
    /// A thing and what it was made of.
    pub fn new(unified: T, remote: Option<Box<RawValue>>) -> Self {
        Self { unified: Box::new(unified), remote }
    }
}

/// What is asked of a list.
#[derive(Debug)]
pub struct Question<'a, T: Filtered> {
    /// Which page.
    pub page: PageRequest<Position>,
    /// What its rows must be like. A connector asks the provider for as much of it as it can; it
    /// need not hold the rows against the rest, the caller does.
    pub filter: &'a T::Filter,
    /// What it is to bring beyond the fields that come for nothing.
    pub expand: &'a Expand,
    /// Arguments for the provider's own list call, passed on untouched.
    pub remote_query: &'a RemoteQuery,
}

/// A resource that can be read.
#[async_trait]
pub trait Reads<T: Filtered>: Send + Sync {
    /// One page, in the provider's order. A page may be short or empty and still have a successor;
    /// paging to the end gives every row that the filter admits once.
    async fn list(
        &self,
        cx: &CallContext<'_>,
        question: Question<'_, T>,
    ) -> Result<Page<Record<T>, Position>, ConnectorError>;

    /// The thing with that id, with the expensive fields too; `None` when there is none.
    async fn get(
        &self,
        cx: &CallContext<'_>,
        id: &str,
    ) -> Result<Option<Record<T>>, ConnectorError>;
}

/// A token that can say whose it is.
#[async_trait]
pub trait Identity: Send + Sync {
    /// Whose token it is, and for what.
    async fn me(&self, cx: &CallContext<'_>) -> Result<Record<Me>, ConnectorError>;

    /// Gives the token back: from then on the provider refuses it.
    async fn revoke(&self, cx: &CallContext<'_>) -> Result<Done, ConnectorError>;
}

/// A provider's own API, passed through.
pub trait Passthrough: Send + Sync {
    /// Builds the call for a path of the provider, such as `api/users.info`, without body. `base_url` is
    /// the account's own address, where it has one; `query` is the raw query of the caller.
    ///
    /// # Errors
    ///
    /// When the path is none of the provider's.
    fn route(
        &self,
        base_url: Option<&str>,
        method: &http::Method,
        path: &str,
        query: Option<&str>,
    ) -> Result<Box<ProviderRequest>, UnknownPath>;

    /// Where an address leads that the provider names in a header, such as `Location`.
    fn reach(&self, base_url: Option<&str>, url: &url::Url) -> Reach;

    /// Whether the provider takes a token in a parameter `token` as well, in a call's query or its body. No caller's may
    /// get there: it would stand beside the account's own.
    fn takes_token(&self) -> bool {
        false
    }

    /// The query by which the first page of a list at this path is best asked for; `None` leaves the
    /// caller's.
    fn page_query(&self, path: &str, query: Option<&str>) -> Option<String> {
        let _ = (path, query);
        None
    }

    /// Reads a page of the list at this path, as it was answered to this query.
    ///
    /// # Errors
    ///
    /// `NotAList` when we don't know how to follow it; `Refused` when the provider said no.
    fn read_page<'b>(
        &self,
        path: &str,
        query: Option<&str>,
        status: http::StatusCode,
        body: &'b [u8],
    ) -> Result<RawPage<'b>, PageFailure> {
        let _ = (path, query, status, body);
        Err(PageFailure::NotAList)
    }
}

/// A page of a provider's list, read no further than its rows.
#[derive(Debug)]
pub struct RawPage<'b> {
    /// The rows, as the provider wrote them.
    pub rows: Vec<&'b RawValue>,
    /// The query of the next page; `None` at the end.
    pub next: Option<String>,
}

/// Why an answer is no page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageFailure {
    /// It holds no rows, or we don't know where.
    NotAList,
    /// It can't be used; this is what is odd about it.
    Odd(String),
    /// The provider said no.
    Refused {
        /// What the caller can do about it.
        kind: Kind,
        /// The provider's code.
        code: String,
    },
}

/// A path that is none of the provider's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{reason}; {known}")]
pub struct UnknownPath {
    /// What is wrong.
    pub reason: &'static str,
    /// Which paths there are.
    pub known: &'static str,
}

impl UnknownPath {
    /// What is wrong with a path that is plain, but not one of those.
    pub(crate) const NOT_ONE: &'static str = "the provider has no such path";
}
