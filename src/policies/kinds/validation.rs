//! Checks and parts that the parameters of several kinds share.

use std::collections::HashSet;

use serde::Deserialize;
use utoipa::ToSchema;

use super::{Reference, ReferenceKind};
use crate::domain::patch::ValidationError;
use crate::domain::policy::{Condition, Person};
use crate::domain::sync::SyncResource;
use crate::domain::user::UserType;

/// The maximum number of elements of a list.
const MAX_ELEMENTS: usize = 100;

/// Returns an error unless a list has 1 to 100 elements.
pub(super) fn not_empty<T>(pointer: &str, list: &[T]) -> Vec<ValidationError> {
    let is_valid = (1..=MAX_ELEMENTS).contains(&list.len());
    let error = || ValidationError::at(pointer, format!("must have 1 to {MAX_ELEMENTS} elements"));
    (!is_valid).then(error).into_iter().collect()
}

/// Returns an error if a list is given without 1 to 100 elements.
pub(super) fn not_empty_if_given<T>(pointer: &str, list: Option<&[T]>) -> Vec<ValidationError> {
    list.map(|list| not_empty(pointer, list)).unwrap_or_default()
}

/// Returns an error unless a number is in a range.
pub(super) fn within(pointer: &str, number: u32, least: u32, most: u32) -> Vec<ValidationError> {
    let is_valid = (least..=most).contains(&number);
    let error = || ValidationError::at(pointer, format!("must be between {least} and {most}"));
    (!is_valid).then(error).into_iter().collect()
}

/// A list of ids and its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pointed<'a> {
    pointer: &'a str,
    ids: &'a [String],
}

impl<'a> Pointed<'a> {
    pub(super) fn new(pointer: &'a str, ids: &'a [String]) -> Self {
        Self { pointer, ids }
    }

    pub(super) fn references(&self, kind: ReferenceKind) -> Vec<Reference> {
        let ids = self.ids.iter().enumerate();
        ids.map(|(index, id)| Reference {
            kind,
            id: id.clone(),
            pointer: format!("{}/{index}", self.pointer),
        })
        .collect()
    }
}

/// The people whom a rule applies to: those who can sign in, without bots.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Population {
    /// Only holders of these roles; absent: everybody.
    #[schema(min_items = 1, max_items = 100)]
    role_ids: Option<Vec<String>>,
    /// Only these kinds of members; absent: all but bots.
    #[schema(min_items = 1)]
    user_types: Option<Vec<UserType>>,
}

impl Population {
    pub(super) fn validate(&self) -> Vec<ValidationError> {
        let mut errors = not_empty_if_given("/role_ids", self.role_ids.as_deref());
        errors.extend(not_empty_if_given("/user_types", self.user_types.as_deref()));
        errors
    }

    pub(super) fn resources(&self) -> &'static [SyncResource] {
        if self.role_ids.is_some() { &[SyncResource::RoleAssignments] } else { &[] }
    }

    pub(super) fn references(&self) -> Vec<Reference> {
        let ids = self.role_ids.as_deref().unwrap_or_default();
        Pointed::new("/role_ids", ids).references(ReferenceKind::Role)
    }

    pub(super) fn includes(&self, person: &Person) -> bool {
        let is_holder = self.role_ids.as_ref().is_none_or(|ids| {
            let ids: HashSet<&str> = ids.iter().map(String::as_str).collect();
            person.roles.iter().any(|role| ids.contains(role.role_id.as_str()))
        });
        let is_type = match &self.user_types {
            Some(types) => types.contains(&person.profile.user_type),
            None => !person.is_bot(),
        };
        person.can_sign_in() && is_holder && is_type
    }
}

/// Returns the resources, besides users, that a condition looks at.
pub(super) fn resources_of(condition: &Condition) -> &'static [SyncResource] {
    match (condition.names_field("roles"), condition.names_field("groups")) {
        (true, true) => &[SyncResource::RoleAssignments, SyncResource::Groups],
        (true, false) => &[SyncResource::RoleAssignments],
        (false, true) => &[SyncResource::Groups],
        (false, false) => &[],
    }
}
