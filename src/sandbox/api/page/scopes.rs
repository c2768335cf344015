//! Descriptions of OAuth scopes.

/// Whether a scope permits changes; otherwise it is read-only.
pub(super) fn is_write_scope(scope: &str) -> bool {
    let (_, power) = scope.split_once(':').unwrap_or((scope, "write"));
    power.starts_with("write") || power.starts_with("manage")
}

/// Returns a description of a scope.
pub(super) fn description(scope: &str) -> &'static str {
    match scope {
        "admin" => "Provision people and groups of the whole organization (SCIM)",
        "admin.conversations:read" => {
            "See the channels of the whole organization and their settings"
        }
        "admin.conversations:write" => "Change the channels of the whole organization",
        "admin.roles:read" => "See who holds which administrative role",
        "admin.roles:write" => "Assign and remove administrative roles",
        "admin.teams:read" => "See all workspaces, their settings, owners and admins",
        "admin.teams:write" => "Create workspaces and change their settings",
        "admin.usergroups:read" => "See which channels belong to groups of the identity provider",
        "admin.usergroups:write" => "Change which channels and workspaces belong to such groups",
        "admin.users:read" => "See all users of the organization, with level and sign-in data",
        "admin.users:write" => "Invite, assign, promote, demote and remove people",
        "auditlogs:read" => "Read the organization's audit log",
        "channels:manage" | "channels:write" => "Create and change public channels",
        "channels:read" => "See public channels and who is in them",
        "chat:write" => "Send messages",
        "files:read" => "See files",
        "files:write" => "Upload and delete files",
        "groups:read" => "See the private channels you are in",
        "groups:write" => "Create and change private channels",
        "im:read" => "See who you have direct messages with",
        "mpim:read" => "See who you have group messages with",
        "team.preferences:read" => "See the preferences of workspaces",
        "team:read" => "See the name and the address of workspaces",
        "usergroups:read" => "See user groups and who is in them",
        "usergroups:write" => "Create and change user groups",
        "users.profile:read" => "See the details of people's profiles",
        "users.profile:write" => "Change your profile",
        "users:read" => "See people and their profiles",
        "users:read.email" => "See people's e-mail addresses",
        "users:write" => "Set your presence",
        _ => "Use the methods of this scope",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separates_read_from_write_scopes() {
        for scope in ["admin", "admin.users:write", "channels:manage", "chat:write.public"] {
            assert!(is_write_scope(scope), "{scope}");
        }
        for scope in ["admin.users:read", "users:read.email", "auditlogs:read"] {
            assert!(!is_write_scope(scope), "{scope}");
        }
    }
}
