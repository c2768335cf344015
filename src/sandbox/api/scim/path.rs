//! The names of a user's attributes: in bodies, in `meta.attributes` of version 1.1, and in the
//! paths of version 2.0 (<https://www.rfc-editor.org/rfc/rfc7644#section-3.5.2>).

use super::version::{Schema, Version};

/// Something that can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attribute {
    /// Known, and not for clients to write.
    ReadOnly,
    /// A line of text.
    Line(Line),
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

/// An attribute that is a line of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
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

/// What a path points at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// The attribute.
    pub(super) attribute: Attribute,
    /// Which elements of a list.
    pub(super) pick: Option<Pick>,
    /// The part of an element, in small letters.
    pub(super) part: Option<String>,
}

/// A condition on the elements of a list: `[value eq "x"]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pick {
    /// The part that is compared, in small letters.
    pub(super) part: String,
    /// What it is to be.
    pub(super) value: String,
}

/// A path in its pieces, before anybody knows what they mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pieces<'a> {
    pub(super) name: &'a str,
    pub(super) pick: Option<Pick>,
    pub(super) part: Option<String>,
}

impl Target {
    /// Reads a path. None for one that leads nowhere.
    pub(super) fn parse(version: Version, path: &str) -> Option<Self> {
        let path = path.trim();
        let (schema, rest) = split_schema(version, path);
        let whole = |attribute| Some(Self { attribute, pick: None, part: None });
        if rest.is_empty() {
            return match schema {
                Schema::Enterprise => whole(Attribute::Enterprise),
                Schema::Guest => whole(Attribute::Guest),
                Schema::Profile => whole(Attribute::Profile),
                Schema::User | Schema::Group | Schema::List => None,
            };
        }
        let Pieces { name, pick, part } = pieces(rest)?;
        let attribute = named(schema, name)?;
        let Some(inner) = part.as_deref() else {
            return Some(Self { attribute, pick, part });
        };
        if attribute == Attribute::Name {
            return whole(name_part(inner)?);
        }
        if attribute == Attribute::Manager {
            return if inner == "managerid" { whole(Attribute::ManagerId) } else { None };
        }
        if attribute == Attribute::ReadOnly {
            return whole(Attribute::ReadOnly);
        }
        attribute.is_list().then_some(Self { attribute, pick, part })
    }
}

impl Attribute {
    fn is_list(self) -> bool {
        let two = matches!(self, Self::Emails | Self::PhoneNumbers);
        two || matches!(self, Self::Photos | Self::Addresses | Self::Roles)
    }
}

/// The schema that a path names at its beginning, and what comes after it.
fn split_schema(version: Version, path: &str) -> (Schema, &str) {
    let schemas = [Schema::Enterprise, Schema::Guest, Schema::Profile, Schema::User];
    for schema in schemas {
        let urn = version.urn(schema);
        let head = path.get(..urn.len()).filter(|head| head.eq_ignore_ascii_case(urn));
        let rest = head.and_then(|head| path.get(head.len()..));
        if let Some(rest) = rest {
            return (schema, rest.trim_start_matches([':', '.']));
        }
    }
    (Schema::User, path)
}

/// `name[part eq "value"].part`
pub(super) fn pieces(path: &str) -> Option<Pieces<'_>> {
    let end = path.find(['[', '.']).unwrap_or(path.len());
    let (name, rest) = path.split_at_checked(end)?;
    let (pick, rest) = match rest.strip_prefix('[') {
        None => (None, rest),
        Some(inside) => {
            let (condition, rest) = inside.rsplit_once(']')?;
            (Some(pick(condition)?), rest)
        }
    };
    let part = match rest.strip_prefix('.') {
        Some("") => return None,
        Some(part) => Some(part.to_ascii_lowercase()),
        None if rest.is_empty() => None,
        None => return None,
    };
    Some(Pieces { name: name.trim(), pick, part })
}

/// `value eq "x"`, with or without the quotation marks.
fn pick(condition: &str) -> Option<Pick> {
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
    Some(Pick { part: part.to_ascii_lowercase(), value })
}

