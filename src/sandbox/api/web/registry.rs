//! Registry of the Web API methods by name.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::args::Arg;
use super::method::Method;
use super::{
    admin_conversations, admin_guests, admin_levels, admin_members, admin_roles, admin_sessions,
    admin_team_settings, admin_teams, admin_usergroups, admin_users, auth, conversations, files,
    oauth, team, team_admin, user_profile, usergroups, users,
};

static METHODS: LazyLock<HashMap<&'static str, &'static Method>> = LazyLock::new(|| {
    let families = [
        admin_conversations::METHODS,
        admin_guests::METHODS,
        admin_levels::METHODS,
        admin_members::METHODS,
        admin_roles::METHODS,
        admin_sessions::METHODS,
        admin_team_settings::METHODS,
        admin_teams::METHODS,
        admin_usergroups::METHODS,
        admin_users::METHODS,
        auth::METHODS,
        conversations::METHODS,
        files::METHODS,
        oauth::METHODS,
        team::METHODS,
        team_admin::METHODS,
        user_profile::METHODS,
        usergroups::METHODS,
        users::METHODS,
    ];
    families.into_iter().flatten().map(|method| (method.name, method)).collect()
});

/// Returns name, rate limit, scopes and arguments of all methods.
pub(in crate::sandbox::api) fn list() -> Value {
    let names = |args: &[Arg], required: bool| -> Vec<&'static str> {
        args.iter().filter(|arg| arg.required == required).map(|arg| arg.name).collect()
    };
    let row = |method: &&'static Method| {
        json!({
            "method": method.name,
            "per_minute": method.tier.rate_limit().per_minute,
            "scopes": method.access.scopes(),
            "required": names(method.args, true),
            "optional": names(method.args, false),
        })
    };
    let mut methods: Vec<&'static Method> = METHODS.values().copied().collect();
    methods.sort_by_key(|method| method.name);
    json!({"methods": methods.iter().map(row).collect::<Vec<Value>>()})
}

/// Returns the method with this name.
pub(super) fn find(name: &str) -> Option<&'static Method> {
    METHODS.get(name).copied()
}
