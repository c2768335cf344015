//! The names of people and workspaces of the copy, and of the roles that they hold, for pages that have ids only.

use std::collections::BTreeMap;

use serde_json::Value;

use super::json::Fields as _;
use super::view::{PageError, View};
use crate::domain::sync::CopyKind;
use crate::store::HeldRole;

/// Names by id.
#[derive(Debug, Default)]
pub(in crate::http) struct Names(BTreeMap<String, String>);

impl Names {
    /// Returns the names of objects of the selected account.
    pub(in crate::http) async fn of(
        view: &View,
        kind: CopyKind,
        ids: &[&str],
    ) -> Result<Self, PageError> {
        if ids.is_empty() {
            return Ok(Self::default());
        }
        let account = view.selected()?;
        let rows = view.db.names_of_objects(account.id, kind, ids).await?;
        Ok(Self(rows.into_iter().collect()))
    }

    /// Returns the names of the objects of the selected account that a field of these bodies has the ids of.
    pub(in crate::http) async fn in_field(
        view: &View,
        (kind, field): (CopyKind, &str),
        bodies: &[&Value],
    ) -> Result<Self, PageError> {
        let ids: Vec<&str> = bodies.iter().filter_map(|body| body.some(field)).collect();
        Self::of(view, kind, &ids).await
    }

    /// Returns the name of an id; the id itself if it is unknown.
    pub(in crate::http) fn get<'n>(&'n self, id: &'n str) -> &'n str {
        self.0.get(id).map_or(id, String::as_str)
    }

    /// Returns ids and names, for a selection.
    pub(in crate::http) fn options(&self) -> Vec<(String, String)> {
        let mut all: Vec<_> = self.0.iter().map(|(id, name)| (id.clone(), name.clone())).collect();
        all.sort_by(|(_, one), (_, other)| one.cmp(other));
        all
    }

    /// Returns the names of all workspaces of the selected account, up to a thousand.
    pub(in crate::http) async fn workspaces(view: &View) -> Result<Self, PageError> {
        let account = view.selected()?;
        let rows = view.db.workspace_names(account.id).await?;
        Ok(Self(rows.into_iter().collect()))
    }
}

/// The roles that people of the copy hold.
#[derive(Debug)]
pub(in crate::http) struct HeldRoles(pub(in crate::http) Vec<HeldRole>);

impl HeldRoles {
    /// Returns the roles that anybody of the selected account holds.
    pub(in crate::http) async fn of(view: &View) -> Result<Self, PageError> {
        Ok(Self(view.db.held_roles(view.selected()?.id).await?))
    }

    /// Whether a role is privileged.
    pub(in crate::http) fn is_privileged(&self, role_id: &str) -> bool {
        self.0.iter().any(|role| role.is_privileged && role.role_id == role_id)
    }

    /// Returns the ids of the privileged roles.
    pub(in crate::http) fn privileged(&self) -> Vec<&str> {
        let some = self.0.iter().filter(|role| role.is_privileged);
        some.map(|role| role.role_id.as_str()).collect()
    }

    /// Returns the name of a role.
    pub(in crate::http) fn name<'n>(&'n self, role_id: &'n str) -> &'n str {
        let found = self.0.iter().find(|role| role.role_id == role_id);
        found.map_or(role_id, |role| role.role_name.as_str())
    }

    /// Returns ids and names, privileged roles first.
    pub(in crate::http) fn options(&self) -> Vec<(String, String)> {
        let mut roles: Vec<&HeldRole> = self.0.iter().collect();
        roles.sort_by_key(|role| (!role.is_privileged, &role.role_name, &role.role_id));
        roles.into_iter().map(|role| (role.role_id.clone(), role.role_name.clone())).collect()
    }
}
