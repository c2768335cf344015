//! Ids of roles: where a role comes from, and its value there.

use super::features::RoleSource;

/// The sources, with the prefix of their ids.
const PREFIXES: [(RoleSource, &str); 3] = [
    (RoleSource::Roles, "roles:"),
    (RoleSource::Entitlements, "entitlements:"),
    (RoleSource::Groups, "groups:"),
];

/// Returns the id of a role: of a value of `roles` or `entitlements`, or of a group by its id.
pub(super) fn role_id(source: RoleSource, value: &str) -> String {
    let prefix = PREFIXES.iter().find(|(known, _)| *known == source).map(|(_, prefix)| *prefix);
    [prefix.unwrap_or_default(), value].concat()
}

/// Returns the source of a role and its value there; `None` for a text that is no id of a role.
pub(super) fn parse_role_id(id: &str) -> Option<(RoleSource, &str)> {
    PREFIXES.iter().find_map(|(source, prefix)| {
        let value = id.strip_prefix(prefix).filter(|value| !value.is_empty())?;
        Some((*source, value))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_source_and_value() {
        for (source, value, id) in [
            (RoleSource::Roles, "admin", "roles:admin"),
            (RoleSource::Entitlements, "roles:a b", "entitlements:roles:a b"),
            (RoleSource::Groups, "g-1", "groups:g-1"),
        ] {
            assert_eq!(role_id(source, value), id);
            assert_eq!(parse_role_id(id), Some((source, value)));
        }
        for id in ["", "roles:", "admin", "Roles:admin", "ws:admin"] {
            assert_eq!(parse_role_id(id), None, "{id}");
        }
    }
}
