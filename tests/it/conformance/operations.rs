//! Random operations on an organization through the Web API and SCIM.

use proptest::prelude::{Strategy, any, prop_oneof};
use serde_json::{Value, json};
use switchboard::sandbox::org::GridOrganization;

use super::call::{Caller, at};

/// An operation. Numbers are indexes into the organization's lists, modulo their lengths.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    Level { person: usize, place: usize, level: usize },
    Assign { person: usize, team: usize, guest: usize },
    Remove { person: usize, team: usize },
    Invite { name: usize, team: usize, guest: usize },
    Expire { person: usize, team: usize, days: i64 },
    Role { person: usize, role: usize, place: usize, give: bool },
    NewTeam { name: usize },
    Create { name: usize },
    Active { person: usize, active: bool, version: usize },
    Delete { person: usize },
    Guest { person: usize, guest: bool },
    Rename { person: usize, name: usize },
    NewGroup { name: usize, person: usize },
    GroupMember { group: usize, person: usize, add: bool },
    DeleteGroup { group: usize },
    Sessions { person: usize },
    Days { days: u32 },
}

/// Generates any operation.
pub(crate) fn operation() -> impl Strategy<Value = Operation> {
    use Operation as Op;
    let person = || 0..60_usize;
    let team = || 0..7_usize;
    let name = || 0..12_usize;
    prop_oneof![
        4 => (person(), 0..8_usize, 0..3_usize)
            .prop_map(|(person, place, level)| Op::Level { person, place, level }),
        3 => (person(), team(), 0..3_usize)
            .prop_map(|(person, team, guest)| Op::Assign { person, team, guest }),
        3 => (person(), team()).prop_map(|(person, team)| Op::Remove { person, team }),
        2 => (name(), team(), 0..3_usize)
            .prop_map(|(name, team, guest)| Op::Invite { name, team, guest }),
        1 => (person(), team(), -3..400_i64)
            .prop_map(|(person, team, days)| Op::Expire { person, team, days }),
        3 => (person(), 0..4_usize, 0..8_usize, any::<bool>())
            .prop_map(|(person, role, place, give)| Op::Role { person, role, place, give }),
        1 => name().prop_map(|name| Op::NewTeam { name }),
        2 => name().prop_map(|name| Op::Create { name }),
        4 => (person(), any::<bool>(), 1..3_usize)
            .prop_map(|(person, active, version)| Op::Active { person, active, version }),
        2 => person().prop_map(|person| Op::Delete { person }),
        3 => (person(), any::<bool>()).prop_map(|(person, guest)| Op::Guest { person, guest }),
        2 => (person(), name()).prop_map(|(person, name)| Op::Rename { person, name }),
        1 => (name(), person()).prop_map(|(name, person)| Op::NewGroup { name, person }),
        2 => (0..14_usize, person(), any::<bool>())
            .prop_map(|(group, person, add)| Op::GroupMember { group, person, add }),
        1 => (0..14_usize).prop_map(|group| Op::DeleteGroup { group }),
        1 => person().prop_map(|person| Op::Sessions { person }),
        1 => (0..500_u32).prop_map(|days| Op::Days { days }),
    ]
}

const LEVELS: [&str; 3] = ["setRegular", "setAdmin", "setOwner"];
const ROLES: [&str; 4] = ["Rl01", "Rl04", "Rl0A", "Rl99"];
const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const GUEST: &str = "urn:ietf:params:scim:schemas:extension:slack:guest:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// Removes or assigns a role.
const ROLE_METHODS: (&str, &str) = ("admin.roles.removeAssignments", "admin.roles.addAssignments");
const DAY_S: i64 = 86_400;

fn person(org: &GridOrganization, number: usize) -> String {
    let people = org.people();
    people.get(number % people.len()).map(|one| one.id.clone()).unwrap_or_default()
}

fn team(org: &GridOrganization, number: usize) -> String {
    let teams = &org.workspaces;
    teams.get(number % teams.len()).map(|one| one.id.clone()).unwrap_or_default()
}

/// Returns a workspace, or sometimes the organization.
fn place(org: &GridOrganization, number: usize) -> String {
    if number == 0 { org.id.clone() } else { team(org, number) }
}

fn group(org: &GridOrganization, number: usize) -> String {
    let groups: Vec<&str> = org.groups.idp_groups().map(|(_, group)| group.id.as_str()).collect();
    groups.get(number % groups.len().max(1)).map_or_else(|| "S0".to_owned(), |id| (*id).to_owned())
}

