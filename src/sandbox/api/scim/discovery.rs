//! Discovery endpoints: service provider configuration and resource types.

use serde_json::{Value, json};

use super::endpoint::DiscoveryEndpoint;
use super::schemas::{self, EXTENSIONS};
use super::version::{ScimSchema, ScimVersion};

/// Returns the response of a discovery endpoint, or `None` if it does not exist.
pub(super) fn page(version: ScimVersion, base: &str, about: &DiscoveryEndpoint) -> Option<Value> {
    match about {
        DiscoveryEndpoint::Config => Some(service_provider_config(version, base)),
        DiscoveryEndpoint::ResourceTypes => Some(resource_types(base)),
        DiscoveryEndpoint::ResourceType(id) => {
            let (_, found) = resource_type_list(base).into_iter().find(|(name, _)| name == id)?;
            Some(found)
        }
        DiscoveryEndpoint::Schemas => Some(schemas::list(version, base)),
        DiscoveryEndpoint::Schema(urn) => schemas::find(version, base, urn),
        DiscoveryEndpoint::UserSchema => Some(schemas::page(version, ScimSchema::User, base)),
        DiscoveryEndpoint::GroupSchema => Some(schemas::page(version, ScimSchema::Group, base)),
    }
}

/// Returns the `ServiceProviderConfig`.
fn service_provider_config(version: ScimVersion, base: &str) -> Value {
    let mut config = json!({
        "patch": {"supported": true},
        "bulk": {"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": version == ScimVersion::One, "maxResults": 1_000},
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
        ScimVersion::One => "urn:scim:schemas:core:1.0",
        ScimVersion::Two => "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig",
    };
    if let Some(fields) = config.as_object_mut() {
        fields.insert("schemas".to_owned(), json!([urn]));
        if version == ScimVersion::Two {
            let location = format!("{base}/scim/v2/ServiceProviderConfig");
            let meta = json!({"location": location, "resourceType": "ServiceProviderConfig"});
            fields.insert("meta".to_owned(), meta);
        }
    }
    config
}

/// Returns both resource types.
fn resource_types(base: &str) -> Value {
    let all: Vec<Value> = resource_type_list(base).into_iter().map(|(_, one)| one).collect();
    json!({
        "schemas": [ScimVersion::Two.urn(ScimSchema::List)],
        "totalResults": all.len(),
        "itemsPerPage": all.len(),
        "startIndex": 1,
        "Resources": all,
    })
}

fn resource_type_list(base: &str) -> [(&'static str, Value); 2] {
    let version = ScimVersion::Two;
    let urn = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";
    let kind =
        |name: &'static str, endpoint: &str, schema: ScimSchema, extensions: &[ScimSchema]| {
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
        kind("User", "/Users", ScimSchema::User, &EXTENSIONS),
        kind("Group", "/Groups", ScimSchema::Group, &[]),
    ]
}
