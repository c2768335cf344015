//! Objects looked up by what a request says of them, when the provider told no id.

use std::collections::BTreeSet;

use super::Changes;
use crate::connectors::paging::Trail;
use crate::connectors::{ConnectorError, Question};
use crate::domain::filter::{
    Expand, Filter as _, GroupFilter, RemoteQuery, UserFilter, WorkspaceFilter,
};
use crate::domain::group::Group;
use crate::domain::page::{MAX_LIMIT, PageRequest};
use crate::domain::user::User;
use crate::domain::user_input::UserInput;
use crate::domain::workspace::Workspace;
use crate::domain::workspace_input::WorkspaceWish;

impl Changes<'_> {
    /// The user with the primary address of a request. No other field matches a person: a short name
    /// may be somebody else's.
    pub(super) async fn find(&self, wish: &UserInput) -> Result<Option<User>, ConnectorError> {
        let Some(facet) = self.directory.connector.users() else { return Ok(None) };
        let Some(email) = wish.primary_email() else { return Ok(None) };
        let filter = &UserFilter { email: Some(email.to_owned()), ..UserFilter::default() };
        let (expand, remote_query) = (&Expand::default(), &RemoteQuery::default());
        let (mut position, mut trail) = (None, Trail::default());
        loop {
            let page = PageRequest { position, limit: MAX_LIMIT };
            let question = Question { page, filter, expand, remote_query };
            let page = facet.list(&self.directory.cx, question).await?;
            let mut users = page.items.into_iter().map(|record| record.unified);
            let found = users.find(|user| filter.admits(user));
            match (found, page.next) {
                (Some(user), _) => return Ok(Some(*user)),
                (None, None) => return Ok(None),
                (None, Some(next)) => {
                    self.directory.cx.go_on("users", &mut trail, &next.0)?;
                    position = Some(next);
                }
            }
        }
    }

    /// The groups of that name, when the provider has few enough groups to tell by one call.
    pub(super) async fn groups_named(
        &self,
        name: &str,
    ) -> Result<Option<Vec<Group>>, ConnectorError> {
        let Some(facet) = self.directory.connector.groups() else { return Ok(None) };
        let filter = &GroupFilter { name: Some(name.to_owned()), ..GroupFilter::default() };
        let (expand, remote_query) = (&Expand::default(), &RemoteQuery::default());
        let page = PageRequest { position: None, limit: MAX_LIMIT };
        let question = Question { page, filter, expand, remote_query };
        let page = facet.list(&self.directory.cx, question).await?;
        let groups = page.items.into_iter().map(|record| *record.unified);
        let named = groups.filter(|group| filter.admits(group)).collect();
        Ok(page.next.is_none().then_some(named))
    }

    /// The ids of the workspaces with the address of a request: one, or none.
    pub(super) async fn workspaces_at(
        &self,
        wish: &WorkspaceWish,
    ) -> Result<BTreeSet<String>, ConnectorError> {
        let mut found = BTreeSet::new();
        let Some(facet) = self.directory.connector.workspaces() else { return Ok(found) };
        let name = wish.name.value().cloned();
        let filter = &WorkspaceFilter { name, ..WorkspaceFilter::default() };
        let (expand, remote_query) = (&Expand::default(), &RemoteQuery::default());
        let (mut position, mut trail) = (None, Trail::default());
        let address = wish.address();
        loop {
            let page = PageRequest { position, limit: MAX_LIMIT };
            let question = Question { page, filter, expand, remote_query };
            let page = facet.list(&self.directory.cx, question).await?;
            let rows = page.items.into_iter().map(|record| *record.unified);
            let same = rows.filter(|one: &Workspace| one.domain.as_ref() == Some(&address));
            found.extend(same.map(|workspace| workspace.id));
            match page.next {
                None => return Ok(found),
                Some(next) => {
                    self.directory.cx.go_on("workspaces", &mut trail, &next.0)?;
                    position = Some(next);
                }
            }
        }
    }
}
