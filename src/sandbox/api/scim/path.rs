//! Names of user attributes: in bodies, in `meta.attributes` of version 1.1, and in paths of
//! version 2.0 (<https://www.rfc-editor.org/rfc/rfc7644#section-3.5.2>).

use super::version::{ScimSchema, ScimVersion};

/// A user attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UserAttribute {
    /// Known but read-only.
    ReadOnly,
    /// A single-line string.
    Text(TextAttribute),
    ProfileUrl,
    ExternalId,
    Password,
    Active,
    Name,
    Emails,
    PhoneNumbers,
    Photos,
    Addresses,
    Roles,
    Enterprise,
    Manager,
    ManagerId,
    Guest,
    GuestType,
    GuestExpiration,
    Profile,
    StartDate,
}

/// An attribute that is a single-line string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextAttribute {
    UserName,
    NickName,
    DisplayName,
    Title,
    Timezone,
    Locale,
    PreferredLanguage,
    UserType,
    GivenName,
    FamilyName,
    HonorificPrefix,
    EmployeeNumber,
    CostCenter,
    Organization,
    Division,
    Department,
}

/// The target of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AttributeTarget {
    /// The attribute.
    pub(super) attribute: UserAttribute,
    /// Filter on the elements of a list.
    pub(super) value_filter: Option<ValueFilter>,
    /// Sub-attribute, in lower case.
    pub(super) part: Option<String>,
}

/// A value filter of a path: `[value eq "x"]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ValueFilter {
    /// Compared sub-attribute, in lower case.
    pub(super) part: String,
    /// Expected value.
    pub(super) value: String,
}

/// The syntactic parts of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PathParts<'a> {
    pub(super) name: &'a str,
    pub(super) value_filter: Option<ValueFilter>,
    pub(super) part: Option<String>,
}

impl AttributeTarget {
    /// Parses a path; `None` for an unknown one.
    pub(super) fn parse(version: ScimVersion, path: &str) -> Option<Self> {
        let path = path.trim();
        let (schema, rest) = split_schema(version, path);
        let whole = |attribute| Some(Self { attribute, value_filter: None, part: None });
        if rest.is_empty() {
            return match schema {
                ScimSchema::Enterprise => whole(UserAttribute::Enterprise),
                ScimSchema::Guest => whole(UserAttribute::Guest),
                ScimSchema::Profile => whole(UserAttribute::Profile),
                ScimSchema::User | ScimSchema::Group | ScimSchema::List => None,
            };
        }
        let PathParts { name, value_filter: pick, part } = split_path(rest)?;
        let attribute = find_attribute(schema, name)?;
        let Some(inner) = part.as_deref() else {
            return Some(Self { attribute, value_filter: pick, part });
        };
        if attribute == UserAttribute::Name {
            return whole(name_part(inner)?);
        }
        if attribute == UserAttribute::Manager {
            return if inner == "managerid" { whole(UserAttribute::ManagerId) } else { None };
        }
        if attribute == UserAttribute::ReadOnly {
            return whole(UserAttribute::ReadOnly);
        }
        attribute.is_list().then_some(Self { attribute, value_filter: pick, part })
    }
}

impl UserAttribute {
    fn is_list(self) -> bool {
        let two = matches!(self, Self::Emails | Self::PhoneNumbers);
        two || matches!(self, Self::Photos | Self::Addresses | Self::Roles)
    }
}

/// Splits a path into its schema and the rest.
fn split_schema(version: ScimVersion, path: &str) -> (ScimSchema, &str) {
    let schemas =
        [ScimSchema::Enterprise, ScimSchema::Guest, ScimSchema::Profile, ScimSchema::User];
    for schema in schemas {
        let urn = version.urn(schema);
        let head = path.get(..urn.len()).filter(|head| head.eq_ignore_ascii_case(urn));
        let rest = head.and_then(|head| path.get(head.len()..));
        if let Some(rest) = rest {
            return (schema, rest.trim_start_matches([':', '.']));
        }
    }
    (ScimSchema::User, path)
}

/// Parses `name[part eq "value"].part`.
pub(super) fn split_path(path: &str) -> Option<PathParts<'_>> {
    let end = path.find(['[', '.']).unwrap_or(path.len());
    let (name, rest) = path.split_at_checked(end)?;
    let (pick, rest) = match rest.strip_prefix('[') {
        None => (None, rest),
        Some(inside) => {
            let (condition, rest) = inside.rsplit_once(']')?;
            (Some(parse_value_filter(condition)?), rest)
        }
    };
    let part = match rest.strip_prefix('.') {
        Some("") => return None,
        Some(part) => Some(part.to_ascii_lowercase()),
        None if rest.is_empty() => None,
        None => return None,
    };
    Some(PathParts { name: name.trim(), value_filter: pick, part })
}

/// Parses `value eq "x"`, with or without quotation marks.
fn parse_value_filter(condition: &str) -> Option<ValueFilter> {
    let (part, rest) = condition.trim().split_once(char::is_whitespace)?;
    let (operator, value) = rest.trim().split_once(char::is_whitespace)?;
    if !operator.eq_ignore_ascii_case("eq") {
        return None;
    }
    let value = value.trim();
    let value = if value.starts_with('"') {
        serde_json::from_str(value).ok()?
    } else {
        value.trim_matches('\'').to_owned()
    };
    Some(ValueFilter { part: part.to_ascii_lowercase(), value })
}

