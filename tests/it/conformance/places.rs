//! Placeholders `{…}` of the table: ids of the organization that the call is made on.

use anyhow::Context as _;
use serde_json::Value;
use switchboard::sandbox::org::{GridOrganization, Person, WorkspaceLevel};
use switchboard::sandbox::{DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET};

use super::call::Caller;

/// Fills every `{…}` in arguments of the table.
pub(crate) async fn fill(
    caller: &Caller,
    token: &str,
    args: &str,
) -> anyhow::Result<Vec<(String, String)>> {
    let mut filled = Vec::new();
    for pair in args.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').context("an argument is NAME=VALUE")?;
        let value = match value.strip_prefix('{').and_then(|value| value.strip_suffix('}')) {
            Some(place) => find(caller, token, place).await?,
            None => value.to_owned(),
        };
        filled.push((name.to_owned(), value));
    }
    Ok(filled)
}

async fn find(caller: &Caller, token: &str, place: &str) -> anyhow::Result<String> {
    match place {
        "client_id" => Ok(DEFAULT_CLIENT_ID.to_owned()),
        "client_secret" => Ok(DEFAULT_CLIENT_SECRET.to_owned()),
        "session" => {
            let member = resolve(caller, "member")?;
            let team = resolve(caller, "team")?;
            let args = [("user_id".to_owned(), member), ("team_id".to_owned(), team)];
            let list = caller.web(token, "admin.users.session.list", &args).await?;
            text(&list, "/active_sessions/0/session_id")
        }
        "usergroup" => {
            let team = ("team_id".to_owned(), resolve(caller, "team")?);
            let number = caller.sandbox.with_org(|org| org.groups.iter().count());
            let args = [team, ("name".to_owned(), format!("Shift {number}"))];
            let created = caller.web(token, "usergroups.create", &args).await?;
            text(&created, "/usergroup/id")
        }
        place => resolve(caller, place),
    }
}

fn text(response: &Value, pointer: &str) -> anyhow::Result<String> {
    match response.pointer(pointer) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        _ => anyhow::bail!("no {pointer} in {response}"),
    }
}

fn resolve(caller: &Caller, place: &str) -> anyhow::Result<String> {
    let found = caller.sandbox.with_org(|org| {
        let member = org.people().iter().find(|person| is_plain(person));
        let guest = org.people().iter().find(|person| person.is_active() && is_guest(person));
        let team_of = |person: Option<&Person>| {
            let number = person?.memberships.last()?.workspace;
            Some(org.workspaces.get(number)?.id.clone())
        };
        match place {
            "member" => member.map(|person| person.id.clone()),
            "email" => member.map(|person| person.email.clone()),
            "team" => team_of(member),
            "other_team" => member.and_then(|person| elsewhere(org, person)),
            "guest" => guest.map(|person| person.id.clone()),
            "guest_team" => team_of(guest),
            "channel" => {
                let number = member?.memberships.last()?.workspace;
                org.workspaces.get(number)?.default_channels().next().map(|one| one.id.clone())
            }
            "idp_group" => {
                let group = org.groups.idp_groups().next();
                group.map(|(_, group)| group.id.clone())
            }
            _ => None,
        }
    });
    found.with_context(|| format!("no value for {{{place}}}"))
}

/// Returns a full member without admin rights, here and in the organization, who is not in every workspace.
fn is_plain(person: &Person) -> bool {
    let members = person.memberships.iter().all(|one| one.level == WorkspaceLevel::Member);
    let somewhere = (1..4).contains(&person.memberships.len());
    person.is_active() && !person.is_bot() && members && somewhere
}

fn is_guest(person: &Person) -> bool {
    person.guest_level().is_some()
}

fn elsewhere(org: &GridOrganization, person: &Person) -> Option<String> {
    let mut teams = org.workspaces.iter().enumerate();
    let other = teams.find(|(number, _)| person.membership(*number).is_none());
    other.map(|(_, team)| team.id.clone())
}
