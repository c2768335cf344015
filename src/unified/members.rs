//! Members of a group. The provider returns all of them in one response; pages are made here.

use super::cursor::ListScope;
use super::{Directory, UnifiedError};
use crate::connectors::PageToken;
use crate::connectors::paging::PageHistory;
use crate::domain::group::Group;
use crate::domain::page::Page;
use crate::domain::user::ResourceRef;

impl Directory<'_> {
    /// Returns a page of a group's members, ordered by id.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is no such group, `InvalidCursor` for a cursor of another list, or the provider's error.
    pub async fn group_members(
        &self,
        id: &str,
        limit: u16,
        cursor: Option<&str>,
    ) -> Result<Page<ResourceRef, String>, UnifiedError> {
        let account = self.cx.account.id;
        let list = ListScope { account, resource: "group-members", query: id.to_owned() };
        let after = cursor.map(|text| list.open(self.signer, text)).transpose()?;
        let group = self.reader::<Group>()?.get(&self.cx, id).await?;
        let group = group.ok_or(UnifiedError::NotFound { resource: "group" })?;
        let mut items = group.resource.members;
        items.sort_by(|one, other| one.id.cmp(&other.id));
        items
            .retain(|member| after.as_ref().is_none_or(|(PageToken(after), _)| member.id > *after));
        let is_longer = items.len() > limit.into();
        items.truncate(limit.into());
        let end = items.last().filter(|_| is_longer);
        let next = end.map(|member| {
            // No history needed: ids only increase from page to page.
            list.seal(self.signer, &PageToken(member.id.clone()), &PageHistory::default())
        });
        Ok(Page { items, next })
    }
}
