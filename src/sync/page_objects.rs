//! The objects of a page, created in parts.

use std::iter::Peekable;

use crate::domain::copied_object::CopiedObject;
use crate::domain::group::Group;
use crate::domain::sync::CopyKind;

/// Maximum number of objects in a part: a page of groups may have hundreds of thousands of members, which are neither
/// held in memory as objects nor written in one transaction.
const MAX_PART_OBJECTS: usize = 5_000;

/// Objects of each kind, in the order of their events.
pub(super) type ObjectsByKind = Vec<(CopyKind, Vec<CopiedObject>)>;

/// The objects of a page: each kind before those that refer to it.
pub(super) struct PageObjects {
    rest: Peekable<Objects>,
}

type Objects = Box<dyn Iterator<Item = CopiedObject> + Send + Sync>;

impl Default for PageObjects {
    fn default() -> Self {
        Self::of(std::iter::empty())
    }
}

impl PageObjects {
    /// Returns objects that were created.
    pub(super) fn ready(objects: ObjectsByKind) -> Self {
        Self::of(objects.into_iter().flat_map(|(_, objects)| objects))
    }

    /// Returns groups and their members, which are created when they are taken.
    pub(super) fn groups(groups: impl IntoIterator<Item = Group>) -> Self {
        let groups: Vec<Group> = groups.into_iter().collect();
        let objects: Vec<CopiedObject> = groups.iter().map(CopiedObject::group).collect();
        let members = groups.into_iter().flat_map(|Group { id, members, .. }| {
            members.into_iter().map(move |member| CopiedObject::group_member(&id, &member))
        });
        Self::of(objects.into_iter().chain(members))
    }

    fn of(objects: impl Iterator<Item = CopiedObject> + Send + Sync + 'static) -> Self {
        let objects: Objects = Box::new(objects);
        Self { rest: objects.peekable() }
    }

    /// Takes the next part. The last part is the one after which nothing is left.
    pub(super) fn take_part(&mut self) -> ObjectsByKind {
        by_kind(self.rest.by_ref().take(MAX_PART_OBJECTS))
    }

    /// Whether everything was taken.
    pub(super) fn is_empty(&mut self) -> bool {
        self.rest.peek().is_none()
    }

    /// Takes everything.
    pub(super) fn take_all(self) -> ObjectsByKind {
        by_kind(self.rest)
    }
}

fn by_kind(objects: impl Iterator<Item = CopiedObject>) -> ObjectsByKind {
    let mut kinds = ObjectsByKind::new();
    for object in objects {
        match kinds.last_mut() {
            Some((kind, objects)) if *kind == object.kind => objects.push(object),
            Some(_) | None => kinds.push((object.kind, vec![object])),
        }
    }
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::user::ResourceRef;

    fn group(id: &str, members: usize) -> Group {
        let member = |number| ResourceRef { id: format!("U{number}"), name: None };
        Group {
            id: id.to_owned(),
            name: id.to_owned(),
            description: None,
            member_count: None,
            members: (0..members).map(member).collect(),
            workspaces: None,
            created_at: None,
        }
    }

    #[test]
    fn a_large_group_is_taken_in_parts_and_groups_come_first() {
        let mut objects = PageObjects::groups([group("G1", MAX_PART_OBJECTS), group("G2", 3)]);
        let parts: Vec<Vec<(CopyKind, usize)>> = std::iter::from_fn(|| {
            let part = (!objects.is_empty()).then(|| objects.take_part())?;
            Some(part.into_iter().map(|(kind, objects)| (kind, objects.len())).collect())
        })
        .collect();
        let first = vec![(CopyKind::Group, 2), (CopyKind::GroupMember, MAX_PART_OBJECTS - 2)];
        assert_eq!(parts, [first, vec![(CopyKind::GroupMember, 5)]]);
    }

    #[test]
    fn nothing_is_one_empty_part() {
        let mut objects = PageObjects::default();
        assert_eq!(objects.take_part(), []);
        assert!(objects.is_empty());
    }
}
