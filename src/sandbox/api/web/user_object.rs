//! The user object of `users.*`: <https://docs.slack.dev/reference/objects/user-object>.

use std::fmt::Write;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::sandbox::org::{
    ExternalPerson, GridOrganization, OrgLevel, Person, PersonStatus, ProfileStatus, WorkspaceLevel,
};

/// Options of a user object.
#[derive(Debug, Clone, Copy)]
pub(in crate::sandbox) struct UserObjectOptions {
    /// Workspace for the level flags; the user's first one if absent.
    pub(in crate::sandbox) workspace: Option<usize>,
    /// Whether the e-mail address is included.
    pub(in crate::sandbox) email: bool,
    /// Whether the locale is included.
    pub(in crate::sandbox) locale: bool,
}

/// Returns the user object of an account.
pub(in crate::sandbox) fn user_object(
    org: &GridOrganization,
    person: &Person,
    view: UserObjectOptions,
) -> Value {
    let membership = match view.workspace {
        Some(number) => person.membership(number),
        None => person.memberships.first(),
    };
    let team = membership.and_then(|one| org.workspaces.get(one.workspace));
    let team_id = team.map_or(org.id.as_str(), |workspace| workspace.id.as_str());
    let level = membership.map_or(WorkspaceLevel::Member, |one| one.level);
    let mut user = Map::new();
    let mut add = |name: &str, value: Value| user.insert(name.to_owned(), value);
    add("id", json!(person.id));
    add("team_id", json!(team_id));
    add("name", json!(person.username));
    add("deleted", json!(!person.is_active()));
    add("profile", profile(person, &org.status(person), team_id, view.email));
    add("is_bot", json!(person.is_bot()));
    add("is_app_user", json!(false));
    add("updated", json!(person.updated));
    if person.is_active() {
        add("color", json!(color(&person.id)));
        add("real_name", json!(person.full_name()));
        add("tz", json!(person.location.timezone));
        add("tz_label", json!(person.location.timezone_label));
        add("tz_offset", json!(person.location.offset));
        add("is_admin", json!(level >= WorkspaceLevel::Admin));
        add("is_owner", json!(level >= WorkspaceLevel::Owner));
        add("is_primary_owner", json!(level == WorkspaceLevel::PrimaryOwner));
        add("is_restricted", json!(level.is_guest()));
        add("is_ultra_restricted", json!(level == WorkspaceLevel::SingleChannelGuest));
        add("is_email_confirmed", json!(person.status == PersonStatus::Active && !person.is_bot()));
        add("who_can_share_contact_card", json!("EVERYONE"));
        add("has_2fa", json!(person.has_2fa));
    }
    if !person.is_bot() {
        add("enterprise_user", enterprise_user(org, person));
    }
    if person.status == PersonStatus::Invited {
        add("is_invited_user", json!(true));
    }
    if view.locale {
        add("locale", json!(person.location.language()));
    }
    Value::Object(user)
}

/// Returns the user object of a person of another company.
pub(super) fn external_user_object(person: &ExternalPerson) -> Value {
    let mut user = json!({
        "id": person.id,
        "team_id": person.team_id,
        "name": person.username,
        "deleted": false,
        "color": color(&person.id),
        "real_name": person.full_name,
        "profile": {
            "real_name": person.full_name,
            "real_name_normalized": without_diacritics(&person.full_name),
            "display_name": "",
            "display_name_normalized": "",
            "avatar_hash": hash(&person.id),
            "team": person.team_id,
        },
        "is_bot": false,
        "is_app_user": false,
        "is_stranger": person.is_stranger,
        "updated": 0,
    });
    if let (Some(fields), Some(enterprise_id)) = (user.as_object_mut(), &person.enterprise_id) {
        let enterprise_user = json!({
            "id": person.id,
            "enterprise_id": enterprise_id,
            "enterprise_name": "",
            "is_admin": false,
            "is_owner": false,
            "is_primary_owner": false,
            "teams": [person.team_id],
        });
        fields.insert("enterprise_user".to_owned(), enterprise_user);
    }
    user
}

fn enterprise_user(org: &GridOrganization, person: &Person) -> Value {
    json!({
        "id": person.id,
        "enterprise_id": org.id,
        "enterprise_name": org.name,
        "is_admin": person.org_level >= OrgLevel::Admin,
        "is_owner": person.org_level >= OrgLevel::Owner,
        "is_primary_owner": person.org_level == OrgLevel::PrimaryOwner,
        "teams": org.workspace_ids(person),
    })
}

fn profile(person: &Person, status: &ProfileStatus, team_id: &str, email: bool) -> Value {
    let name = person.full_name();
    let mut profile = json!({
        "title": person.job.title,
        "phone": person.phone,
        "skype": "",
        "real_name": name,
        "real_name_normalized": without_diacritics(&name),
        "display_name": person.display_name,
        "display_name_normalized": without_diacritics(&person.display_name),
        "first_name": person.first_name,
        "last_name": person.last_name,
        "fields": null,
        "status_text": status.text,
        "status_text_canonical": "",
        "status_emoji": status.emoji,
        "status_emoji_display_info": [],
        "status_expiration": 0,
        "avatar_hash": hash(&person.id),
        "team": team_id,
    });
    if let Some(fields) = profile.as_object_mut() {
        for size in [24, 32, 48, 72, 192, 512] {
            let address = format!("https://avatars.slack-edge.example/{}_{size}.png", person.id);
            fields.insert(format!("image_{size}"), Value::String(address));
        }
        if email && !person.email.is_empty() {
            fields.insert("email".to_owned(), json!(person.email));
        }
        if person.is_bot() {
            let tail = person.id.get(1..).unwrap_or_default();
            fields.insert("bot_id".to_owned(), json!(format!("B{tail}")));
            fields.insert("api_app_id".to_owned(), json!(format!("A{tail}")));
            fields.insert("always_active".to_owned(), json!(true));
        }
    }
    profile
}

/// Returns a name without diacritics, as in `real_name_normalized`.
fn without_diacritics(name: &str) -> String {
    name.chars().map(base_letter).collect()
}

fn base_letter(letter: char) -> char {
    match letter {
        'á' | 'â' | 'ã' | 'ă' | 'ą' => 'a',
        'ç' | 'ć' => 'c',
        'Ç' => 'C',
        'é' | 'ë' => 'e',
        'í' | 'î' => 'i',
        'Ł' => 'L',
        'ø' | 'ö' | 'ó' => 'o',
        'ü' | 'ú' => 'u',
        other => other,
    }
}

fn hash(id: &str) -> String {
    let mut text = String::new();
    for byte in Sha256::digest(id.as_bytes()).iter().take(6) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn color(id: &str) -> String {
    hash(id).chars().take(6).collect()
}
