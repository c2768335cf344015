//! Schemas of users, groups and extensions, as `/Schemas` publishes them.

use serde_json::{Map, Value, json};

use super::version::{ScimSchema, ScimVersion};

/// Type of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AttributeType {
    Text,
    Boolean,
    DateTime,
    /// A URL of an external resource.
    Reference,
    /// A complex attribute with sub-attributes.
    Complex(&'static [SchemaAttribute]),
}

/// Mutability of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mutability {
    ReadWrite,
    ReadOnly,
    /// Accepted, never returned.
    WriteOnly,
}

/// An attribute of a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SchemaAttribute {
    name: &'static str,
    attribute_type: AttributeType,
    multi_valued: bool,
    required: bool,
    unique: bool,
    mutability: Mutability,
}

impl SchemaAttribute {
    /// Returns an optional, single-valued attribute.
    const fn single(name: &'static str, kind: AttributeType) -> Self {
        Self {
            name,
            attribute_type: kind,
            multi_valued: false,
            required: false,
            unique: false,
            mutability: Mutability::ReadWrite,
        }
    }

    /// Returns an optional, multi-valued attribute.
    const fn multi(name: &'static str, parts: &'static [Self]) -> Self {
        Self { multi_valued: true, ..Self::single(name, AttributeType::Complex(parts)) }
    }

    const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    const fn unique(self) -> Self {
        Self { unique: true, ..self }
    }

    const fn with_mutability(self, allowed: Mutability) -> Self {
        Self { mutability: allowed, ..self }
    }
}

const VALUE: SchemaAttribute = SchemaAttribute::single("value", AttributeType::Text);
const PRIMARY: SchemaAttribute = SchemaAttribute::single("primary", AttributeType::Boolean);
const TYPE: SchemaAttribute = SchemaAttribute::single("type", AttributeType::Text);
const DISPLAY: SchemaAttribute =
    SchemaAttribute::single("display", AttributeType::Text).with_mutability(Mutability::ReadOnly);

const NAME: &[SchemaAttribute] = &[
    SchemaAttribute::single("givenName", AttributeType::Text),
    SchemaAttribute::single("familyName", AttributeType::Text),
    SchemaAttribute::single("honorificPrefix", AttributeType::Text),
];

const ADDRESS: &[SchemaAttribute] = &[
    SchemaAttribute::single("streetAddress", AttributeType::Text),
    SchemaAttribute::single("locality", AttributeType::Text),
    SchemaAttribute::single("region", AttributeType::Text),
    SchemaAttribute::single("postalCode", AttributeType::Text),
    SchemaAttribute::single("country", AttributeType::Text),
    PRIMARY,
];

const USER: &[SchemaAttribute] = &[
    SchemaAttribute::single("userName", AttributeType::Text).required().unique(),
    SchemaAttribute::single("nickName", AttributeType::Text),
    SchemaAttribute::single("name", AttributeType::Complex(NAME)),
    SchemaAttribute::single("displayName", AttributeType::Text),
    SchemaAttribute::single("profileUrl", AttributeType::Reference),
    SchemaAttribute::single("title", AttributeType::Text),
    SchemaAttribute::single("timezone", AttributeType::Text),
    SchemaAttribute::single("active", AttributeType::Boolean),
    SchemaAttribute::multi("emails", &[VALUE.required(), TYPE, PRIMARY]).required(),
    SchemaAttribute::multi(
        "photos",
        &[SchemaAttribute::single("value", AttributeType::Reference), TYPE],
    ),
    SchemaAttribute::multi("addresses", ADDRESS),
    SchemaAttribute::multi("phoneNumbers", &[VALUE, TYPE, PRIMARY]),
    SchemaAttribute::single("userType", AttributeType::Text),
    SchemaAttribute::multi("roles", &[VALUE, PRIMARY]),
    SchemaAttribute::single("preferredLanguage", AttributeType::Text),
    SchemaAttribute::single("locale", AttributeType::Text),
    SchemaAttribute::multi("groups", &[VALUE.with_mutability(Mutability::ReadOnly), DISPLAY])
        .with_mutability(Mutability::ReadOnly),
    SchemaAttribute::single("password", AttributeType::Text).with_mutability(Mutability::WriteOnly),
];

