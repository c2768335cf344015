//! The attributes of users, groups and the extensions, as `/Schemas` publishes them.

use serde_json::{Map, Value, json};

use super::version::{Schema, Version};

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Flag,
    Moment,
    /// An address of something outside.
    Link,
    /// Several values with names of their own.
    Parts(&'static [Attribute]),
}

/// What a client may do with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Free,
    ReadOnly,
    /// Taken, never shown.
    WriteOnly,
}

/// An attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Attribute {
    name: &'static str,
    kind: Kind,
    many: bool,
    required: bool,
    unique: bool,
    allowed: Use,
}

impl Attribute {
    /// A single one that may be left out.
    const fn one(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, many: false, required: false, unique: false, allowed: Use::Free }
    }

    /// A list that may be left out.
    const fn many(name: &'static str, parts: &'static [Self]) -> Self {
        Self { many: true, ..Self::one(name, Kind::Parts(parts)) }
    }

    const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    const fn unique(self) -> Self {
        Self { unique: true, ..self }
    }

    const fn only(self, allowed: Use) -> Self {
        Self { allowed, ..self }
    }
}

const VALUE: Attribute = Attribute::one("value", Kind::Text);
const PRIMARY: Attribute = Attribute::one("primary", Kind::Flag);
const TYPE: Attribute = Attribute::one("type", Kind::Text);
const DISPLAY: Attribute = Attribute::one("display", Kind::Text).only(Use::ReadOnly);

const NAME: &[Attribute] = &[
    Attribute::one("givenName", Kind::Text),
    Attribute::one("familyName", Kind::Text),
    Attribute::one("honorificPrefix", Kind::Text),
];

const ADDRESS: &[Attribute] = &[
    Attribute::one("streetAddress", Kind::Text),
    Attribute::one("locality", Kind::Text),
    Attribute::one("region", Kind::Text),
    Attribute::one("postalCode", Kind::Text),
    Attribute::one("country", Kind::Text),
    PRIMARY,
];

const USER: &[Attribute] = &[
    Attribute::one("userName", Kind::Text).required().unique(),
    Attribute::one("nickName", Kind::Text),
    Attribute::one("name", Kind::Parts(NAME)),
    Attribute::one("displayName", Kind::Text),
    Attribute::one("profileUrl", Kind::Link),
    Attribute::one("title", Kind::Text),
    Attribute::one("timezone", Kind::Text),
    Attribute::one("active", Kind::Flag),
    Attribute::many("emails", &[VALUE.required(), TYPE, PRIMARY]).required(),
    Attribute::many("photos", &[Attribute::one("value", Kind::Link), TYPE]),
    Attribute::many("addresses", ADDRESS),
    Attribute::many("phoneNumbers", &[VALUE, TYPE, PRIMARY]),
    Attribute::one("userType", Kind::Text),
    Attribute::many("roles", &[VALUE, PRIMARY]),
    Attribute::one("preferredLanguage", Kind::Text),
    Attribute::one("locale", Kind::Text),
    Attribute::many("groups", &[VALUE.only(Use::ReadOnly), DISPLAY]).only(Use::ReadOnly),
    Attribute::one("password", Kind::Text).only(Use::WriteOnly),
];

const ENTERPRISE: &[Attribute] = &[
    Attribute::one("employeeNumber", Kind::Text),
    Attribute::one("costCenter", Kind::Text),
    Attribute::one("organization", Kind::Text),
    Attribute::one("division", Kind::Text),
    Attribute::one("department", Kind::Text),
    Attribute::one("manager", Kind::Parts(&[Attribute::one("managerId", Kind::Text)])),
];

const GUEST: &[Attribute] = &[
    Attribute::one("type", Kind::Text),
    Attribute::one("expiration", Kind::Moment),
    Attribute::many("channels", &[VALUE.only(Use::ReadOnly), DISPLAY]).only(Use::ReadOnly),
];

const PROFILE: &[Attribute] = &[Attribute::one("startDate", Kind::Moment)];

const GROUP: &[Attribute] = &[
    Attribute::one("displayName", Kind::Text).required(),
    Attribute::many("members", &[VALUE, DISPLAY]),
];

/// The extensions of users.
pub(super) const EXTENSIONS: [Schema; 3] = [Schema::Enterprise, Schema::Guest, Schema::Profile];

fn attributes(of: Schema) -> &'static [Attribute] {
    match of {
        Schema::User => USER,
        Schema::Group => GROUP,
        Schema::Enterprise => ENTERPRISE,
        Schema::Guest => GUEST,
        Schema::Profile => PROFILE,
        Schema::List => &[],
    }
}

fn name(of: Schema) -> &'static str {
    match of {
        Schema::User => "User",
        Schema::Group => "Group",
        Schema::Enterprise => "Enterprise user",
        Schema::Guest => "Guest",
        Schema::Profile => "Profile",
        Schema::List => "List",
    }
}

