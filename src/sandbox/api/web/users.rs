//! `users.*`: accounts as members of a workspace see them.

use serde_json::{Value, json};

use super::args::{ArgType, optional, required};
use super::error::WebApiError;
use super::method::{Method, MethodAccess, MethodCall, PageSizes, json_body, take_page};
use super::user_object::{UserObjectOptions, external_user_object, user_object};
use crate::sandbox::Tier;
use crate::sandbox::grants::InstallTarget;
use crate::sandbox::org::GridOrganization;

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "users.info",
        tier: Tier::Four,
        access: MethodAccess::Scope("users:read"),
        args: &[required("user", ArgType::Text), optional("include_locale", ArgType::Flag)],
        run: info,
    },
    Method {
        name: "users.lookupByEmail",
        tier: Tier::Three,
        access: MethodAccess::Scope("users:read.email"),
        args: &[required("email", ArgType::Text)],
        run: lookup_by_email,
    },
    Method {
        name: "users.list",
        tier: Tier::Two,
        access: MethodAccess::Scope("users:read"),
        args: &[
            optional("cursor", ArgType::Text),
            optional("include_locale", ArgType::Flag),
            optional("limit", ArgType::Count),
            optional("team_id", ArgType::Text),
        ],
        run: list,
    },
];

/// Without a limit `users.list` returns all users, or an error if there are too many.
const SIZES: PageSizes = PageSizes { default: 10_000, max: 10_000, out_of_range_error: None };

fn info(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let id = call.args.text("user").unwrap_or_default();
    let view = user_object_options(call)?;
    call.sandbox.with_org(|org| {
        let workspace = token_workspace(call, org)?;
        let Some((_, person)) = org.find(&id) else {
            let mut external = org.external_people.iter();
            let person = external.find(|person| person.id == id);
            let person = person.ok_or_else(|| WebApiError::new("user_not_found"))?;
            return json_body(&json!({"ok": true, "user": external_user_object(person)}));
        };
        // A workspace's token sees only the people of its workspace.
        if workspace.is_some_and(|number| person.membership(number).is_none()) {
            return Err(WebApiError::new("user_not_visible"));
        }
        let user = user_object(org, person, UserObjectOptions { workspace, ..view });
        json_body(&json!({"ok": true, "user": user}))
    })
}

fn lookup_by_email(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let email = call.args.text("email").unwrap_or_default();
    let view = UserObjectOptions { email: true, ..user_object_options(call)? };
    call.sandbox.with_org(|org| {
        let workspace = token_workspace(call, org)?;
        let found = org.find_by_email(&email).map(|(_, person)| person);
        let visible = found.filter(|person| {
            person.is_active() && workspace.is_none_or(|number| person.membership(number).is_some())
        });
        let person = visible.ok_or_else(|| WebApiError::new("users_not_found"))?;
        let user = user_object(org, person, UserObjectOptions { workspace, ..view });
        json_body(&json!({"ok": true, "user": user}))
    })
}

fn list(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let window = call.window(SIZES)?;
    let view = user_object_options(call)?;
    call.sandbox.with_org(|org| {
        let number = match (call.args.text("team_id"), token_workspace(call, org)?) {
            (Some(id), _) => {
                org.workspace(&id).ok_or_else(|| WebApiError::new("team_not_found"))?.0
            }
            (None, Some(number)) => number,
            (None, None) => return Err(WebApiError::new("missing_argument")),
        };
        let workspace =
            org.workspaces.get(number).ok_or_else(|| WebApiError::new("team_not_found"))?;
        let unlimited = call.args.count("limit").is_none();
        if unlimited && workspace.members.len() > SIZES.max {
            return Err(WebApiError::new("limit_required"));
        }
        let start = usize::try_from(window.start).unwrap_or(usize::MAX);
        let members = workspace.members.range(start..).filter_map(|index| {
            Some((u64::try_from(*index).unwrap_or(u64::MAX), org.person(*index)?))
        });
        let (found, next) = take_page(members, window.limit);
        let view = UserObjectOptions { workspace: Some(number), ..view };
        let members: Vec<Value> =
            found.into_iter().map(|person| user_object(org, person, view)).collect();
        json_body(&json!({
            "ok": true,
            "members": members,
            "cache_ts": call.sandbox.now().unix_timestamp(),
            "response_metadata": {"next_cursor": call.next_cursor(next)},
        }))
    })
}

/// Returns the user object options that the token's scopes permit.
fn user_object_options(call: &MethodCall<'_>) -> Result<UserObjectOptions, WebApiError> {
    let scopes = &call.caller?.scopes;
    Ok(UserObjectOptions {
        workspace: None,
        email: scopes.iter().any(|scope| scope == "users:read.email"),
        locale: call.args.flag("include_locale").unwrap_or(false),
    })
}

/// Returns the workspace of the token; `None` for a token of the organization.
fn token_workspace(
    call: &MethodCall<'_>,
    org: &GridOrganization,
) -> Result<Option<usize>, WebApiError> {
    match &call.caller?.install {
        InstallTarget::Org => Ok(None),
        InstallTarget::Workspace(id) => {
            let found = org.workspace(id).ok_or_else(|| WebApiError::new("team_not_found"))?;
            Ok(Some(found.0))
        }
    }
}
