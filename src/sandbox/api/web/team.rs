//! `team.info`.

use serde_json::{Value, json};

use super::args::{ArgType, optional};
use super::error::WebApiError;
use super::method::{Method, MethodAccess, MethodCall, json_body};
use crate::sandbox::Tier;
use crate::sandbox::grants::InstallTarget;
use crate::sandbox::org::{GridOrganization, GridWorkspace};

pub(super) const METHODS: &[Method] = &[Method {
    name: "team.info",
    tier: Tier::Three,
    access: MethodAccess::Scope("team:read"),
    args: &[optional("team", ArgType::Text), optional("domain", ArgType::Text)],
    run: info,
}];

fn info(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let caller = call.caller?;
    let at_home = match &caller.install {
        InstallTarget::Org => None,
        InstallTarget::Workspace(id) => Some(id.clone()),
    };
    let domain = call.args.text("domain");
    let team_id = call.args.text("team").or(at_home.filter(|_| domain.is_none()));
    call.sandbox.with_org(|org| {
        let team = match (team_id, domain) {
            (Some(id), _) if id == org.id => organization(org),
            (Some(id), _) => workspace(org, org.workspace(&id).map(|(_, one)| one))?,
            (None, Some(domain)) => {
                let found = org.workspaces.iter().find(|one| one.domain == domain);
                workspace(org, found)?
            }
            (None, None) => organization(org),
        };
        json_body(&json!({"ok": true, "team": team}))
    })
}

fn workspace(org: &GridOrganization, found: Option<&GridWorkspace>) -> Result<Value, WebApiError> {
    let workspace = found.ok_or_else(|| WebApiError::new("team_not_found"))?;
    Ok(json!({
        "id": workspace.id,
        "name": workspace.name,
        "url": workspace.url(),
        "domain": workspace.domain,
        "email_domain": org.email_domain,
        "icon": icon(&workspace.id, workspace.icon.as_deref()),
        "avatar_base_url": "https://ca.slack-edge.example/",
        "is_verified": false,
        "discoverable": workspace.discoverability.as_str(),
        "enterprise_id": org.id,
        "enterprise_name": org.name,
        "enterprise_domain": org.domain,
        "locale": "en-US",
    }))
}

/// Returns the organization in the format of a workspace, for tokens of the organization.
fn organization(org: &GridOrganization) -> Value {
    json!({
        "id": org.id,
        "name": org.name,
        "url": org.url(),
        "domain": org.domain,
        "email_domain": org.email_domain,
        "icon": icon(&org.id, None),
        "avatar_base_url": "https://ca.slack-edge.example/",
        "is_verified": false,
        "enterprise_id": org.id,
        "enterprise_name": org.name,
        "enterprise_domain": org.domain,
        "locale": "en-US",
    })
}

/// Returns the icons of a workspace: its own, or default ones.
pub(super) fn icon(id: &str, chosen: Option<&str>) -> Value {
    let mut icon = serde_json::Map::new();
    for size in [34, 44, 68, 88, 102, 132, 230] {
        let drawn = || format!("https://a.slack-edge.example/icons/{id}_{size}.png");
        let address = chosen.map_or_else(drawn, str::to_owned);
        icon.insert(format!("image_{size}"), Value::String(address));
    }
    if let Some(address) = chosen {
        icon.insert("image_original".to_owned(), address.into());
    }
    icon.insert("image_default".to_owned(), Value::Bool(chosen.is_none()));
    Value::Object(icon)
}
