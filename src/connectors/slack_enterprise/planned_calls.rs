//! The calls that planned operations take, by Slack's methods.

use http::Method;
use serde_json::Value;

use super::{SlackConnector, roles};
use crate::connectors::{PlannedCall, PlannedWork};
use crate::domain::policy::DirectoryOperation;
use crate::domain::reconciliation::{CreateOperation, PlanOperation};
use crate::domain::role::level_family;

impl SlackConnector {
    /// Returns the calls of a piece of work.
    pub(super) fn calls_of(&self, work: &PlannedWork<'_>) -> Vec<PlannedCall> {
        match work {
            PlannedWork::ReadProfile => vec![self.scim_calls(&Method::GET, "Users/U", 1)],
            PlannedWork::ReadUser => vec![self.web_calls("users.info", 1)],
            PlannedWork::ReadRoles(workspaces) => vec![
                self.web_calls("users.info", 1),
                self.web_calls("admin.roles.listAssignments", 1),
                self.web_calls("admin.teams.list", (*workspaces).min(1)),
                self.web_calls("admin.teams.owners.list", *workspaces),
                self.web_calls("admin.teams.admins.list", *workspaces),
            ],
            PlannedWork::ReadGroup => vec![self.scim_calls(&Method::GET, "Groups/S", 1)],
            PlannedWork::Operation(PlanOperation::Create(operation)) => match operation {
                // Whether there is one is looked up before, and it is read twice afterwards.
                CreateOperation::Workspace { .. } => {
                    let mut calls = vec![
                        self.web_calls("admin.teams.create", 1),
                        self.web_calls("admin.teams.list", 1),
                    ];
                    calls.extend(self.workspace_reads(2));
                    calls
                }
                CreateOperation::User { user } => self.creation(user),
            },
            PlannedWork::Operation(PlanOperation::Change(operation)) => self.change(operation),
        }
    }

    fn creation(&self, user: &serde_json::Map<String, Value>) -> Vec<PlannedCall> {
        let count = |name: &str| {
            let list = user.get(name).and_then(Value::as_array);
            u32::try_from(list.map_or(0, Vec::len)).unwrap_or(u32::MAX)
        };
        let mut calls = vec![
            self.scim_calls(&Method::POST, "Users", 1),
            self.web_calls("admin.users.assign", count("workspaces")),
            self.web_calls("admin.roles.listAssignments", 1),
        ];
        calls.extend(self.calls_of(&PlannedWork::ReadRoles(count("workspaces"))));
        let roles = user.get("roles").and_then(Value::as_array).into_iter().flatten();
        for role in roles.filter_map(|role| role.get("id")?.as_str()) {
            calls.extend(self.grant(role));
        }
        calls
    }

    fn change(&self, operation: &DirectoryOperation) -> Vec<PlannedCall> {
        match operation {
            DirectoryOperation::UpdateUser { .. } | DirectoryOperation::ExpireUser { .. } => {
                vec![self.scim_calls(&Method::PATCH, "Users/U", 1)]
            }
            DirectoryOperation::GrantRole { role_id, .. } => self.grant(role_id),
            DirectoryOperation::RevokeRole { role_id, .. } if level_family(role_id).is_some() => {
                self.level_change(role_id, "admin.users.setRegular")
            }
            DirectoryOperation::RevokeRole { .. } => vec![
                self.web_calls("admin.roles.listAssignments", 1),
                self.web_calls("admin.roles.removeAssignments", 1),
            ],
            DirectoryOperation::AddWorkspaceMember { .. } => {
                vec![self.web_calls("admin.users.assign", 1)]
            }
            DirectoryOperation::RemoveWorkspaceMember { .. } => {
                vec![self.web_calls("admin.users.remove", 1)]
            }
            DirectoryOperation::AddGroupMember { .. }
            | DirectoryOperation::RemoveGroupMember { .. } => {
                vec![self.scim_calls(&Method::PATCH, "Groups/S", 1)]
            }
            DirectoryOperation::DeactivateUser { .. } => vec![
                self.scim_calls(&Method::GET, "Users/U", 1),
                self.scim_calls(&Method::DELETE, "Users/U", 1),
            ],
        }
    }

    fn grant(&self, role_id: &str) -> Vec<PlannedCall> {
        if roles::is_provider_id(role_id) {
            return vec![
                self.web_calls("admin.roles.listAssignments", 1),
                self.web_calls("admin.roles.addAssignments", 1),
            ];
        }
        let method = match role_id.split_once(':') {
            Some((_, "admin")) => "admin.users.setAdmin",
            Some((_, "owner")) => "admin.users.setOwner",
            _ => "admin.users.setRegular",
        };
        self.level_change(role_id, method)
    }

    /// Returns the calls of a change of a level. That of a workspace reads the present one before, and the workspace with
    /// its owners and admins afterwards.
    fn level_change(&self, role_id: &str, method: &str) -> Vec<PlannedCall> {
        let mut calls = vec![self.web_calls("users.info", 1), self.web_calls(method, 1)];
        if level_family(role_id) == Some("ws") {
            calls.extend([
                self.web_calls("admin.teams.list", 1),
                self.web_calls("admin.teams.owners.list", 1),
                self.web_calls("admin.teams.admins.list", 1),
            ]);
            calls.extend(self.workspace_reads(1));
        }
        calls
    }

    /// Returns the calls of reads of a workspace.
    fn workspace_reads(&self, count: u32) -> [PlannedCall; 4] {
        let methods = [
            "admin.teams.list",
            "admin.teams.settings.info",
            "admin.teams.owners.list",
            "admin.teams.admins.list",
        ];
        methods.map(|method| self.web_calls(method, count))
    }

    fn web_calls(&self, method: &str, count: u32) -> PlannedCall {
        let (_, (buckets, _)) = self.methods.web(method);
        PlannedCall { buckets, count }
    }

    fn scim_calls(&self, http: &Method, path: &str, count: u32) -> PlannedCall {
        let (buckets, _) = self.methods.scim(http, path);
        PlannedCall { buckets, count }
    }
}
