//! Changes a group: the name, and the members in requests of limited size.

use http::Method;
use serde_json::Value;

use super::ScimConnector;
use super::attribute::{AttributePath, Resource, elements, member};
use super::attribute_change::AttributeChange;
use super::group_members::{
    GroupChange, MEMBERS_PER_REQUEST, MemberChange, RemovalForm, add_operation, member_ids,
    members_after, name_operation, replace_operation,
};
use super::patch::{ChangeForm, patch_body};
use super::rejection::{Rejection, rejection};
use super::resource_writes::{ChangePlan, WriteTarget, resource_in};
use crate::connectors::{CallContext, ConnectorError, ReadBack};
use crate::domain::patch::WriteOutcome;

/// What to do about a group of which some members were changed.
const PARTLY_CHANGED: &str = "The change was sent in several requests, and those before this one were applied. Read \
    the group, and repeat the request.";

impl ScimConnector {
    /// Changes a group. Members are added and removed by PATCH, or by a PUT of the group where the server accepts no
    /// PATCH or not its form.
    pub(super) async fn change_group(
        &self,
        cx: &CallContext<'_>,
        target: WriteTarget<'_>,
        change: GroupChange<'_>,
    ) -> Result<WriteOutcome, ConnectorError> {
        if !target.features.patch {
            return self.replace_group(cx, target, change).await;
        }
        let before = self.read_current(cx, target).await?.body;
        let has_name = change.name.is_none_or(|name| {
            let is = AttributePath::core("displayName").get(&before);
            is.and_then(Value::as_str) == Some(name)
        });
        let members = change.members(&before);
        let is_whole_list = change.exactly.is_some() && !members.is_known;
        if has_name && members.is_empty() && !is_whole_list {
            return Ok(WriteOutcome::Unchanged);
        }
        let mut requests = Vec::new();
        if !has_name {
            requests.extend(change.name.map(|name| vec![name_operation(name)]));
        }
        requests.extend(additions(&members, is_whole_list));
        let mut is_partly_applied = false;
        for operations in &requests {
            match self.patch(cx, target, operations).await {
                Ok(_) => is_partly_applied = true,
                Err(error) if rejection(&error).is_some() => {
                    let replaced = self.replace_group(cx, target, change).await;
                    return replaced.map_err(|error| with_progress(error, is_partly_applied));
                }
                Err(error) => return Err(with_progress(error, is_partly_applied)),
            }
        }
        self.remove_members(cx, target, change, &members, is_partly_applied).await
    }

    /// Returns the name of a group; empty where it has none.
    pub(super) async fn group_name(
        &self,
        cx: &CallContext<'_>,
        target: WriteTarget<'_>,
    ) -> Result<String, ConnectorError> {
        let group = self.read_current(cx, target).await?.body;
        let name = AttributePath::core("displayName");
        Ok(name.get(&group).and_then(Value::as_str).unwrap_or_default().to_owned())
    }

    /// Removes members by PATCH, in the first form that the server accepts and applies.
    async fn remove_members(
        &self,
        cx: &CallContext<'_>,
        target: WriteTarget<'_>,
        change: GroupChange<'_>,
        members: &MemberChange,
        mut is_partly_applied: bool,
    ) -> Result<WriteOutcome, ConnectorError> {
        let mut response = None;
        for ids in members.remove.chunks(MEMBERS_PER_REQUEST) {
            let operations = members.removals(ids, RemovalForm::Paths);
            let error = match self.patch(cx, target, &operations).await {
                Ok(group) => {
                    (response, is_partly_applied) = (group, true);
                    continue;
                }
                Err(error) => error,
            };
            match rejection(&error) {
                // Another request changed the group in between, or one of them was no member.
                Some(Rejection::NoTarget | Rejection::Outdated) => {
                    let removed = self.remove_each(cx, target, members, ids).await;
                    removed.map_err(after_a_part)?;
                    (response, is_partly_applied) = (None, true);
                }
                Some(Rejection::Form) if members.is_known => {
                    return self.remove_by_values(cx, target, change, is_partly_applied).await;
                }
                Some(_) => {
                    let replaced = self.replace_group(cx, target, change).await;
                    return replaced.map_err(|error| with_progress(error, is_partly_applied));
                }
                None => return Err(with_progress(error, is_partly_applied)),
            }
        }
        if members.is_known && !members.remove.is_empty() {
            let are_left = self.has_any(cx, target, &members.remove, response).await;
            if are_left.map_err(after_a_part)? {
                return self.remove_by_values(cx, target, change, true).await;
            }
        }
        Ok(WriteOutcome::Applied)
    }

