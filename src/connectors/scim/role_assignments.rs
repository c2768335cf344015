//! Reads role assignments: the roles that are attributes of users, then the members of groups that are roles. A page of
//! users or groups may have more assignments than a page of them: then it is read again for the rest. If it has fewer,
//! the following ones are read, up to ten calls for one page.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::ScimConnector;
use super::features::{RoleSource, ScimFeatures, ScimSettings};
use super::held_roles::{HeldRole, assignment, attribute_roles, group_roles};
use super::map::{group_name, people};
use super::memberships::AccountOptions;
use super::pages::ScimRecord;
use super::position::Position;
use super::role_id::parse_role_id;
use super::roles::{check_sources, has_attribute_roles};
use super::users::GET_USER;
use super::wire::{GroupResource, UserResource};
use crate::connectors::page_token::{decode, encode};
use crate::connectors::response::reject_reserved;
use crate::connectors::{
    CallContext, ConnectorError, ListRequest, PageToken, ReadResource, Unified,
};
use crate::domain::assignment::{RoleAssignment, split_assignment_id};
use crate::domain::filter::{AssignmentFilter, Filter as _, GroupFilter};
use crate::domain::page::Page;

/// The name of the list, for errors.
const ASSIGNMENTS: &str = "role-assignments";

/// Calls for one page.
const MAX_CALLS: usize = 10;

type Assignments = Vec<Unified<RoleAssignment>>;

/// What is read for assignments.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Place {
    /// A page of users.
    Users(Position),
    /// A page of groups.
    Groups(Position),
    /// One of the groups that are named.
    Group(usize),
    /// One user.
    User,
}

/// The start of a page.
#[derive(Debug, Serialize, Deserialize)]
struct AssignmentPosition {
    #[serde(rename = "in")]
    place: Place,
    /// The number of users that were requested there: the same are requested again for the rest.
    #[serde(rename = "n")]
    users: Option<u16>,
    /// The assignments that were returned before.
    #[serde(rename = "k")]
    skip: usize,
}

impl AssignmentPosition {
    fn start(place: Place) -> Self {
        Self { place, users: None, skip: 0 }
    }
}

/// The assignments of one place, and the next place.
struct Batch {
    assignments: Assignments,
    next: Option<Place>,
}

/// What assignments are listed for.
#[derive(Clone, Copy)]
struct Query<'a> {
    features: &'a ScimFeatures,
    settings: &'a ScimSettings,
    filter: &'a AssignmentFilter,
    /// The role of the filter.
    role: Option<(RoleSource, &'a str)>,
}

impl<'a> Query<'a> {
    /// Whether roles of a source can match.
    fn includes(&self, source: RoleSource) -> bool {
        self.settings.roles_from.contains(&source)
            && self.role.is_none_or(|(wanted, _)| wanted == source)
    }

    /// Returns the first place.
    fn first_place(&self) -> Option<Place> {
        if self.filter.user_id.is_some() {
            return Some(Place::User);
        }
        let has_values =
            self.includes(RoleSource::Roles) || self.includes(RoleSource::Entitlements);
        if has_values { Some(Place::Users(Position::default())) } else { self.first_group() }
    }

    /// Returns the first place of groups.
    fn first_group(&self) -> Option<Place> {
        if !self.includes(RoleSource::Groups) || self.features.group.is_none() {
            return None;
        }
        let is_named = self.group_ids().is_some();
        Some(if is_named { Place::Group(0) } else { Place::Groups(Position::default()) })
    }

    /// Returns the ids of the groups, if all of them are named.
    fn group_ids(&self) -> Option<Vec<&'a str>> {
        if let Some((RoleSource::Groups, id)) = self.role {
            return Some(vec![id]);
        }
        let ids = &self.settings.role_group_ids;
        let is_listed = self.settings.role_group_prefix.is_none() && !ids.is_empty();
        is_listed.then(|| ids.iter().map(String::as_str).collect())
    }

    fn options(&self) -> AccountOptions<'a> {
        (self.features, self.settings)
    }
}