/// What `/Schemas/Users` and `/Schemas/Groups` say: a user's comes with the extensions.
pub(super) fn page(version: Version, of: Schema, base: &str) -> Value {
    let own = attributes(of).iter().map(|one| described(version, of, one));
    let extensions: &[Schema] = if of == Schema::User { &EXTENSIONS } else { &[] };
    let added = extensions.iter().map(|extension| {
        let parts = Kind::Parts(attributes(*extension));
        described(version, *extension, &Attribute::one(version.urn(*extension), parts))
    });
    let all: Vec<Value> = own.chain(added).collect();
    schema(version, of, &all, base)
}

/// The schema with an URN, by itself.
pub(super) fn find(version: Version, base: &str, urn: &str) -> Option<Value> {
    let mut all = all();
    let found = all.find(|of| version.urn(*of).eq_ignore_ascii_case(urn))?;
    Some(alone(version, base, found))
}

fn all() -> impl Iterator<Item = Schema> {
    [Schema::User, Schema::Group].into_iter().chain(EXTENSIONS)
}

fn alone(version: Version, base: &str, of: Schema) -> Value {
    let own: Vec<Value> = attributes(of).iter().map(|one| described(version, of, one)).collect();
    schema(version, of, &own, base)
}

/// What `/Schemas` says: every schema by itself.
pub(super) fn list(version: Version, base: &str) -> Value {
    let resources: Vec<Value> = all().map(|of| alone(version, base, of)).collect();
    json!({
        "schemas": [version.urn(Schema::List)],
        "totalResults": resources.len(),
        "itemsPerPage": resources.len(),
        "startIndex": 1,
        "Resources": resources,
    })
}

fn schema(version: Version, of: Schema, attributes: &[Value], base: &str) -> Value {
    let mut schema = json!({
        "id": version.urn(of),
        "name": name(of),
        "description": format!("{} of the organization", name(of)),
        "attributes": attributes,
    });
    if let (Version::Two, Some(fields)) = (version, schema.as_object_mut()) {
        let urn = "urn:ietf:params:scim:schemas:core:2.0:Schema";
        fields.insert("schemas".to_owned(), json!([urn]));
        let location = format!("{base}/scim/v2/Schemas/{}", version.urn(of));
        let meta = json!({"location": location, "resourceType": "Schema"});
        fields.insert("meta".to_owned(), meta);
    }
    schema
}

fn described(version: Version, of: Schema, attribute: &Attribute) -> Value {
    let mut fields = Map::new();
    let mut add = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    let (kind, parts): (&str, &[Attribute]) = match attribute.kind {
        Kind::Text => ("string", &[]),
        Kind::Flag => ("boolean", &[]),
        Kind::Moment => ("dateTime", &[]),
        // SCIM 1.1 has no type for addresses.
        Kind::Link if version == Version::One => ("string", &[]),
        Kind::Link => ("reference", &[]),
        Kind::Parts(parts) => ("complex", parts),
    };
    add("name", json!(attribute.name));
    add("type", json!(kind));
    add("multiValued", json!(attribute.many));
    add("required", json!(attribute.required));
    add("caseExact", json!(false));
    match version {
        Version::One => {
            add("schema", json!(version.urn(of)));
            add("readOnly", json!(attribute.allowed == Use::ReadOnly));
        }
        Version::Two => {
            let (mutability, returned) = match attribute.allowed {
                Use::Free => ("readWrite", "default"),
                Use::ReadOnly => ("readOnly", "default"),
                Use::WriteOnly => ("writeOnly", "never"),
            };
            add("mutability", json!(mutability));
            add("returned", json!(returned));
            add("uniqueness", json!(if attribute.unique { "server" } else { "none" }));
            if attribute.kind == Kind::Link {
                add("referenceTypes", json!(["external"]));
            }
        }
    }
    if !parts.is_empty() {
        let parts: Vec<Value> = parts.iter().map(|one| described(version, of, one)).collect();
        add("subAttributes", json!(parts));
    }
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute<'a>(schema: &'a Value, name: &str) -> &'a Value {
        let all = schema["attributes"].as_array().unwrap();
        all.iter().find(|one| one["name"] == name).unwrap()
    }

    #[test]
    fn a_users_page_tells_of_the_extensions_too() {
        for version in [Version::One, Version::Two] {
            let page = page(version, Schema::User, "");
            let guest = attribute(&page, version.urn(Schema::Guest));
            let parts = guest["subAttributes"].as_array().unwrap();
            assert!(parts.iter().any(|part| part["name"] == "expiration"), "{guest}");
            assert_eq!(attribute(&page, "userName")["required"], true);
        }
    }

    #[test]
    fn each_version_describes_attributes_in_its_own_words() {
        let old = page(Version::One, Schema::User, "");
        assert_eq!(attribute(&old, "groups")["readOnly"], true);
        assert_eq!(attribute(&old, "groups")["schema"], "urn:scim:schemas:core:1.0");
        let new = list(Version::Two, "");
        let user = &new["Resources"][0];
        assert_eq!(attribute(user, "groups")["mutability"], "readOnly");
        assert_eq!(attribute(user, "password")["returned"], "never");
        assert_eq!(attribute(user, "userName")["uniqueness"], "server");
        assert_eq!(new["totalResults"], 5);
    }
}