fn named(schema: Schema, name: &str) -> Option<Attribute> {
    let name = name.to_ascii_lowercase();
    match schema {
        Schema::Enterprise => Some(match name.as_str() {
            "employeenumber" => Attribute::Line(Line::EmployeeNumber),
            "costcenter" => Attribute::Line(Line::CostCenter),
            "organization" => Attribute::Line(Line::Organization),
            "division" => Attribute::Line(Line::Division),
            "department" => Attribute::Line(Line::Department),
            "manager" => Attribute::Manager,
            _ => return None,
        }),
        Schema::Guest => match name.as_str() {
            "type" => Some(Attribute::GuestType),
            "expiration" => Some(Attribute::GuestExpiration),
            "channels" => Some(Attribute::ReadOnly),
            _ => None,
        },
        Schema::Profile => (name == "startdate").then_some(Attribute::StartDate),
        Schema::User | Schema::Group | Schema::List => core(&name),
    }
}

fn core(name: &str) -> Option<Attribute> {
    Some(match name {
        "schemas" | "id" | "meta" | "groups" => Attribute::ReadOnly,
        "username" => Attribute::Line(Line::UserName),
        "nickname" => Attribute::Line(Line::NickName),
        "displayname" => Attribute::Line(Line::DisplayName),
        "title" => Attribute::Line(Line::Title),
        "timezone" => Attribute::Line(Line::Timezone),
        "locale" => Attribute::Line(Line::Locale),
        "preferredlanguage" => Attribute::Line(Line::PreferredLanguage),
        "usertype" => Attribute::Line(Line::UserType),
        "profileurl" => Attribute::ProfileUrl,
        "externalid" => Attribute::ExternalId,
        "password" => Attribute::Password,
        "active" => Attribute::Active,
        "name" => Attribute::Name,
        "emails" => Attribute::Emails,
        "phonenumbers" => Attribute::PhoneNumbers,
        "photos" => Attribute::Photos,
        // Slack's own example removes `address`.
        "addresses" | "address" => Attribute::Addresses,
        "roles" => Attribute::Roles,
        _ => return None,
    })
}

fn name_part(part: &str) -> Option<Attribute> {
    match part {
        "givenname" => Some(Attribute::Line(Line::GivenName)),
        "familyname" => Some(Attribute::Line(Line::FamilyName)),
        "honorificprefix" => Some(Attribute::Line(Line::HonorificPrefix)),
        // Slack keeps the three others alone.
        "formatted" | "middlename" | "honorificsuffix" => Some(Attribute::ReadOnly),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two(path: &str) -> Option<Target> {
        Target::parse(Version::Two, path)
    }

    fn plain(attribute: Attribute) -> Target {
        Target { attribute, pick: None, part: None }
    }

    #[test]
    fn paths_name_attributes_parts_and_elements() {
        assert_eq!(two("userName"), Some(plain(Attribute::Line(Line::UserName))));
        assert_eq!(two("NAME.givenname"), Some(plain(Attribute::Line(Line::GivenName))));
        let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        assert_eq!(two(enterprise), Some(plain(Attribute::Enterprise)));
        for join in [':', '.'] {
            let path = format!("{enterprise}{join}manager.managerId");
            assert_eq!(two(&path), Some(plain(Attribute::ManagerId)));
        }
        let pick =
            |part: &str, value: &str| Some(Pick { part: part.to_owned(), value: value.to_owned() });
        let phone = Target {
            attribute: Attribute::PhoneNumbers,
            pick: pick("value", "a].b"),
            part: Some("value".to_owned()),
        };
        assert_eq!(two(r#"phoneNumbers[value eq "a].b"].value"#), Some(phone));
        let email =
            Target { attribute: Attribute::Emails, pick: pick("primary", "false"), part: None };
        assert_eq!(two("emails[Primary EQ false]"), Some(email));
        let one = Target::parse(Version::One, "urn:scim:schemas:extension:enterprise:1.0.division");
        assert_eq!(one, Some(plain(Attribute::Line(Line::Division))));
    }

    #[test]
    fn what_leads_nowhere_is_no_path() {
        let user = "urn:ietf:params:scim:schemas:core:2.0:User";
        for path in ["", "shoes", "title.x", "emails[value]", "emails[value eq", "emails.", user] {
            assert_eq!(two(path), None, "{path}");
        }
        assert_eq!(two(&format!("{user}:title")), Some(plain(Attribute::Line(Line::Title))));
    }
}