#[async_trait]
impl ReadResource<RoleAssignment> for ScimConnector {
    async fn list(
        &self,
        cx: &CallContext<'_>,
        request: ListRequest<'_, RoleAssignment>,
    ) -> Result<Page<Unified<RoleAssignment>, PageToken>, ConnectorError> {
        let ListRequest { page, filter, remote_query, .. } = request;
        let (features, settings) = (ScimFeatures::of(cx.account), ScimSettings::of(cx.account));
        check_sources(cx, &settings)?;
        // No list is called that takes arguments.
        reject_reserved(cx, ASSIGNMENTS, remote_query, &remote_query.names().collect::<Vec<_>>())?;
        let at: Option<AssignmentPosition> = decode(cx, ASSIGNMENTS, page.token.as_ref())?;
        let role = filter.role_id.as_deref().map(parse_role_id);
        if filter.workspace_id.is_some() || role == Some(None) {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let query =
            Query { features: &features, settings: &settings, filter, role: role.flatten() };
        let first = || query.first_place().map(AssignmentPosition::start);
        let (mut items, mut next) = (Vec::new(), at.or_else(first));
        for _ in 0..MAX_CALLS {
            let free = usize::from(page.limit).saturating_sub(items.len());
            let Some(at) = next.take_if(|_| free > 0) else { break };
            let users = at.users.unwrap_or(page.limit);
            let batch = self.assignments_in(cx, query, &at.place, users).await?;
            let (assignments, rest) = part_of(batch, at, users, free);
            items.extend(assignments);
            next = rest;
        }
        Ok(Page { items, next: next.map(|next| encode(&next)) })
    }

    async fn get(
        &self,
        cx: &CallContext<'_>,
        id: &str,
    ) -> Result<Option<Unified<RoleAssignment>>, ConnectorError> {
        let (features, settings) = (ScimFeatures::of(cx.account), ScimSettings::of(cx.account));
        check_sources(cx, &settings)?;
        let Some([role_id, user_id, place_id]) = split_assignment_id(id) else { return Ok(None) };
        let role = parse_role_id(&role_id);
        let Some(role) = role.filter(|_| *place_id == *cx.account.organization.id) else {
            return Ok(None);
        };
        let filter = AssignmentFilter { user_id: Some(user_id), ..AssignmentFilter::default() };
        let query =
            Query { features: &features, settings: &settings, filter: &filter, role: Some(role) };
        let held = self.assignments_of_user(cx, query).await?;
        Ok(held.into_iter().find(|held| held.resource.id == id))
    }
}

/// Returns at most `limit` assignments of a place, and where the others begin.
fn part_of(
    batch: Batch,
    at: AssignmentPosition,
    users: u16,
    limit: usize,
) -> (Assignments, Option<AssignmentPosition>) {
    let Batch { mut assignments, next } = batch;
    let end = at.skip.saturating_add(limit);
    let next = if end < assignments.len() {
        Some(AssignmentPosition { users: Some(users), skip: end, ..at })
    } else {
        next.map(AssignmentPosition::start)
    };
    assignments.truncate(end);
    (assignments.split_off(at.skip.min(assignments.len())), next)
}

impl ScimConnector {
    /// Reads the assignments of a place.
    async fn assignments_in(
        &self,
        cx: &CallContext<'_>,
        query: Query<'_>,
        place: &Place,
        users: u16,
    ) -> Result<Batch, ConnectorError> {
        let organization = &cx.account.organization.id;
        match place {
            Place::User => {
                let assignments = self.assignments_of_user(cx, query).await?;
                Ok(Batch { assignments, next: None })
            }
            Place::Users(at) => {
                let role = query.role;
                let page = self.role_holders(cx, query.features, (at.clone(), users), role).await?;
                let next = page.next.map(Place::Users).or_else(|| query.first_group());
                let assignments =
                    page.rows.iter().flat_map(|user| of_values(user, query, organization));
                Ok(Batch { assignments: assignments.collect(), next })
            }
            Place::Groups(at) => {
                let none = GroupFilter::default();
                let page = self.group_page(cx, query.features, &none, at.clone()).await?;
                let next = page.next.map(Place::Groups);
                let assignments =
                    page.rows.iter().flat_map(|group| of_members(group, query, organization));
                Ok(Batch { assignments: assignments.collect(), next })
            }
            Place::Group(index) => {
                let ids = query.group_ids().unwrap_or_default();
                let Some(id) = ids.get(*index) else {
                    return Ok(Batch { assignments: Vec::new(), next: None });
                };
                let group = self.read_group(cx, query.features, id).await?;
                let assignments = group.map(|group| of_members(&group, query, organization));
                let next = (index + 1 < ids.len()).then_some(Place::Group(index + 1));
                Ok(Batch { assignments: assignments.unwrap_or_default(), next })
            }
        }
    }

