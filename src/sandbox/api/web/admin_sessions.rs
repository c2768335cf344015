//! `admin.users.session.*`: sessions and session settings.

use serde_json::{Value, json};

use super::admin_users::{READ, WRITE, person, workspace};
use super::args::{Arg, ArgType, optional, required};
use super::error::WebApiError;
use super::method::{Method, MethodCall, PageSizes, json_body, take_page};
use crate::sandbox::Tier;
use crate::sandbox::org::{
    DeviceFilter, EditError, GridOrganization, MAX_SESSIONS, Person, PersonIndex, Session,
    SessionSettings,
};

const USERS: &[Arg] = &[required("user_ids", ArgType::List)];

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "admin.users.session.clearSettings",
        tier: Tier::Four,
        access: WRITE,
        args: USERS,
        run: |call| set_all(call, None),
    },
    Method {
        name: "admin.users.session.getSettings",
        tier: Tier::Four,
        access: READ,
        args: USERS,
        run: get_settings,
    },
    Method {
        name: "admin.users.session.invalidate",
        tier: Tier::Two,
        access: WRITE,
        args: &[
            required("session_id", ArgType::Count),
            required("user_id", ArgType::Text),
            optional("team_id", ArgType::Text),
        ],
        run: invalidate,
    },
    Method {
        name: "admin.users.session.list",
        tier: Tier::Two,
        access: READ,
        args: &[
            optional("cursor", ArgType::Text),
            optional("limit", ArgType::Count),
            optional("team_id", ArgType::Text),
            optional("user_id", ArgType::Text),
        ],
        run: list,
    },
    Method {
        name: "admin.users.session.reset",
        tier: Tier::Two,
        access: WRITE,
        args: &[
            required("user_id", ArgType::Text),
            optional("mobile_only", ArgType::Flag),
            optional("web_only", ArgType::Flag),
        ],
        run: reset,
    },
    Method {
        name: "admin.users.session.resetBulk",
        tier: Tier::Two,
        access: WRITE,
        args: &[
            required("user_ids", ArgType::List),
            optional("mobile_only", ArgType::Flag),
            optional("web_only", ArgType::Flag),
        ],
        run: reset_bulk,
    },
    Method {
        name: "admin.users.session.setSettings",
        tier: Tier::Four,
        access: WRITE,
        args: &[
            required("user_ids", ArgType::List),
            optional("desktop_app_browser_quit", ArgType::Flag),
            optional("duration", ArgType::Count),
        ],
        run: set_settings,
    },
];

const SIZES: PageSizes =
    PageSizes { default: 1_000, max: 1_000, out_of_range_error: Some("invalid_arguments") };
/// Maximum number of accounts per call.
const MAX_ACCOUNTS: usize = 1_000;

const CODES: &[(EditError, &str)] = &[
    (EditError::Bot, "cannot_reset_bot"),
    (EditError::PrimaryOwner, "cannot_reset_primary_owner"),
    (EditError::NoSuchPerson, "user_not_found"),
];

fn list(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let window = call.window(SIZES)?;
    call.sandbox.with_org(|org| {
        let (user, team) = (call.args.text("user_id"), call.args.text("team_id"));
        let people = match (user.is_some(), team.is_some()) {
            (true, false) => return Err(WebApiError::new("missing_team")),
            (false, true) => return Err(WebApiError::new("missing_user")),
            (false, false) => 0..org.people().len(),
            (true, true) => {
                // The organization's own id stands for all workspaces.
                let whole = team.as_ref() == Some(&org.id);
                let team = if whole { None } else { Some(workspace(call, org)?) };
                let index = person(call, org)?;
                if org.person(index).is_some_and(Person::is_bot) {
                    return Err(WebApiError::new("bots_not_allowed"));
                }
                let member =
                    |team| org.person(index).is_some_and(|one| one.membership(team).is_some());
                if team.is_some_and(|team| !member(team)) {
                    return Err(WebApiError::new("no_active_sessions"));
                }
                index..index + 1
            }
        };
        let most = u64::try_from(MAX_SESSIONS).unwrap_or(u64::MAX);
        let start = usize::try_from(window.start / most).unwrap_or(usize::MAX);
        let people = people.skip_while(|index| *index < start);
        let sessions = people.flat_map(|index| {
            let first = u64::try_from(index).unwrap_or(u64::MAX).saturating_mul(most);
            (first..).zip(org.sessions_of(index))
        });
        let sessions = sessions.filter(|(position, _)| *position >= window.start);
        let (found, next) = take_page(sessions, window.limit);
        if found.is_empty() {
            return Err(WebApiError::new("no_active_sessions"));
        }
        let rows: Vec<Value> = found.into_iter().map(|one| row(org, one)).collect();
        json_body(&json!({
            "ok": true,
            "active_sessions": rows,
            "response_metadata": {"next_cursor": call.next_cursor(next)},
        }))
    })
}

