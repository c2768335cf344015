//! The event object and its envelope.

use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::subscription::{Subscription, verification_token};
use crate::sandbox::grants::{InstallTarget, Installation};
use crate::sandbox::org::GridOrganization;

/// An event for apps.
#[derive(Debug, Clone)]
pub(super) struct AppEvent {
    /// Event type.
    pub(super) kind: &'static str,
    /// Workspace of the event, `T…`; `None` for the organization.
    pub(super) team: Option<String>,
    /// Workspaces whose installations get the event. Installations on the organization get all.
    pub(super) seen_in: Vec<String>,
    /// Type-specific fields.
    pub(super) fields: Map<String, Value>,
}

impl AppEvent {
    /// Whether an installation gets the event. Most events require a scope.
    pub(super) fn is_visible_to(&self, grant: &Installation, scope: Option<&str>) -> bool {
        let scopes = || grant.user_scopes.iter().chain(&grant.bot_scopes);
        let allowed = scope.is_none_or(|scope| scopes().any(|held| held == scope));
        let near = match &grant.install {
            InstallTarget::Org => true,
            InstallTarget::Workspace(id) => self.seen_in.contains(id),
        };
        allowed && near
    }
}

/// Returns the JSON body of the request that delivers an event to an app.
pub(super) fn envelope(
    org: &GridOrganization,
    to: &Subscription,
    event: &AppEvent,
    grant: &Installation,
    event_id: &str,
    now: OffsetDateTime,
) -> String {
    let (team, installed_in) = match &grant.install {
        InstallTarget::Org => (event.team.as_ref().unwrap_or(&org.id), None),
        InstallTarget::Workspace(id) => (id, Some(id)),
    };
    let by_bot = grant.user_scopes.is_empty();
    let bot = grant.bot_user_id.as_ref().filter(|_| by_bot);
    let user_id = bot.unwrap_or(&grant.user_id);
    let mut inner = event.fields.clone();
    inner.insert("type".to_owned(), Value::from(event.kind));
    let micros = now.microsecond();
    inner.insert("event_ts".to_owned(), json!(format!("{}.{micros:06}", now.unix_timestamp())));
    if !grant.user_scopes.iter().chain(&grant.bot_scopes).any(|held| held == "users:read.email") {
        hide_email(&mut inner);
    }
    json!({
        "token": verification_token(to),
        "team_id": team,
        "enterprise_id": org.id,
        "context_team_id": team,
        "context_enterprise_id": org.id,
        "api_app_id": to.app_id,
        "event": inner,
        "type": "event_callback",
        "authed_users": [user_id],
        "authed_teams": [team],
        "authorizations": [{
            "enterprise_id": org.id,
            "team_id": installed_in,
            "user_id": user_id,
            "is_bot": bot.is_some(),
            "is_enterprise_install": grant.install == InstallTarget::Org,
        }],
        "is_ext_shared_channel": false,
        "event_id": event_id,
        "event_time": now.unix_timestamp(),
        "event_context": event_id.replacen("Ev", "EC", 1),
    })
    .to_string()
}

/// Removes e-mail addresses for an app without the scope to read them.
fn hide_email(inner: &mut Map<String, Value>) {
    let profile = inner.get_mut("user").and_then(|user| user.get_mut("profile"));
    if let Some(profile) = profile.and_then(Value::as_object_mut) {
        profile.remove("email");
    }
}