fn guest_args(kind: usize, args: &mut Vec<(&'static str, String)>) {
    match kind {
        1 => args.push(("is_restricted", "true".to_owned())),
        2 => args.push(("is_ultra_restricted", "true".to_owned())),
        _ => {}
    }
}

fn channel(org: &GridOrganization, number: usize) -> String {
    let team = org.workspaces.get(number % org.workspaces.len());
    let channel = team.and_then(|team| team.default_channels().next());
    channel.map(|channel| channel.id.clone()).unwrap_or_default()
}

/// Request of an operation.
enum Request {
    Web(&'static str, Vec<(&'static str, String)>),
    Scim(&'static str, String, Option<Value>),
    Clock(u32),
}

fn request(operation: &Operation, org: &GridOrganization, now: i64) -> Request {
    use Operation as Op;
    let user = |path: &str, number: usize| format!("{path}/Users/{}", person(org, number));
    let patch = |operation: Value| Some(json!({"schemas": [PATCH], "Operations": [operation]}));
    match *operation {
        Op::Level { person: who, place: at, level } => {
            let method = match LEVELS.get(level) {
                Some(&"setAdmin") => "admin.users.setAdmin",
                Some(&"setOwner") => "admin.users.setOwner",
                _ => "admin.users.setRegular",
            };
            Request::Web(method, vec![("user_id", person(org, who)), ("team_id", place(org, at))])
        }
        Op::Assign { person: who, team: at, guest } => {
            let mut args = vec![("user_id", person(org, who)), ("team_id", team(org, at))];
            guest_args(guest, &mut args);
            args.push(("channel_ids", channel(org, at)));
            Request::Web("admin.users.assign", args)
        }
        Op::Remove { person: who, team: at } => {
            let args = vec![("user_id", person(org, who)), ("team_id", team(org, at))];
            Request::Web("admin.users.remove", args)
        }
        Op::Invite { name, team: at, guest } => {
            let mut args = vec![("email", format!("new{name}@lumenworks.example"))];
            args.extend([("team_id", team(org, at)), ("channel_ids", channel(org, at))]);
            guest_args(guest, &mut args);
            Request::Web("admin.users.invite", args)
        }
        Op::Expire { person: who, team: at, days } => {
            let mut args = vec![("user_id", person(org, who)), ("team_id", team(org, at))];
            args.push(("expiration_ts", (now + days * DAY_S).to_string()));
            Request::Web("admin.users.setExpiration", args)
        }
        Op::Role { person: who, role, place: at, give } => {
            let role = ROLES.get(role).copied().unwrap_or_default();
            let args = vec![("role_id", role.to_owned()), ("user_ids", person(org, who))];
            let args = [args, vec![("entity_ids", place(org, at))]].concat();
            Request::Web(if give { ROLE_METHODS.1 } else { ROLE_METHODS.0 }, args)
        }
        Op::NewTeam { name } => {
            let args = vec![("team_domain", format!("new-{name}"))];
            Request::Web(
                "admin.teams.create",
                [args, vec![("team_name", format!("New {name}"))]].concat(),
            )
        }
        Op::Create { name } => {
            let email = format!("new{name}@lumenworks.example");
            let body = json!({"schemas": [USER], "userName": format!("new{name}"),
                "emails": [{"value": email, "primary": true}]});
            Request::Scim("POST", "/scim/v2/Users".to_owned(), Some(body))
        }
        Op::Active { person: who, active, version: 1 } => {
            let body = json!({"schemas": ["urn:scim:schemas:core:1.0"], "active": active});
            Request::Scim("PATCH", user("/scim/v1", who), Some(body))
        }
        Op::Active { person: who, active, .. } => {
            let operation = json!({"op": "replace", "path": "active", "value": active});
            Request::Scim("PATCH", user("/scim/v2", who), patch(operation))
        }
        Op::Delete { person: who } => Request::Scim("DELETE", user("/scim/v2", who), None),
        Op::Guest { person: who, guest } => {
            let operation = if guest {
                json!({"op": "add", "path": GUEST, "value": {"type": "multi"}})
            } else {
                json!({"op": "remove", "path": GUEST})
            };
            Request::Scim("PATCH", user("/scim/v2", who), patch(operation))
        }
        Op::Rename { person: who, name } => {
            let value = format!("new{name}");
            let operation = json!({"op": "replace", "path": "userName", "value": value});
            Request::Scim("PATCH", user("/scim/v2", who), patch(operation))
        }
        Op::NewGroup { name, person: who } => {
            let body = json!({"schemas": [GROUP], "displayName": format!("New {name}"),
                "members": [{"value": person(org, who)}]});
            Request::Scim("POST", "/scim/v2/Groups".to_owned(), Some(body))
        }
        Op::GroupMember { group: which, person: who, add } => {
            let id = person(org, who);
            let operation = if add {
                json!({"op": "add", "path": "members", "value": [{"value": id}]})
            } else {
                json!({"op": "remove", "path": format!("members[value eq \"{id}\"]")})
            };
            let to = format!("/scim/v2/Groups/{}", group(org, which));
            Request::Scim("PATCH", to, patch(operation))
        }
        Op::DeleteGroup { group: which } => {
            Request::Scim("DELETE", format!("/scim/v2/Groups/{}", group(org, which)), None)
        }
        Op::Sessions { person: who } => {
            Request::Web("admin.users.session.reset", vec![("user_id", person(org, who))])
        }
        Op::Days { days } => Request::Clock(days),
    }
}

/// Executes it. A rejection is valid; a server error of the sandbox is not.
pub(crate) async fn perform(
    caller: &Caller,
    token: &str,
    operation: &Operation,
) -> anyhow::Result<()> {
    let now = caller.sandbox.now().unix_timestamp();
    match caller.sandbox.with_org(|org| request(operation, org, now)) {
        Request::Web(method, args) => {
            let args: Vec<_> =
                args.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            let response = caller.web(token, method, &args).await?;
            let code = at(&response, "/error").as_str().unwrap_or_default();
            anyhow::ensure!(at(&response, "/ok").is_boolean(), "{operation:?}: {response}");
            let surprises = ["internal_error", "fatal_error", "unknown_method", "missing_scope"];
            anyhow::ensure!(!surprises.contains(&code), "{operation:?}: {response}");
        }
        Request::Scim(verb, path, body) => {
            let (status, response) = caller.scim(token, verb, &path, body.as_ref()).await?;
            anyhow::ensure!(status < 500 && status != 405, "{operation:?}: {status} {response}");
        }
        Request::Clock(days) => {
            caller.sandbox.advance_clock(time::Duration::days(days.into()));
        }
    }
    Ok(())
}
