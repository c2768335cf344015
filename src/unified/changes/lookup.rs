//! Lookup of objects by fields of a request, when the provider returned no id.

use std::collections::BTreeSet;

use super::Changes;
use crate::connectors::paging::PageHistory;
use crate::connectors::{ConnectorError, ListRequest};
use crate::domain::filter::{
    Expand, Filter as _, GroupFilter, RemoteQuery, UserFilter, WorkspaceFilter,
};
use crate::domain::group::Group;
use crate::domain::page::{MAX_LIMIT, PageRequest};
use crate::domain::user::User;
use crate::domain::user_input::UserInput;
use crate::domain::workspace::Workspace;
use crate::domain::workspace_input::WorkspaceInput;

impl Changes<'_> {
    /// Finds the user with the primary address of a request. No other field identifies a user: a username may be
    /// another user's.
    pub(super) async fn find_user(
        &self,
        input: &UserInput,
    ) -> Result<Option<User>, ConnectorError> {
        let Some(email) = input.primary_email() else { return Ok(None) };
        let filter = UserFilter { email: Some(email.to_owned()), ..UserFilter::default() };
        self.find_user_by(&filter).await
    }

    /// Finds the first user that a filter matches.
    pub(super) async fn find_user_by(
        &self,
        filter: &UserFilter,
    ) -> Result<Option<User>, ConnectorError> {
        let Some(reader) = self.directory.connector.users() else { return Ok(None) };
        let (expand, remote_query) = (&Expand::default(), &RemoteQuery::default());
        let (mut position, mut trail) = (None, PageHistory::default());
        loop {
            let page = PageRequest { token: position, limit: MAX_LIMIT };
            let request = ListRequest { page, filter, expand, remote_query };
            let page = reader.list(&self.directory.cx, request).await?;
            let mut users = page.items.into_iter().map(|record| record.resource);
            let found = users.find(|user| filter.matches(user));
            match (found, page.next) {
                (Some(user), _) => return Ok(Some(*user)),
                (None, None) => return Ok(None),
                (None, Some(next)) => {
                    self.directory.cx.advance("users", &mut trail, &next.0)?;
                    position = Some(next);
                }
            }
        }
    }

    /// Returns the groups of that name; `None` when the provider has more groups than one page.
    pub(super) async fn groups_named(
        &self,
        name: &str,
    ) -> Result<Option<Vec<Group>>, ConnectorError> {
        let Some(reader) = self.directory.connector.groups() else { return Ok(None) };
        let filter = &GroupFilter { name: Some(name.to_owned()), ..GroupFilter::default() };
        let (expand, remote_query) = (&Expand::default(), &RemoteQuery::default());
        let page = PageRequest { token: None, limit: MAX_LIMIT };
        let request = ListRequest { page, filter, expand, remote_query };
        let page = reader.list(&self.directory.cx, request).await?;
        let groups = page.items.into_iter().map(|record| *record.resource);
        let named = groups.filter(|group| filter.matches(group)).collect();
        Ok(page.next.is_none().then_some(named))
    }

    /// Returns the ids of the workspaces with the domain of a request: one, or none.
    pub(super) async fn workspaces_with_domain(
        &self,
        input: &WorkspaceInput,
    ) -> Result<BTreeSet<String>, ConnectorError> {
        let mut found = BTreeSet::new();
        let Some(reader) = self.directory.connector.workspaces() else { return Ok(found) };
        let name = input.name.value().cloned();
        let filter = &WorkspaceFilter { name, ..WorkspaceFilter::default() };
        let (expand, remote_query) = (&Expand::default(), &RemoteQuery::default());
        let (mut position, mut trail) = (None, PageHistory::default());
        let address = input.domain_or_default();
        loop {
            let page = PageRequest { token: position, limit: MAX_LIMIT };
            let request = ListRequest { page, filter, expand, remote_query };
            let page = reader.list(&self.directory.cx, request).await?;
            let rows = page.items.into_iter().map(|record| *record.resource);
            let same = rows.filter(|one: &Workspace| one.domain.as_ref() == Some(&address));
            found.extend(same.map(|workspace| workspace.id));
            match page.next {
                None => return Ok(found),
                Some(next) => {
                    self.directory.cx.advance("workspaces", &mut trail, &next.0)?;
                    position = Some(next);
                }
            }
        }
    }
}
