//! Connectors: the capabilities of each provider, in a folder per provider.
//!
//! A connector is a set of traits, one per capability; `None` means that the provider lacks the capability. A connector
//! has no state and never retries, waits or sees a token: [`CallContext`] sends the requests.

mod capabilities;
mod change_log;
mod context;
mod error;
mod lenient_json;
mod linking;
mod low_priority;
mod page_token;
pub mod paging;
mod parse;
mod path;
mod planned_calls;
mod registry;
mod response;
mod rows;
mod scim;
pub mod slack_enterprise;
mod unreadable_rows;
mod writes;

use async_trait::async_trait;
use serde_json::Value;
use serde_json::value::RawValue;

pub use capabilities::general_capabilities;
pub use change_log::{ChangeLog, ChangeLogEntry, ReadChangeLog};
pub use context::CallContext;
pub use error::{ConnectorError, ErrorKind, ReadBack};
pub use linking::{FormLink, LinkRejection, LinkedGrant, Linking, OAuthLink};
pub use path::UrlTarget;
pub use planned_calls::{PlannedCall, PlannedWork};
pub use registry::Registry;
pub use unreadable_rows::{IncompleteList, UnreadableRow, UnreadableRows};
pub use writes::{
    AssignmentWrites, GroupWrites, InvitationRequest, MembershipRequest, MembershipWrites,
    PLACE_FIELD, RoleGrant, UserRemoval, UserWrites, WorkspaceWrites,
};

use crate::domain::account::IntegratedAccount;
use crate::domain::assignment::RoleAssignment;
use crate::domain::capabilities::{Capabilities, ResourceKind, ResourceMethod};
use crate::domain::filter::{Expand, Filterable, RemoteQuery};
use crate::domain::group::Group;
use crate::domain::me::Me;
use crate::domain::page::{Page, PageRequest};
use crate::domain::patch::{ValidationError, WriteOutcome};
use crate::domain::provider::Provider;
use crate::domain::role::Role;
use crate::domain::user::User;
use crate::domain::workspace::Workspace;
use crate::upstream::{ProviderRequest, ResponseClassifier};

/// The capabilities of one provider.
pub trait Connector: Send + Sync {
    /// Returns the provider.
    fn provider(&self) -> Provider;
    /// Returns the classifier of its responses.
    fn response_classifier(&self) -> &dyn ResponseClassifier;
    /// Whether it has a budget of that name. Settings can override a budget's rate.
    fn has_budget(&self, name: &str) -> bool;
    /// Describes the names of its budgets, for the message about an unknown name.
    fn budget_names(&self) -> &'static str;
    /// Returns how accounts are linked.
    fn linking(&self) -> Linking<'_>;
    /// Proxies its native API.
    fn passthrough(&self) -> &dyn Passthrough;
    /// Discovers what an account's server can do, where that differs between accounts.
    fn discovery(&self) -> Option<&dyn Discover> {
        None
    }
    /// Returns the provider's scopes that a method needs, as far as known.
    fn scopes(&self, resource: ResourceKind, method: ResourceMethod) -> &'static [&'static str] {
        let _ = (resource, method);
        &[]
    }
    /// Returns the filters of a list that the provider applies, at least in part; the caller applies all of them.
    fn provider_filters(&self, resource: ResourceKind) -> &'static [&'static str] {
        let _ = resource;
        &[]
    }
    /// Reads users and bots.
    fn users(&self) -> Option<&dyn ReadResource<User>>;
    /// Reads roles.
    fn roles(&self) -> Option<&dyn ReadResource<Role>>;
    /// Whether a role with that id can exist; `None` where that depends on the account.
    fn has_role(&self, id: &str) -> Option<bool> {
        let _ = id;
        None
    }
    /// Reads role assignments.
    fn role_assignments(&self) -> Option<&dyn ReadResource<RoleAssignment>>;
    /// Reads workspaces.
    fn workspaces(&self) -> Option<&dyn ReadResource<Workspace>>;
    /// Reads groups.
    fn groups(&self) -> Option<&dyn ReadResource<Group>>;
    /// Reads the profiles of all users from a list of their own, where lists of users lack them.
    fn profiles(&self) -> Option<&dyn ReadProfiles> {
        None
    }
    /// Reads the provider's change log.
    fn change_log(&self) -> Option<&dyn ReadChangeLog> {
        None
    }
    /// Whether the provider sends events to the gateway.
    fn sends_events(&self) -> bool {
        false
    }
    /// Reads the identity behind the token.
    fn identity(&self) -> Option<&dyn ReadIdentity>;
    /// Changes users.
    fn user_writes(&self) -> Option<&dyn UserWrites>;
    /// Changes members of workspaces.
    fn membership_writes(&self) -> Option<&dyn MembershipWrites>;
    /// Changes role assignments.
    fn assignment_writes(&self) -> Option<&dyn AssignmentWrites>;
    /// Creates and changes workspaces.
    fn workspace_writes(&self) -> Option<&dyn WorkspaceWrites>;
    /// Changes groups.
    fn group_writes(&self) -> Option<&dyn GroupWrites>;
    /// Returns the calls that a piece of work takes, each with the buckets that it takes permits from.
    fn planned_calls(&self, work: &PlannedWork<'_>) -> Vec<PlannedCall>;
}