    /// Reads all assignments of the user of the filter, ordered by id.
    async fn assignments_of_user(
        &self,
        cx: &CallContext<'_>,
        query: Query<'_>,
    ) -> Result<Assignments, ConnectorError> {
        let organization = &cx.account.organization.id;
        let user_id = query.filter.user_id.as_deref().unwrap_or_default();
        let mut all = Vec::new();
        let has_values = has_attribute_roles(query.settings)
            && query.role.is_none_or(|(source, _)| source != RoleSource::Groups);
        if has_values {
            let endpoint = &query.features.user.endpoint;
            let user = self.read_resource(cx, GET_USER, endpoint, user_id).await?;
            all.extend(user.iter().flat_map(|user| of_values(user, query, organization)));
        }
        if let (true, Some((_, id))) = (query.includes(RoleSource::Groups), query.role) {
            let group = self.read_group(cx, query.features, id).await?;
            let held = group.iter().flat_map(|group| of_members(group, query, organization));
            all.extend(held.filter(|held| held.resource.user_id == user_id));
        } else if query.includes(RoleSource::Groups) && query.features.group.is_some() {
            let memberships = self.memberships(cx, query.options(), Some(user_id)).await?;
            let held = group_roles(memberships.of(user_id), query.settings).into_iter();
            let held = held.map(|role| assignment(role, user_id, organization));
            all.extend(held.map(|held| Unified::new(held, None)));
        }
        all.retain(|held| query.filter.matches(&held.resource));
        all.sort_by(|one, other| one.resource.id.cmp(&other.resource.id));
        Ok(all)
    }
}

/// Returns the assignments of the roles that are attributes of a user.
fn of_values(
    (user, remote): &ScimRecord<UserResource>,
    query: Query<'_>,
    organization: &str,
) -> Assignments {
    let roles = attribute_roles(user, query.settings).into_iter();
    let held = roles.map(|role| assignment(role, &user.id, organization));
    let held = held.filter(|held| query.filter.matches(held));
    held.map(|held| Unified::new(held, remote.clone())).collect()
}

/// Returns the assignments of the members of a group that is a role.
fn of_members(
    (group, remote): &ScimRecord<GroupResource>,
    query: Query<'_>,
    organization: &str,
) -> Assignments {
    let name = group_name(&group.id, group.display_name.clone());
    if !query.settings.is_role_group(&group.id, &name) {
        return Vec::new();
    }
    let mut seen = std::collections::HashSet::new();
    let members = people(&group.members).filter(|id| seen.insert(*id));
    let role = HeldRole::of_group(&group.id, Some(name));
    let held = members.map(|id| assignment(role.clone(), id, organization));
    let held = held.filter(|held| query.filter.matches(held));
    held.map(|held| Unified::new(held, remote.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(count: usize) -> Batch {
        let role = || HeldRole::of_group("g", None);
        let one = |number: usize| assignment(role(), &number.to_string(), "o");
        let assignments = (0..count).map(|number| Unified::new(one(number), None)).collect();
        Batch { assignments, next: Some(Place::Group(1)) }
    }

    #[test]
    fn a_part_has_at_most_its_limit_and_the_next_one_the_rest() {
        let (mut next, mut parts) = (Some(AssignmentPosition::start(Place::Group(0))), Vec::new());
        while let Some(at) = next.take_if(|at| matches!(at.place, Place::Group(0))) {
            let (assignments, rest) = part_of(batch(7), at, 3, 3);
            parts.push(assignments.len());
            next = rest;
        }
        assert_eq!(parts, [3, 3, 1]);
    }
}
