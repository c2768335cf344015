//! `team.*` beside `team.info`: who came, what is billed, what the organization prefers.

use serde_json::{Map, Value, json};

use super::args::{Form, optional};
use super::method::{Access, Call, Method, Sizes, json_body, page};
use super::refusal::Refusal;
use crate::sandbox::Tier;
use crate::sandbox::grants::Install;
use crate::sandbox::org::{Organization, Person};

const ADMIN: Access = Access::Scope("admin");

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "team.accessLogs",
        tier: Tier::Two,
        access: ADMIN,
        args: &[
            optional("before", Form::Text),
            optional("count", Form::Count),
            optional("cursor", Form::Text),
            optional("limit", Form::Count),
            optional("page", Form::Count),
            optional("team_id", Form::Text),
        ],
        run: access_logs,
    },
    Method {
        name: "team.billableInfo",
        tier: Tier::Two,
        access: ADMIN,
        args: &[
            optional("cursor", Form::Text),
            optional("limit", Form::Count),
            optional("team_id", Form::Text),
            optional("user", Form::Text),
        ],
        run: billable_info,
    },
    Method {
        name: "team.billing.info",
        tier: Tier::Three,
        access: Access::Scope("team.billing:read"),
        args: &[],
        run: |_| json_body(&json!({"ok": true, "plan": "enterprise"})),
    },
    Method {
        name: "team.integrationLogs",
        tier: Tier::Two,
        access: ADMIN,
        args: &[
            optional("app_id", Form::Text),
            optional("change_type", Form::Text),
            optional("count", Form::Count),
            optional("page", Form::Count),
            optional("service_id", Form::Text),
            optional("team_id", Form::Text),
            optional("user", Form::Text),
        ],
        run: integration_logs,
    },
    Method {
        name: "team.preferences.list",
        tier: Tier::Three,
        access: Access::Scope("team.preferences:read"),
        args: &[],
        run: preferences,
    },
    Method {
        name: "team.profile.get",
        tier: Tier::Three,
        access: Access::Scope("users.profile:read"),
        args: &[optional("visibility", Form::Text)],
        run: profile,
    },
];

const SIZES: Sizes = Sizes { default: 100, most: 1_000, refuse: Some("invalid_limit") };
/// Pages that are counted reach so far.
const LAST_PAGE: usize = 100;

/// The active people of the workspace that is asked about, or of the organization.
fn people<'o>(
    call: &Call<'_>,
    org: &'o Organization,
) -> Result<impl Iterator<Item = (u64, &'o Person)>, Refusal> {
    let id = match &call.caller?.install {
        Install::Workspace(id) => Some(id.clone()),
        Install::Org => call.args.text("team_id").filter(|id| *id != org.id),
    };
    let team = match id {
        None => None,
        Some(id) => {
            let found = org.workspace(&id).map(|(number, _)| number);
            Some(found.ok_or_else(|| Refusal::new("invalid_team_id"))?)
        }
    };
    let all = (0_u64..).zip(org.people());
    Ok(all.filter(move |(_, person)| {
        let there = team.is_none_or(|team| person.membership(team).is_some());
        there && person.is_active() && !person.is_bot()
    }))
}

fn access_logs(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let window = call.window(SIZES)?;
    let number = |name, default| {
        let given = call.args.count(name).and_then(|number| usize::try_from(number).ok());
        given.unwrap_or(default).max(1)
    };
    let (count, at) = (number("count", 100).min(1_000), number("page", 1));
    if at > LAST_PAGE {
        return Err(Refusal::new("over_pagination_limit"));
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
            page(rest, window.limit)
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
        "country": person.place.country,
        "region": "",
    })
}

fn billable_info(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let window = call.window(SIZES)?;
    let wanted = call.args.text("user");
    call.sandbox.with_org(|org| {
        let rows = people(call, org)?.skip_while(|(position, _)| *position < window.start);
        let rows = rows.filter(|(_, one)| wanted.as_ref().is_none_or(|id| one.id == *id));
        let (found, next) = page(rows, window.limit);
        if found.is_empty() && wanted.is_some() {
            return Err(Refusal::new("user_not_found"));
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

/// Apps come and go in the audit log; this older list of theirs is empty here.
fn integration_logs(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let count = call.args.count("count").unwrap_or(100);
    let paging = json!({"count": count, "total": 0, "page": 1, "pages": 0});
    json_body(&json!({"ok": true, "logs": [], "paging": paging}))
}

fn preferences(_: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    json_body(&json!({
        "ok": true,
        "msg_edit_window_mins": -1,
        "allow_message_deletion": true,
        "display_real_names": true,
        "disable_file_uploads": "allow_all",
        "who_can_post_general": "ra",
    }))
}

/// The organization has no profile fields of its own.
fn profile(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let known = ["all", "visible", "hidden"];
    let asked = call.args.text("visibility").unwrap_or_else(|| "all".to_owned());
    if !known.contains(&asked.as_str()) {
        return Err(Refusal::arguments(vec![
            "[ERROR] must be one of all, visible, hidden [json-pointer:/visibility]".to_owned(),
        ]));
    }
    json_body(&json!({"ok": true, "profile": {"fields": [], "sections": []}}))
}