fn row(org: &GridOrganization, session: Session) -> Value {
    let device = session.device;
    let seen = |client: &str| {
        json!({
            "device_hardware": device.hardware,
            "os": device.os,
            "os_version": device.os_version,
            "slack_client_version": client,
            "ip": "192.0.2.7",
        })
    };
    let mut row = json!({
        "user_id": org.person(session.person).map(|person| &person.id),
        "session_id": session.id,
        "team_id": org.id,
        "created": seen(if session.is_client_updated { device.old_client } else { device.client }),
    });
    // An unchanged session has no second state.
    if let Some(fields) = row.as_object_mut().filter(|_| session.is_client_updated) {
        fields.insert("recent".to_owned(), seen(device.client));
    }
    row
}

fn invalidate(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let id = call.args.count("session_id").and_then(|id| u64::try_from(id).ok());
    call.change(|edit| {
        let index = person(call, edit)?;
        let ended = edit.end_session(index, id.unwrap_or_default());
        ended.map_err(|rule| {
            let codes = [
                (EditError::NotMember, "session_not_found"),
                (EditError::PrimaryOwner, "cannot_invalidate_primary_owner"),
            ];
            WebApiError::from_edit_error(rule, &codes, "session_invalidation_failed")
        })
    })?;
    json_body(&json!({"ok": true}))
}

fn reset(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let devices = device_filter(call);
    call.change(|edit| {
        let index = person(call, edit)?;
        let ended = edit.end_sessions(index, devices);
        ended.map_err(|rule| WebApiError::from_edit_error(rule, CODES, "user_session_reset_failed"))
    })?;
    json_body(&json!({"ok": true}))
}

fn reset_bulk(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let devices = device_filter(call);
    let ids = call.args.list("user_ids");
    check_account_count(&ids)?;
    call.change(|edit| {
        let mut refused = Vec::new();
        for id in &ids {
            let found = edit.find(id).map(|(index, _)| index).ok_or(EditError::NoSuchPerson);
            if let Err(rule) = found.and_then(|index| edit.end_sessions(index, devices)) {
                refused.push(rule);
            }
        }
        match refused[..] {
            [] => Ok(()),
            [rule] if ids.len() == 1 => {
                Err(WebApiError::from_edit_error(rule, CODES, "user_session_reset_failed"))
            }
            _ => Err(WebApiError::new("failed_for_some_users")),
        }
    })?;
    json_body(&json!({"ok": true}))
}

fn device_filter(call: &MethodCall<'_>) -> DeviceFilter {
    let flag = |name| call.args.flag(name).unwrap_or(false);
    match (flag("mobile_only"), flag("web_only")) {
        (true, false) => DeviceFilter::Mobile,
        (false, true) => DeviceFilter::Web,
        (false, false) | (true, true) => DeviceFilter::All,
    }
}

fn get_settings(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    call.sandbox.with_org(|org| {
        let (mut rows, mut none) = (Vec::new(), Vec::new());
        for (id, index) in accounts(call, org)? {
            match org.sessions.settings(index) {
                None => none.push(id),
                Some(settings) => rows.push(settings_row(id, settings)),
            }
        }
        json_body(&json!({"ok": true, "session_settings": rows, "no_settings_applied": none}))
    })
}

fn settings_row(id: String, settings: SessionSettings) -> Value {
    let quit = settings.quit_signs_out.map(Value::from);
    let duration = settings.duration.map(Value::from);
    let fields =
        [("user_id", Some(id.into())), ("desktop_app_browser_quit", quit), ("duration", duration)];
    let set = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(set.collect())
}

fn set_settings(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let quit = call.args.flag("desktop_app_browser_quit");
    let duration = call.args.count("duration");
    if quit.is_none() && duration.is_none() {
        return Err(WebApiError::new("at_least_one_session_setting_required"));
    }
    set_all(call, Some(SessionSettings { quit_signs_out: quit, duration }))
}

fn set_all(
    call: &MethodCall<'_>,
    settings: Option<SessionSettings>,
) -> Result<Vec<u8>, WebApiError> {
    call.change(|edit| {
        for (_, index) in accounts(call, edit)? {
            // Bots were rejected before, so the duration is invalid, for all accounts.
            edit.set_session_settings(index, settings)
                .map_err(|_| WebApiError::new("invalid_arguments"))?;
        }
        Ok(())
    })?;
    json_body(&json!({"ok": true}))
}

/// Returns the accounts of `user_ids`, none of which may be a bot.
fn accounts(
    call: &MethodCall<'_>,
    org: &GridOrganization,
) -> Result<Vec<(String, PersonIndex)>, WebApiError> {
    let account = |id: String| {
        let (index, person) = org.find(&id).ok_or_else(|| WebApiError::new("user_not_found"))?;
        if person.is_bot() { Err(WebApiError::new("bots_not_allowed")) } else { Ok((id, index)) }
    };
    let ids = call.args.list("user_ids");
    check_account_count(&ids)?;
    ids.into_iter().map(account).collect()
}

fn check_account_count(ids: &[String]) -> Result<(), WebApiError> {
    if ids.len() <= MAX_ACCOUNTS {
        return Ok(());
    }
    let line = "[ERROR] no more than 1000 items allowed [json-pointer:/user_ids]";
    Err(WebApiError::invalid_arguments(vec![line.to_owned()]))
}