const ENTERPRISE: &[SchemaAttribute] = &[
    SchemaAttribute::single("employeeNumber", AttributeType::Text),
    SchemaAttribute::single("costCenter", AttributeType::Text),
    SchemaAttribute::single("organization", AttributeType::Text),
    SchemaAttribute::single("division", AttributeType::Text),
    SchemaAttribute::single("department", AttributeType::Text),
    SchemaAttribute::single(
        "manager",
        AttributeType::Complex(&[SchemaAttribute::single("managerId", AttributeType::Text)]),
    ),
];

const GUEST: &[SchemaAttribute] = &[
    SchemaAttribute::single("type", AttributeType::Text),
    SchemaAttribute::single("expiration", AttributeType::DateTime),
    SchemaAttribute::multi("channels", &[VALUE.with_mutability(Mutability::ReadOnly), DISPLAY])
        .with_mutability(Mutability::ReadOnly),
];

const PROFILE: &[SchemaAttribute] =
    &[SchemaAttribute::single("startDate", AttributeType::DateTime)];

const GROUP: &[SchemaAttribute] = &[
    SchemaAttribute::single("displayName", AttributeType::Text).required(),
    SchemaAttribute::multi("members", &[VALUE, DISPLAY]),
];

/// The extension schemas of users.
pub(super) const EXTENSIONS: [ScimSchema; 3] =
    [ScimSchema::Enterprise, ScimSchema::Guest, ScimSchema::Profile];

fn attributes(of: ScimSchema) -> &'static [SchemaAttribute] {
    match of {
        ScimSchema::User => USER,
        ScimSchema::Group => GROUP,
        ScimSchema::Enterprise => ENTERPRISE,
        ScimSchema::Guest => GUEST,
        ScimSchema::Profile => PROFILE,
        ScimSchema::List => &[],
    }
}

fn name(of: ScimSchema) -> &'static str {
    match of {
        ScimSchema::User => "User",
        ScimSchema::Group => "Group",
        ScimSchema::Enterprise => "Enterprise user",
        ScimSchema::Guest => "Guest",
        ScimSchema::Profile => "Profile",
        ScimSchema::List => "List",
    }
}

/// Returns the response of `/Schemas/Users` or `/Schemas/Groups`; users include the extensions.
pub(super) fn page(version: ScimVersion, of: ScimSchema, base: &str) -> Value {
    let own = attributes(of).iter().map(|one| describe(version, of, one));
    let extensions: &[ScimSchema] = if of == ScimSchema::User { &EXTENSIONS } else { &[] };
    let added = extensions.iter().map(|extension| {
        let parts = AttributeType::Complex(attributes(*extension));
        describe(version, *extension, &SchemaAttribute::single(version.urn(*extension), parts))
    });
    let all: Vec<Value> = own.chain(added).collect();
    schema(version, of, &all, base)
}

/// Returns the schema with this URN, without extensions.
pub(super) fn find(version: ScimVersion, base: &str, urn: &str) -> Option<Value> {
    let mut all = all();
    let found = all.find(|of| version.urn(*of).eq_ignore_ascii_case(urn))?;
    Some(without_extensions(version, base, found))
}

fn all() -> impl Iterator<Item = ScimSchema> {
    [ScimSchema::User, ScimSchema::Group].into_iter().chain(EXTENSIONS)
}

fn without_extensions(version: ScimVersion, base: &str, of: ScimSchema) -> Value {
    let own: Vec<Value> = attributes(of).iter().map(|one| describe(version, of, one)).collect();
    schema(version, of, &own, base)
}

