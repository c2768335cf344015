//! The unified role assignment: a role held by a user in an organization, workspace or channel.

use std::fmt::Write as _;

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::role::RoleScope;
use super::user::ResourceRef;

/// One role held by one user (or group) in one organization, workspace or channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RoleAssignment {
    /// A stable id, composed of role, user and place.
    pub id: String,
    /// The user who holds the role.
    pub user_id: String,
    /// The role.
    pub role_id: String,
    /// The role's name.
    pub role_name: String,
    /// The scope of the role.
    pub scope: RoleScope,
    /// The workspace of the assignment, as a list for callers that expect one.
    pub workspace: Vec<ResourceRef>,
    /// The workspace of the assignment.
    pub workspace_id: Option<String>,
    /// The organization of the assignment.
    pub organization_id: Option<String>,
    /// The group that holds the role, at providers whose groups hold roles.
    pub group_id: Option<String>,
    /// The type of that group.
    pub group_type: Option<String>,
    /// The channel of the assignment.
    pub channel_id: Option<String>,
    /// Whether the role permits changes to other users' accounts or data.
    pub is_privileged: bool,
    /// The user who assigned it.
    pub granted_by: Option<String>,
    /// When it was assigned.
    #[serde(with = "time::serde::rfc3339::option")]
    pub created_at: Option<OffsetDateTime>,
    /// When it last changed.
    #[serde(with = "time::serde::rfc3339::option")]
    pub updated_at: Option<OffsetDateTime>,
}

/// Returns the id of the assignment of a role to a user in an organization, workspace or channel: the three ids with
/// dots between them. Other characters than those of plain ids are escaped as `~` and two hexadecimal digits, so that
/// an id can be split again and needs no encoding in a path.
#[must_use]
pub fn assignment_id(role_id: &str, user_id: &str, place_id: &str) -> String {
    let mut id = String::with_capacity(role_id.len() + user_id.len() + place_id.len() + 2);
    for (number, part) in [role_id, user_id, place_id].into_iter().enumerate() {
        if number > 0 {
            id.push('.');
        }
        for byte in part.bytes() {
            if byte.is_ascii_alphanumeric() || b":_-@".contains(&byte) {
                id.push(char::from(byte));
            } else {
                // Writing to a string cannot fail.
                let _ = write!(id, "~{byte:02x}");
            }
        }
    }
    id
}

/// Returns the ids of role, user and place of an assignment; `None` for a text that is no id of an assignment.
#[must_use]
pub fn split_assignment_id(id: &str) -> Option<[String; 3]> {
    let mut parts = id.split('.').map(unescape);
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(role_id), Some(user_id), Some(place_id), None) => {
            Some([role_id?, user_id?, place_id?])
        }
        _ => None,
    }
}

fn unescape(part: &str) -> Option<String> {
    let mut pieces = part.split('~');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = (piece.get(..2)?, piece.get(2..)?);
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_ids_stand_in_an_assignment_id_as_they_are() {
        assert_eq!(assignment_id("ws:admin", "U1", "T1"), "ws:admin.U1.T1");
        let id = assignment_id("roles:a.b", "ada@example.com", "https://scim.example.com/v2/");
        assert_eq!(id, "roles:a~2eb.ada@example~2ecom.https:~2f~2fscim~2eexample~2ecom~2fv2~2f");
        for odd in ["", "a", "a.b", "a.b.c.d", "a.b~.c", "a.b~zz.c", "a.b~ff.c"] {
            assert_eq!(split_assignment_id(odd), None, "{odd}");
        }
    }

    proptest! {
        #[test]
        fn any_ids_are_found_again(role in ".*", user in ".*", place in ".*") {
            let id = assignment_id(&role, &user, &place);
            prop_assert!(id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/'));
            prop_assert_eq!(split_assignment_id(&id), Some([role, user, place]));
        }
    }
}
