//! Tests of the generator: determinism and consistency at every size.

use std::collections::HashSet;

use super::super::org::{OrgLevel, PersonStatus, WorkspaceLevel};
use super::{REFERENCE_DATE, organization};

#[test]
fn same_seed_gives_same_organization() {
    let (one, two) = (organization(7, 120, 4), organization(7, 120, 4));
    assert_eq!(one.people(), two.people());
    assert_eq!(one.workspaces, two.workspaces);
    assert_eq!(one.groups, two.groups);
    let rows = |org: &super::GridOrganization| {
        org.roles.rows().map(|(_, row)| row.clone()).collect::<Vec<_>>()
    };
    assert_eq!(rows(&one), rows(&two));
    assert_ne!(one.people(), organization(8, 120, 4).people());
}

#[test]
fn organization_is_consistent_at_every_size() {
    for users in [1, 2, 3, 4, 5, 8, 10, 50, 200, 1_000] {
        let org = organization(1, users, 5);
        assert_eq!(org.people().len(), users);
        let ids: HashSet<&str> = org.people().iter().map(|one| one.id.as_str()).collect();
        let handles: HashSet<&str> = org.people().iter().map(|one| one.username.as_str()).collect();
        assert_eq!((ids.len(), handles.len()), (users, users));
        let owners = org.people().iter().filter(|one| one.org_level == OrgLevel::PrimaryOwner);
        assert_eq!(owners.count(), 1);
        for (number, workspace) in org.workspaces.iter().enumerate() {
            let first = |index: &&usize| {
                let membership = org.person(**index).and_then(|one| one.membership(number));
                membership.is_some_and(|one| one.level == WorkspaceLevel::PrimaryOwner)
            };
            let primary: Vec<&usize> = workspace.members.iter().filter(first).collect();
            assert_eq!(primary, [&workspace.primary_owner], "{users} users, {}", workspace.name);
        }
        for person in org.people() {
            assert!(person.username.len() <= 21, "{}", person.username);
            assert!(person.created <= REFERENCE_DATE && person.updated <= REFERENCE_DATE);
            assert!(person.deactivated_at() <= REFERENCE_DATE);
        }
    }
}

#[test]
fn two_hundred_people_cover_every_kind_of_data() {
    let org = organization(1, 200, 5);
    let count = |of: fn(&super::super::org::Person) -> bool| {
        org.people().iter().filter(|one| of(one)).count()
    };
    assert_eq!(count(super::super::org::Person::is_bot), 4);
    assert_eq!(count(|one| !one.is_active()), 16);
    assert_eq!(count(|one| one.status == PersonStatus::Invited), 6);
    assert!(count(|one| one.guest_level() == Some(WorkspaceLevel::MultiChannelGuest)) >= 12);
    assert_eq!(count(|one| one.guest_level() == Some(WorkspaceLevel::SingleChannelGuest)), 6);
    assert!(count(|one| one.memberships.is_empty()) > 0);
    assert!(org.roles.len() > 10);
    assert!(org.groups.iter().any(|(_, group)| group.members.len() > 100));
}
