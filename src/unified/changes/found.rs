//! Whom a wish is about, when somebody with that address or short name is there already.

use super::Changes;
use crate::connectors::paging::Trail;
use crate::connectors::{ConnectorError, Question};
use crate::domain::filter::{Expand, Filter as _, RemoteQuery, UserFilter};
use crate::domain::page::{MAX_LIMIT, PageRequest};
use crate::domain::user::User;
use crate::domain::user_input::UserInput;

impl Changes<'_> {
    /// Who is meant by the address or the short name of a wish.
    pub(super) async fn find(&self, wish: &UserInput) -> Result<Option<User>, ConnectorError> {
        let email = wish.primary_email().map(str::to_owned);
        let by_email = UserFilter { email, ..UserFilter::default() };
        let by_name =
            UserFilter { username: wish.username.value().cloned(), ..UserFilter::default() };
        for filter in [by_email, by_name] {
            if filter != UserFilter::default()
                && let Some(user) = self.first_user(&filter).await?
            {
                return Ok(Some(user));
            }
        }
        Ok(None)
    }

    async fn first_user(&self, filter: &UserFilter) -> Result<Option<User>, ConnectorError> {
        let Some(facet) = self.directory.connector.users() else { return Ok(None) };
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
}
