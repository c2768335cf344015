//! `users.*`: accounts as everybody in a workspace sees them.

use serde_json::{Value, json};

use super::args::{Form, optional, required};
use super::method::{Access, Call, Method, Sizes, json_body, page};
use super::refusal::Refusal;
use super::user_object::{View, user_object};
use crate::sandbox::Tier;
use crate::sandbox::grants::Install;
use crate::sandbox::org::Organization;

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "users.info",
        tier: Tier::Four,
        access: Access::Scope("users:read"),
        args: &[required("user", Form::Text), optional("include_locale", Form::Flag)],
        run: info,
    },
    Method {
        name: "users.lookupByEmail",
        tier: Tier::Three,
        access: Access::Scope("users:read.email"),
        args: &[required("email", Form::Text)],
        run: lookup_by_email,
    },
    Method {
        name: "users.list",
        tier: Tier::Two,
        access: Access::Scope("users:read"),
        args: &[
            optional("cursor", Form::Text),
            optional("include_locale", Form::Flag),
            optional("limit", Form::Count),
            optional("team_id", Form::Text),
        ],
        run: list,
    },
];

/// Without a limit `users.list` tries to give everybody, and refuses when that is too many.
const SIZES: Sizes = Sizes { default: 10_000, most: 10_000, refuse: None };

fn info(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let id = call.args.text("user").unwrap_or_default();
    let view = view(call)?;
    call.sandbox.with_org(|org| {
        let workspace = home(call, org)?;
        let (_, person) = org.find(&id).ok_or_else(|| Refusal::new("user_not_found"))?;
        // A workspace's token sees the people of its workspace and no others.
        if workspace.is_some_and(|number| person.membership(number).is_none()) {
            return Err(Refusal::new("user_not_visible"));
        }
        let user = user_object(org, person, View { workspace, ..view });
        json_body(&json!({"ok": true, "user": user}))
    })
}

fn lookup_by_email(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let email = call.args.text("email").unwrap_or_default();
    let view = View { email: true, ..view(call)? };
    call.sandbox.with_org(|org| {
        let workspace = home(call, org)?;
        let found = org.find_by_email(&email).map(|(_, person)| person);
        let visible = found.filter(|person| {
            person.is_active() && workspace.is_none_or(|number| person.membership(number).is_some())
        });
        let person = visible.ok_or_else(|| Refusal::new("users_not_found"))?;
        let user = user_object(org, person, View { workspace, ..view });
        json_body(&json!({"ok": true, "user": user}))
    })
}

fn list(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let window = call.window(SIZES)?;
    let view = view(call)?;
    call.sandbox.with_org(|org| {
        let number = match (call.args.text("team_id"), home(call, org)?) {
            (Some(id), _) => org.workspace(&id).ok_or_else(|| Refusal::new("team_not_found"))?.0,
            (None, Some(number)) => number,
            (None, None) => return Err(Refusal::new("missing_argument")),
        };
        let place = org.workspaces.get(number).ok_or_else(|| Refusal::new("team_not_found"))?;
        let unlimited = call.args.count("limit").is_none();
        if unlimited && place.members.len() > SIZES.most {
            return Err(Refusal::new("limit_required"));
        }
        let start = usize::try_from(window.start).unwrap_or(usize::MAX);
        let members = place.members.range(start..).filter_map(|index| {
            Some((u64::try_from(*index).unwrap_or(u64::MAX), org.person(*index)?))
        });
        let (found, next) = page(members, window.limit);
        let view = View { workspace: Some(number), ..view };
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

/// What the token lets a user object show.
fn view(call: &Call<'_>) -> Result<View, Refusal> {
    let scopes = &call.caller?.scopes;
    Ok(View {
        workspace: None,
        email: scopes.iter().any(|scope| scope == "users:read.email"),
        locale: call.args.flag("include_locale").unwrap_or(false),
    })
}

/// The workspace of the token; none for a token of the organization.
fn home(call: &Call<'_>, org: &Organization) -> Result<Option<usize>, Refusal> {
    match &call.caller?.install {
        Install::Org => Ok(None),
        Install::Workspace(id) => {
            let found = org.workspace(id).ok_or_else(|| Refusal::new("team_not_found"))?;
            Ok(Some(found.0))
        }
    }
}
