//! What the server says about itself: configuration and resource types.

use serde_json::{Value, json};

use super::schemas::EXTENSIONS;
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
    json!({
        "schemas": [version.urn(Schema::List)],
        "totalResults": 2,
        "itemsPerPage": 2,
        "startIndex": 1,
        "Resources": [
            kind("User", "/Users", Schema::User, &EXTENSIONS),
            kind("Group", "/Groups", Schema::Group, &[]),
        ],
    })
}
