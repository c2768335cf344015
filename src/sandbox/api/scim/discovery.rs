//! What the server says about itself: configuration and resource types.

use serde_json::{Value, json};

use super::endpoint::About;
use super::schemas::{self, EXTENSIONS};
use super::version::{Schema, Version};

/// What the server says about itself; none of what is not there.
pub(super) fn page(version: Version, base: &str, about: &About) -> Option<Value> {
    match about {
        About::Config => Some(service_provider_config(version, base)),
        About::ResourceTypes => Some(resource_types(base)),
        About::ResourceType(id) => {
            let (_, found) = resource_type_list(base).into_iter().find(|(name, _)| name == id)?;
            Some(found)
        }
        About::Schemas => Some(schemas::list(version, base)),
        About::Schema(urn) => schemas::find(version, base, urn),
        About::UserSchema => Some(schemas::page(version, Schema::User, base)),
        About::GroupSchema => Some(schemas::page(version, Schema::Group, base)),
    }
}

/// What is supported and what is not.
fn service_provider_config(version: Version, base: &str) -> Value {
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
        if version == Version::Two {
            let location = format!("{base}/scim/v2/ServiceProviderConfig");
            let meta = json!({"location": location, "resourceType": "ServiceProviderConfig"});
            fields.insert("meta".to_owned(), meta);
        }
    }
    config
}

/// The two kinds of resources.
fn resource_types(base: &str) -> Value {
    let all: Vec<Value> = resource_type_list(base).into_iter().map(|(_, one)| one).collect();
    json!({
        "schemas": [Version::Two.urn(Schema::List)],
        "totalResults": all.len(),
        "itemsPerPage": all.len(),
        "startIndex": 1,
        "Resources": all,
    })
}

fn resource_type_list(base: &str) -> [(&'static str, Value); 2] {
    let version = Version::Two;
    let urn = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";
    let kind = |name: &'static str, endpoint: &str, schema: Schema, extensions: &[Schema]| {
        let extensions: Vec<Value> = extensions
            .iter()
            .map(|one| json!({"schema": version.urn(*one), "required": false}))
            .collect();
        let described = json!({
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
        });
        (name, described)
    };
    [
        kind("User", "/Users", Schema::User, &EXTENSIONS),
        kind("Group", "/Groups", Schema::Group, &[]),
    ]
}
