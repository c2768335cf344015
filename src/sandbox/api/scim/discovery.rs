//! What the server says about itself: configuration, resource types, schemas.

use serde_json::{Value, json};

use super::version::{Schema, Version};

/// What is supported and what is not.
pub(super) fn service_provider_config(version: Version) -> Value {
    let mut config = json!({
        "patch": {"supported": true},
        "bulk": {"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": version == Version::One, "maxResults": 1_000},
        "changePassword": {"supported": false},
        "sort": {"supported": false},
        "etag": {"supported": false},
        "xmlDataFormat": {"supported": false},
        "authenticationSchemes": [{
            "type": "oauth2",
            "name": "OAuth 2.0",
            "description": "A user token of an app installed on the organization, scope admin",
            "specUrl": "https://docs.slack.dev/authentication",
            "primary": true,
        }],
    });
    let urn = match version {
        Version::One => "urn:scim:schemas:core:1.0",
        Version::Two => "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig",
    };
    if let Some(fields) = config.as_object_mut() {
        fields.insert("schemas".to_owned(), json!([urn]));
    }
    config
}

/// The two kinds of resources.
pub(super) fn resource_types(base: &str) -> Value {
    let version = Version::Two;
    let urn = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";
    let kind = |name: &str, endpoint: &str, schema: Schema, extensions: &[Schema]| {
        let extensions: Vec<Value> = extensions
            .iter()
            .map(|one| json!({"schema": version.urn(*one), "required": false}))
            .collect();
        json!({
            "schemas": [urn],
            "id": name,
            "name": name,
            "endpoint": endpoint,
            "description": format!("{name} of the organization"),
            "schema": version.urn(schema),
            "schemaExtensions": extensions,
            "meta": {
                "location": format!("{base}/scim/v2/ResourceTypes/{name}"),
                "resourceType": "ResourceType",
            },
        })
    };
    let extensions = [Schema::Enterprise, Schema::Guest, Schema::Profile];
    json!({
        "schemas": [version.urn(Schema::List)],
        "totalResults": 2,
        "itemsPerPage": 2,
        "startIndex": 1,
        "Resources": [
            kind("User", "/Users", Schema::User, &extensions),
            kind("Group", "/Groups", Schema::Group, &[]),
        ],
    })
}

/// Name, whether it is required, whether it can be written.
type Attribute = (&'static str, &'static str, bool, bool);

const USER: &[Attribute] = &[
    ("id", "string", false, false),
    ("externalId", "string", false, true),
    ("userName", "string", true, true),
    ("nickName", "string", false, true),
    ("name", "complex", false, true),
    ("displayName", "string", false, true),
    ("profileUrl", "string", false, true),
    ("title", "string", false, true),
    ("timezone", "string", false, true),
    ("active", "boolean", false, true),
    ("emails", "complex", true, true),
    ("photos", "complex", false, true),
    ("addresses", "complex", false, true),
    ("phoneNumbers", "complex", false, true),
    ("userType", "string", false, true),
    ("roles", "complex", false, true),
    ("preferredLanguage", "string", false, true),
    ("locale", "string", false, true),
    ("groups", "complex", false, false),
];

const GROUP: &[Attribute] = &[
    ("id", "string", false, false),
    ("displayName", "string", true, true),
    ("members", "complex", false, true),
];

/// The schema of one kind of resource.
pub(super) fn schema(version: Version, of: Schema) -> Value {
    let (name, attributes) = match of {
        Schema::Group => ("Group", GROUP),
        Schema::User | Schema::Enterprise | Schema::Guest | Schema::Profile | Schema::List => {
            ("User", USER)
        }
    };
    let attribute = |(name, kind, required, writable): &Attribute| {
        let many = matches!(*name, "emails" | "photos" | "addresses" | "phoneNumbers" | "roles")
            || matches!(*name, "groups" | "members");
        json!({
            "name": name,
            "type": kind,
            "multiValued": many,
            "required": required,
            "mutability": if *writable { "readWrite" } else { "readOnly" },
        })
    };
    let attributes: Vec<Value> = attributes.iter().map(attribute).collect();
    json!({"id": version.urn(of), "name": name, "attributes": attributes})
}

/// Both schemas.
pub(super) fn schemas(version: Version) -> Value {
    let both = [schema(version, Schema::User), schema(version, Schema::Group)];
    json!({
        "schemas": [version.urn(Schema::List)],
        "totalResults": 2,
        "itemsPerPage": 2,
        "startIndex": 1,
        "Resources": both,
    })
}
