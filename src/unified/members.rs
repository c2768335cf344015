//! The members of one group, page by page. The provider tells them all at once; the page is ours.

use super::cursor::List;
use super::{Directory, UnifiedError};
use crate::connectors::Position;
use crate::connectors::paging::Trail;
use crate::domain::group::Group;
use crate::domain::page::Page;
use crate::domain::user::Reference;

impl Directory<'_> {
    /// A page of a group's members, by id.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is no such group; `InvalidCursor` for a cursor of another list.
    pub async fn group_members(
        &self,
        id: &str,
        limit: u16,
        cursor: Option<&str>,
    ) -> Result<Page<Reference, String>, UnifiedError> {
        let account = self.cx.account.id;
        let list = List { account, resource: "group-members", question: id.to_owned() };
        let after = cursor.map(|text| list.open(self.signer, text)).transpose()?;
        let group = self.facet::<Group>()?.get(&self.cx, id).await?;
        let group = group.ok_or(UnifiedError::NotFound { resource: "group" })?;
        let mut items = group.unified.members;
        items.sort_by(|one, other| one.id.cmp(&other.id));
        items.retain(|member| after.as_ref().is_none_or(|(Position(after), _)| member.id > *after));
        let is_longer = items.len() > limit.into();
        items.truncate(limit.into());
        let end = items.last().filter(|_| is_longer);
        let next = end.map(|member| {
            // The page is ours: its ids only grow.
            list.seal(self.signer, &Position(member.id.clone()), &Trail::default())
        });
        Ok(Page { items, next })
    }
}