/// Returns the response of `/Schemas`: all schemas, each without extensions.
pub(super) fn list(version: ScimVersion, base: &str) -> Value {
    let resources: Vec<Value> = all().map(|of| without_extensions(version, base, of)).collect();
    json!({
        "schemas": [version.urn(ScimSchema::List)],
        "totalResults": resources.len(),
        "itemsPerPage": resources.len(),
        "startIndex": 1,
        "Resources": resources,
    })
}

fn schema(version: ScimVersion, of: ScimSchema, attributes: &[Value], base: &str) -> Value {
    let mut schema = json!({
        "id": version.urn(of),
        "name": name(of),
        "description": format!("{} of the organization", name(of)),
        "attributes": attributes,
    });
    if let (ScimVersion::Two, Some(fields)) = (version, schema.as_object_mut()) {
        let urn = "urn:ietf:params:scim:schemas:core:2.0:Schema";
        fields.insert("schemas".to_owned(), json!([urn]));
        let location = format!("{base}/scim/v2/Schemas/{}", version.urn(of));
        let meta = json!({"location": location, "resourceType": "Schema"});
        fields.insert("meta".to_owned(), meta);
    }
    schema
}

fn describe(version: ScimVersion, of: ScimSchema, attribute: &SchemaAttribute) -> Value {
    let mut fields = Map::new();
    let mut add = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    let (kind, parts): (&str, &[SchemaAttribute]) = match attribute.attribute_type {
        AttributeType::Text => ("string", &[]),
        AttributeType::Boolean => ("boolean", &[]),
        AttributeType::DateTime => ("dateTime", &[]),
        // SCIM 1.1 has no type for URLs.
        AttributeType::Reference if version == ScimVersion::One => ("string", &[]),
        AttributeType::Reference => ("reference", &[]),
        AttributeType::Complex(parts) => ("complex", parts),
    };
    add("name", json!(attribute.name));
    add("type", json!(kind));
    add("multiValued", json!(attribute.multi_valued));
    add("required", json!(attribute.required));
    add("caseExact", json!(false));
    match version {
        ScimVersion::One => {
            add("schema", json!(version.urn(of)));
            add("readOnly", json!(attribute.mutability == Mutability::ReadOnly));
        }
        ScimVersion::Two => {
            let (mutability, returned) = match attribute.mutability {
                Mutability::ReadWrite => ("readWrite", "default"),
                Mutability::ReadOnly => ("readOnly", "default"),
                Mutability::WriteOnly => ("writeOnly", "never"),
            };
            add("mutability", json!(mutability));
            add("returned", json!(returned));
            add("uniqueness", json!(if attribute.unique { "server" } else { "none" }));
            if attribute.attribute_type == AttributeType::Reference {
                add("referenceTypes", json!(["external"]));
            }
        }
    }
    if !parts.is_empty() {
        let parts: Vec<Value> = parts.iter().map(|one| describe(version, of, one)).collect();
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
    fn user_schema_includes_extensions() {
        for version in [ScimVersion::One, ScimVersion::Two] {
            let page = page(version, ScimSchema::User, "");
            let guest = attribute(&page, version.urn(ScimSchema::Guest));
            let parts = guest["subAttributes"].as_array().unwrap();
            assert!(parts.iter().any(|part| part["name"] == "expiration"), "{guest}");
            assert_eq!(attribute(&page, "userName")["required"], true);
        }
    }

    #[test]
    fn describes_attributes_in_the_format_of_each_version() {
        let old = page(ScimVersion::One, ScimSchema::User, "");
        assert_eq!(attribute(&old, "groups")["readOnly"], true);
        assert_eq!(attribute(&old, "groups")["schema"], "urn:scim:schemas:core:1.0");
        let new = list(ScimVersion::Two, "");
        let user = &new["Resources"][0];
        assert_eq!(attribute(user, "groups")["mutability"], "readOnly");
        assert_eq!(attribute(user, "password")["returned"], "never");
        assert_eq!(attribute(user, "userName")["uniqueness"], "server");
        assert_eq!(new["totalResults"], 5);
    }
}