/// Discovers what an account's server can do, and describes it.
#[async_trait]
pub trait Discover: Send + Sync {
    /// Reads what the server announces. The result is stored in the account, in the connector's own format and at most
    /// 16 KB. Parts that the server lacks have defaults.
    async fn discover(&self, cx: &CallContext<'_>) -> Result<Value, ConnectorError>;

    /// Returns what works for an account, by what was discovered and by its settings.
    fn describe(&self, account: &IntegratedAccount) -> Capabilities;

    /// Checks settings of an account for the provider.
    ///
    /// # Errors
    ///
    /// The failed rules; pointers are relative to the settings.
    fn validate_settings(&self, settings: &Value) -> Result<(), Vec<ValidationError>>;
}

/// The start of a page of a provider's list: the connector's own text, opaque to all other code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageToken(pub String);

/// A unified object and, when requested, the provider's objects that it was mapped from.
#[derive(Debug, Clone)]
pub struct Unified<T> {
    /// The unified object; boxed, since it is large and often moved.
    pub resource: Box<T>,
    /// The provider's objects, unchanged: the row of a list, or an object by method where several were read.
    pub remote: Option<Box<RawValue>>,
}

impl<T> Unified<T> {
    /// Returns a unified object with the provider's objects.
    pub fn new(unified: T, remote: Option<Box<RawValue>>) -> Self {
        Self { resource: Box::new(unified), remote }
    }
}

/// A request for a page of a list.
#[derive(Debug)]
pub struct ListRequest<'a, T: Filterable> {
    /// The page.
    pub page: PageRequest<PageToken>,
    /// The filter. A connector passes as much of it to the provider as possible; the caller applies the whole filter to
    /// the rows.
    pub filter: &'a T::Filter,
    /// The requested expansions.
    pub expand: &'a Expand,
    /// Arguments for the provider's own list call, passed on unchanged.
    pub remote_query: &'a RemoteQuery,
}

/// Reads a resource.
#[async_trait]
pub trait ReadResource<T: Filterable>: Send + Sync {
    /// Returns one page, in the provider's order. A short or empty page may have a successor; all pages together have
    /// every row that matches the filter once.
    async fn list(
        &self,
        cx: &CallContext<'_>,
        request: ListRequest<'_, T>,
    ) -> Result<Page<Unified<T>, PageToken>, ConnectorError>;

    /// Returns the object with that id, with all fields; `None` when there is none.
    async fn get(
        &self,
        cx: &CallContext<'_>,
        id: &str,
    ) -> Result<Option<Unified<T>>, ConnectorError>;

    /// Returns the object with that id, perhaps without what other resources list, such as a user's system roles.
    async fn get_own_fields(
        &self,
        cx: &CallContext<'_>,
        id: &str,
    ) -> Result<Option<Unified<T>>, ConnectorError> {
        self.get(cx, id).await
    }
}

/// A user's profile as the provider sent it, with the user's id.
pub type Profile = (String, Box<RawValue>);

/// Reads the profiles of all users: the fields that a list of users lacks.
#[async_trait]
pub trait ReadProfiles: Send + Sync {
    /// Returns one page of profiles.
    async fn list(
        &self,
        cx: &CallContext<'_>,
        page: PageRequest<PageToken>,
    ) -> Result<Page<Profile, PageToken>, ConnectorError>;