fn find_attribute(schema: ScimSchema, name: &str) -> Option<UserAttribute> {
    let name = name.to_ascii_lowercase();
    match schema {
        ScimSchema::Enterprise => Some(match name.as_str() {
            "employeenumber" => UserAttribute::Text(TextAttribute::EmployeeNumber),
            "costcenter" => UserAttribute::Text(TextAttribute::CostCenter),
            "organization" => UserAttribute::Text(TextAttribute::Organization),
            "division" => UserAttribute::Text(TextAttribute::Division),
            "department" => UserAttribute::Text(TextAttribute::Department),
            "manager" => UserAttribute::Manager,
            _ => return None,
        }),
        ScimSchema::Guest => match name.as_str() {
            "type" => Some(UserAttribute::GuestType),
            "expiration" => Some(UserAttribute::GuestExpiration),
            "channels" => Some(UserAttribute::ReadOnly),
            _ => None,
        },
        ScimSchema::Profile => (name == "startdate").then_some(UserAttribute::StartDate),
        ScimSchema::User | ScimSchema::Group | ScimSchema::List => core(&name),
    }
}

fn core(name: &str) -> Option<UserAttribute> {
    Some(match name {
        "schemas" | "id" | "meta" | "groups" => UserAttribute::ReadOnly,
        "username" => UserAttribute::Text(TextAttribute::UserName),
        "nickname" => UserAttribute::Text(TextAttribute::NickName),
        "displayname" => UserAttribute::Text(TextAttribute::DisplayName),
        "title" => UserAttribute::Text(TextAttribute::Title),
        "timezone" => UserAttribute::Text(TextAttribute::Timezone),
        "locale" => UserAttribute::Text(TextAttribute::Locale),
        "preferredlanguage" => UserAttribute::Text(TextAttribute::PreferredLanguage),
        "usertype" => UserAttribute::Text(TextAttribute::UserType),
        "profileurl" => UserAttribute::ProfileUrl,
        "externalid" => UserAttribute::ExternalId,
        "password" => UserAttribute::Password,
        "active" => UserAttribute::Active,
        "name" => UserAttribute::Name,
        "emails" => UserAttribute::Emails,
        "phonenumbers" => UserAttribute::PhoneNumbers,
        "photos" => UserAttribute::Photos,
        // Slack's own example removes `address`.
        "addresses" | "address" => UserAttribute::Addresses,
        "roles" => UserAttribute::Roles,
        _ => return None,
    })
}

fn name_part(part: &str) -> Option<UserAttribute> {
    match part {
        "givenname" => Some(UserAttribute::Text(TextAttribute::GivenName)),
        "familyname" => Some(UserAttribute::Text(TextAttribute::FamilyName)),
        "honorificprefix" => Some(UserAttribute::Text(TextAttribute::HonorificPrefix)),
        // Slack ignores the three others.
        "formatted" | "middlename" | "honorificsuffix" => Some(UserAttribute::ReadOnly),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two(path: &str) -> Option<AttributeTarget> {
        AttributeTarget::parse(ScimVersion::Two, path)
    }

    fn plain(attribute: UserAttribute) -> AttributeTarget {
        AttributeTarget { attribute, value_filter: None, part: None }
    }

    #[test]
    fn parses_attributes_parts_and_value_filters() {
        assert_eq!(two("userName"), Some(plain(UserAttribute::Text(TextAttribute::UserName))));
        assert_eq!(
            two("NAME.givenname"),
            Some(plain(UserAttribute::Text(TextAttribute::GivenName)))
        );
        let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        assert_eq!(two(enterprise), Some(plain(UserAttribute::Enterprise)));
        for join in [':', '.'] {
            let path = format!("{enterprise}{join}manager.managerId");
            assert_eq!(two(&path), Some(plain(UserAttribute::ManagerId)));
        }
        let pick = |part: &str, value: &str| {
            Some(ValueFilter { part: part.to_owned(), value: value.to_owned() })
        };
        let phone = AttributeTarget {
            attribute: UserAttribute::PhoneNumbers,
            value_filter: pick("value", "a].b"),
            part: Some("value".to_owned()),
        };
        assert_eq!(two(r#"phoneNumbers[value eq "a].b"].value"#), Some(phone));
        let email = AttributeTarget {
            attribute: UserAttribute::Emails,
            value_filter: pick("primary", "false"),
            part: None,
        };
        assert_eq!(two("emails[Primary EQ false]"), Some(email));
        let one = AttributeTarget::parse(
            ScimVersion::One,
            "urn:scim:schemas:extension:enterprise:1.0.division",
        );
        assert_eq!(one, Some(plain(UserAttribute::Text(TextAttribute::Division))));
    }

    #[test]
    fn rejects_unknown_and_malformed_paths() {
        let user = "urn:ietf:params:scim:schemas:core:2.0:User";
        for path in ["", "shoes", "title.x", "emails[value]", "emails[value eq", "emails.", user] {
            assert_eq!(two(path), None, "{path}");
        }
        assert_eq!(
            two(&format!("{user}:title")),
            Some(plain(UserAttribute::Text(TextAttribute::Title)))
        );
    }
}