    /// Whether a group has one of these members after a change: by the response to it, or by a read where that does not
    /// show that they are gone.
    async fn has_any(
        &self,
        cx: &CallContext<'_>,
        target: WriteTarget<'_>,
        members: &[String],
        response: Option<Resource>,
    ) -> Result<bool, ConnectorError> {
        let has = |group: &Resource| {
            let present = member_ids(group)?;
            Some(members.iter().any(|id| present.contains(id)))
        };
        if response.as_ref().and_then(has) == Some(false) {
            return Ok(false);
        }
        let group = self.read_current(cx, target).await?;
        Ok(has(&group.body).unwrap_or(false))
    }

    /// Removes members by a PATCH each. One that is no member any more is removed.
    async fn remove_each(
        &self,
        cx: &CallContext<'_>,
        target: WriteTarget<'_>,
        members: &MemberChange,
        ids: &[String],
    ) -> Result<(), ConnectorError> {
        for id in ids.chunks(1) {
            let operations = members.removals(id, RemovalForm::Paths);
            match self.patch(cx, target, &operations).await {
                Err(error) if rejection(&error) != Some(Rejection::NoTarget) => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Removes members by operations with values, at a server that does not understand paths with filters; by PUT where
    /// it does not understand values either. The group is read before each request.
    async fn remove_by_values(
        &self,
        cx: &CallContext<'_>,
        target: WriteTarget<'_>,
        change: GroupChange<'_>,
        mut is_partly_applied: bool,
    ) -> Result<WriteOutcome, ConnectorError> {
        loop {
            let group = self.read_current(cx, target).await;
            let group = group.map_err(|error| with_progress(error, is_partly_applied))?;
            let members = change.members(&group.body);
            let Some(ids) = members.remove.chunks(MEMBERS_PER_REQUEST).next() else {
                return Ok(WriteOutcome::Applied);
            };
            let operations = members.removals(ids, RemovalForm::Values);
            match self.patch(cx, target, &operations).await {
                Ok(_) => {}
                Err(error) if rejection(&error).is_some() => {
                    let replaced = self.replace_group(cx, target, change).await;
                    return replaced.map_err(|error| with_progress(error, is_partly_applied));
                }
                Err(error) => return Err(with_progress(error, is_partly_applied)),
            }
            is_partly_applied = true;
            if !self.has_removed_only(cx, target, &members, ids).await? {
                // By the standard, the operation without a filter removes all members.
                return self.restore_members(cx, target, &members).await.map_err(after_a_part);
            }
        }
    }

    /// Gives a group the members that it has after a change, when too many were removed.
    async fn restore_members(
        &self,
        cx: &CallContext<'_>,
        target: WriteTarget<'_>,
        members: &MemberChange,
    ) -> Result<WriteOutcome, ConnectorError> {
        let after: Vec<String> = members.after.iter().cloned().collect();
        for ids in after.chunks(MEMBERS_PER_REQUEST) {
            match self.patch(cx, target, &[add_operation(ids)]).await {
                Ok(_) => {}
                Err(error) if rejection(&error).is_some() => {
                    let exactly = Some(&*after);
                    let repair = GroupChange { exactly, ..GroupChange::default() };
                    return self.replace_group(cx, target, repair).await;
                }
                Err(error) => return Err(error),
            }
        }
        if self.has_removed_only(cx, target, members, &members.remove).await? {
            return Ok(WriteOutcome::Applied);
        }
        let exactly = Some(&*after);
        self.replace_group(cx, target, GroupChange { exactly, ..GroupChange::default() }).await?;
        Ok(WriteOutcome::Applied)
    }

    /// Whether a removal removed these members, and none that the group has after the change.
    async fn has_removed_only(
        &self,
        cx: &CallContext<'_>,
        target: WriteTarget<'_>,
        members: &MemberChange,
        removed: &[String],
    ) -> Result<bool, ConnectorError> {
        let group = self.read_current(cx, target).await;
        let is = member_ids(&group.map_err(after_a_part)?.body).unwrap_or_default();
        Ok(members.after.is_subset(&is) && !removed.iter().any(|id| is.contains(id)))
    }

    /// Replaces a group by PUT.
    async fn replace_group(
        &self,
        cx: &CallContext<'_>,
        target: WriteTarget<'_>,
        change: GroupChange<'_>,
    ) -> Result<WriteOutcome, ConnectorError> {
        self.check_members_are_returned(cx, target).await?;
        let plan = |group: &Resource| ChangePlan {
            changes: replacement_changes(group, change),
            operations: Vec::new(),
        };
        let changed = self.change_resource(cx, target, ChangeForm::Replacement, &plan).await?;
        Ok(changed.outcome)
    }

    /// Fails when a server may return the members of a group on request only, or never: a PUT without them would remove
    /// them. A group without the attribute has no members only where the schema announces that they are returned, or
    /// other groups show theirs.
    async fn check_members_are_returned(
        &self,
        cx: &CallContext<'_>,
        target: WriteTarget<'_>,
    ) -> Result<(), ConnectorError> {
        let group = self.read_current(cx, target).await?;
        if member_ids(&group.body).is_some() {
            return Ok(());
        }
        let method = target.methods.get;
        let unsent = |error: ConnectorError| error.with_read_back(ReadBack::NotSent);
        let query = [("attributes", "members")];
        let found = self.get(cx, method, &target.segments(), &query).await.map_err(unsent)?;
        let group: Value = found.read(cx).map_err(unsent)?;
        let ids = group.as_object().and_then(member_ids);
        let odd = match ids {
            Some(ids) if ids.is_empty() => return Ok(()),
            Some(_) => "`members` is absent, and the group has members",
            None if target.announces_members() => return Ok(()),
            None if self.shows_members(cx, target).await.map_err(unsent)? => return Ok(()),
            None => {
                "`members` is absent here and in other groups, so the present members are unknown"
            }
        };
        Err(unsent(cx.invalid_response(method, odd)))
    }

    /// Whether a group of the first page of the list has members.
    async fn shows_members(
        &self,
        cx: &CallContext<'_>,
        target: WriteTarget<'_>,
    ) -> Result<bool, ConnectorError> {
        let [endpoint, _] = target.segments();
        let query = [("count", "100")];
        let page: Value = self.get(cx, "scim.groups.list", &[endpoint], &query).await?.read(cx)?;
        let groups = page.as_object().and_then(|page| member(page, "Resources"));
        let mut groups = elements(groups).into_iter().filter_map(Value::as_object);
        Ok(groups.any(|group| member_ids(group).is_some()))
    }

    /// Sends one PATCH; with the version of the group where the server requires that. Returns the group, where the
    /// response has it.
    async fn patch(
        &self,
        cx: &CallContext<'_>,
        target: WriteTarget<'_>,
        operations: &[Value],
    ) -> Result<Option<Resource>, ConnectorError> {
        let (method, body, path) =
            (target.methods.patch, patch_body(operations), target.segments());
        let error = match self.send(cx, method, Method::PATCH, &path, Some(&body), None).await {
            Ok(response) => return Ok(resource_in(&response)),
            Err(error) => error,
        };
        if rejection(&error) != Some(Rejection::Unconditional) {
            return Err(error);
        }
        let Some(etag) = self.read_current(cx, target).await?.etag else { return Err(error) };
        let sent = self.send(cx, method, Method::PATCH, &path, Some(&body), Some(&etag));
        Ok(resource_in(&sent.await?))
    }
}

/// Returns the operations of each request that adds members.
fn additions(members: &MemberChange, replaces: bool) -> Vec<Vec<Value>> {
    let mut chunks = members.add.chunks(MEMBERS_PER_REQUEST);
    let mut requests = Vec::new();
    if replaces {
        requests.push(vec![replace_operation(chunks.next().unwrap_or_default())]);
    }
    requests.extend(chunks.map(|ids| vec![add_operation(ids)]));
    requests
}

/// Returns the changes of a PUT.
fn replacement_changes(group: &Resource, change: GroupChange<'_>) -> Vec<AttributeChange> {
    let members = change.members(group);
    let name = change
        .name
        .map(|name| AttributeChange::whole(AttributePath::core("displayName"), Some(name.into())));
    let list = (!members.is_empty()).then(|| {
        let value = members_after(group, &members.after);
        AttributeChange::whole(AttributePath::core("members"), Some(value))
    });
    name.into_iter().chain(list).collect()
}

/// Adds that a part of a change was applied, if so.
fn with_progress(error: ConnectorError, is_partly_applied: bool) -> ConnectorError {
    if is_partly_applied { after_a_part(error) } else { error }
}

/// Adds that a part of a change was applied. A read that failed is no evidence that nothing was sent.
fn after_a_part(error: ConnectorError) -> ConnectorError {
    ConnectorError { read_back: None, ..error }.with_fix(PARTLY_CHANGED)
}