    /// Returns the profile of one user; `None` when there is none.
    async fn get(
        &self,
        cx: &CallContext<'_>,
        user_id: &str,
    ) -> Result<Option<Box<RawValue>>, ConnectorError>;

    /// Returns the fields of this user that a single read has and lists do not, or the other way round.
    fn fields_of_one_read(&self, user: &User) -> &'static [&'static str];

    /// Whether the profile alone has a field of users. `is_blank` is whether the field has no value in it: then another
    /// read may have one.
    fn has_field(&self, name: &str, is_blank: bool) -> bool;

    /// Replaces what a profile has in the user of a copy. Returns whether the user is complete with it: others may have
    /// changed the status or the type, which other reads show.
    ///
    /// # Errors
    ///
    /// When the profile can't be parsed.
    fn replace(
        &self,
        cx: &CallContext<'_>,
        user: &mut User,
        profile: &RawValue,
    ) -> Result<bool, ConnectorError>;

    /// Changes the user of a single read to what lists show, where lists say less: both are compared with one copy.
    fn as_listed(&self, user: &mut User);

    /// Merges a profile into the user of a list.
    ///
    /// # Errors
    ///
    /// When the profile can't be parsed.
    fn merge(
        &self,
        cx: &CallContext<'_>,
        user: &mut User,
        profile: &RawValue,
    ) -> Result<(), ConnectorError>;
}

/// Reads and revokes the account's token.
#[async_trait]
pub trait ReadIdentity: Send + Sync {
    /// Returns the user, the organization and the scopes of the token.
    async fn me(&self, cx: &CallContext<'_>) -> Result<Unified<Me>, ConnectorError>;

    /// Revokes the token at the provider.
    async fn revoke(&self, cx: &CallContext<'_>) -> Result<WriteOutcome, ConnectorError>;
}

/// Proxies a provider's native API.
pub trait Passthrough: Send + Sync {
    /// Builds the request for a path of the provider, such as `api/users.info`, without a body. `base_url` is the
    /// account's base URL, where it has one; `query` is the caller's raw query.
    ///
    /// # Errors
    ///
    /// When the provider has no such path.
    fn route(
        &self,
        base_url: Option<&str>,
        method: &http::Method,
        path: &str,
        query: Option<&str>,
    ) -> Result<Box<ProviderRequest>, UnknownPath>;

    /// Classifies a URL in a response header of the provider, such as `Location`.
    fn classify_url(&self, base_url: Option<&str>, url: &url::Url) -> UrlTarget;

    /// Whether the provider also accepts a token as a parameter `token` of the query or body. A caller must not send
    /// one: it would override the account's token.
    fn takes_token(&self) -> bool {
        false
    }

    /// Returns the query for the first page of a list at this path, with the largest page size; `None` leaves the
    /// caller's query.
    fn page_query(&self, path: &str, query: Option<&str>) -> Option<String> {
        let _ = (path, query);
        None
    }

    /// Reads a page of the list at this path from the response to this query.
    ///
    /// # Errors
    ///
    /// `NotAList` when the list can't be followed, `Defect` for an invalid response, `Rejected` for the provider's
    /// error.
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

/// A page of a provider's list, with unparsed rows.
#[derive(Debug)]
pub struct RawPage<'b> {
    /// The rows, as sent by the provider.
    pub rows: Vec<&'b RawValue>,
    /// The query of the next page; `None` at the end.
    pub next: Option<String>,
}

/// Why a response is not a page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageFailure {
    /// It has no rows, or their field is unknown.
    NotAList,
    /// The response is invalid; this is the defect.
    Defect(String),
    /// The provider rejected the request.
    Rejected {
        /// The kind of error.
        kind: ErrorKind,
        /// The provider's error code.
        code: String,
    },
}

/// A path that the provider does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{reason}; {known}")]
pub struct UnknownPath {
    /// The failed rule.
    pub reason: &'static str,
    /// Describes the valid paths.
    pub known: &'static str,
}

impl UnknownPath {
    /// The reason for a well-formed path that does not exist.
    pub(crate) const NO_SUCH_PATH: &'static str = "the provider has no such path";
}
