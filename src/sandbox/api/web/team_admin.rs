//! `team.*` except `team.info`: access logs, billable users, preferences, profile fields.

use serde_json::{Map, Value, json};

use super::args::{ArgType, optional};
use super::error::WebApiError;
use super::method::{Method, MethodAccess, MethodCall, PageSizes, json_body, take_page};
use crate::sandbox::Tier;
use crate::sandbox::grants::InstallTarget;
use crate::sandbox::org::{GridOrganization, Person};

const ADMIN: MethodAccess = MethodAccess::Scope("admin");

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "team.accessLogs",
        tier: Tier::Two,
        access: ADMIN,
        args: &[
            optional("before", ArgType::Text),
            optional("count", ArgType::Count),
            optional("cursor", ArgType::Text),
            optional("limit", ArgType::Count),
            optional("page", ArgType::Count),
            optional("team_id", ArgType::Text),
        ],
        run: access_logs,
    },
    Method {
        name: "team.billableInfo",
        tier: Tier::Two,
        access: ADMIN,
        args: &[
            optional("cursor", ArgType::Text),
            optional("limit", ArgType::Count),
            optional("team_id", ArgType::Text),
            optional("user", ArgType::Text),
        ],
        run: billable_info,
    },
    Method {
        name: "team.billing.info",
        tier: Tier::Three,
        access: MethodAccess::Scope("team.billing:read"),
        args: &[],
        run: |_| json_body(&json!({"ok": true, "plan": "enterprise"})),
    },
    Method {
        name: "team.integrationLogs",
        tier: Tier::Two,
        access: ADMIN,
        args: &[
            optional("app_id", ArgType::Text),
            optional("change_type", ArgType::Text),
            optional("count", ArgType::Count),
            optional("page", ArgType::Count),
            optional("service_id", ArgType::Text),
            optional("team_id", ArgType::Text),
            optional("user", ArgType::Text),
        ],
        run: integration_logs,
    },
    Method {
        name: "team.preferences.list",
        tier: Tier::Three,
        access: MethodAccess::Scope("team.preferences:read"),
        args: &[],
        run: preferences,
    },
    Method {
        name: "team.profile.get",
        tier: Tier::Three,
        access: MethodAccess::Scope("users.profile:read"),
        args: &[optional("visibility", ArgType::Text)],
        run: profile,
    },
];

const SIZES: PageSizes =
    PageSizes { default: 100, max: 1_000, out_of_range_error: Some("invalid_limit") };
/// Largest page number.
const MAX_PAGE: usize = 100;

/// Returns the active people of the requested workspace, or of the organization.
fn people<'o>(
    call: &MethodCall<'_>,
    org: &'o GridOrganization,
) -> Result<impl Iterator<Item = (u64, &'o Person)>, WebApiError> {
    let id = match &call.caller?.install {
        InstallTarget::Workspace(id) => Some(id.clone()),
        InstallTarget::Org => call.args.text("team_id").filter(|id| *id != org.id),
    };
    let team = match id {
        None => None,
        Some(id) => {
            let found = org.workspace(&id).map(|(number, _)| number);
            Some(found.ok_or_else(|| WebApiError::new("invalid_team_id"))?)
        }
    };
    let all = (0_u64..).zip(org.people());
    Ok(all.filter(move |(_, person)| {
        let there = team.is_none_or(|team| person.membership(team).is_some());
        there && person.is_active() && !person.is_bot()
    }))
}

fn access_logs(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let window = call.window(SIZES)?;
    let number = |name, default| {
        let given = call.args.count(name).and_then(|number| usize::try_from(number).ok());
        given.unwrap_or(default).max(1)
    };
    let (count, at) = (number("count", 100).min(1_000), number("page", 1));
    if at > MAX_PAGE {
        return Err(WebApiError::new("over_pagination_limit"));
    }
    call.sandbox.with_org(|org| {
        let logins: Vec<(u64, Value)> = people(call, org)?
            .filter(|(_, person)| person.last_active > 0)
            .map(|(position, person)| (position, login(person)))
            .collect();
        let total = logins.len();
        let by_cursor = ["cursor", "limit"].iter().any(|name| call.args.text(name).is_some());
        let (rows, next) = if by_cursor {
            let rest = logins.into_iter().skip_while(|(position, _)| *position < window.start);
            take_page(rest, window.limit)
        } else {
            let rows = logins.into_iter().skip((at - 1) * count).take(count);
            (rows.map(|(_, row)| row).collect(), None)
        };
        json_body(&json!({
            "ok": true,
            "logins": rows,
            "paging": {"count": count, "total": total, "page": at, "pages": total.div_ceil(count)},
            "response_metadata": {"next_cursor": call.next_cursor(next)},
        }))
    })
}

fn login(person: &Person) -> Value {
    json!({
        "user_id": person.id,
        "username": person.username,
        "date_first": person.created,
        "date_last": person.last_active,
        "count": 1,
        "ip": "192.0.2.7",
        "user_agent": "Slack_Sandbox",
        "isp": "Example Net",
        "country": person.location.country,
        "region": "",
    })
}

fn billable_info(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let window = call.window(SIZES)?;
    let user_id = call.args.text("user");
    call.sandbox.with_org(|org| {
        let rows = people(call, org)?.skip_while(|(position, _)| *position < window.start);
        let rows = rows.filter(|(_, one)| user_id.as_ref().is_none_or(|id| one.id == *id));
        let (found, next) = take_page(rows, window.limit);
        if found.is_empty() && user_id.is_some() {
            return Err(WebApiError::new("user_not_found"));
        }
        let info: Map<String, Value> = found
            .into_iter()
            .map(|person| (person.id.clone(), json!({"billing_active": person.last_active > 0})))
            .collect();
        json_body(&json!({
            "ok": true,
            "billable_info": info,
            "response_metadata": {"next_cursor": call.next_cursor(next)},
        }))
    })
}

/// App installations are in the audit log; this older list is empty.
fn integration_logs(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let count = call.args.count("count").unwrap_or(100);
    let paging = json!({"count": count, "total": 0, "page": 1, "pages": 0});
    json_body(&json!({"ok": true, "logs": [], "paging": paging}))
}

fn preferences(_: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    json_body(&json!({
        "ok": true,
        "msg_edit_window_mins": -1,
        "allow_message_deletion": true,
        "display_real_names": true,
        "disable_file_uploads": "allow_all",
        "who_can_post_general": "ra",
    }))
}

/// The organization has no custom profile fields.
fn profile(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let known = ["all", "visible", "hidden"];
    let asked = call.args.text("visibility").unwrap_or_else(|| "all".to_owned());
    if !known.contains(&asked.as_str()) {
        return Err(WebApiError::invalid_arguments(vec![
            "[ERROR] must be one of all, visible, hidden [json-pointer:/visibility]".to_owned(),
        ]));
    }
    json_body(&json!({"ok": true, "profile": {"fields": [], "sections": []}}))
}
