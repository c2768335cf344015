//! Helpers of the SCIM write tests.

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use super::{Client, TestResponse};

/// Core user schemas of version 1.1 and 2.0.
pub(super) const CORE: [&str; 2] =
    ["urn:scim:schemas:core:1.0", "urn:ietf:params:scim:schemas:core:2.0:User"];
/// Enterprise extension schemas.
pub(super) const ENTERPRISE: [&str; 2] = [
    "urn:scim:schemas:extension:enterprise:1.0",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
];
/// Guest extension schemas.
pub(super) const GUEST: [&str; 2] = [
    "urn:scim:schemas:extension:slack:guest:1.0",
    "urn:ietf:params:scim:schemas:extension:slack:guest:2.0:User",
];
/// Profile extension schemas.
pub(super) const PROFILE: [&str; 2] = [
    "urn:scim:schemas:extension:slack:profile:1.0",
    "urn:ietf:params:scim:schemas:extension:slack:profile:2.0:User",
];

/// Returns the error code of a response in either version; empty if there is none.
pub(super) fn code(response: &Value) -> &str {
    response["detail"].as_str().or(response["Errors"]["description"].as_str()).unwrap_or_default()
}

/// Returns a `PATCH` body of version 2.0.
pub(super) fn patch(operations: &Value) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations})
}

impl Client {
    /// Sends a body to SCIM.
    pub(super) async fn scim(&self, verb: &str, path: &str, body: &Value) -> TestResponse {
        let bearer = format!("Bearer {}", self.token);
        let request = Request::builder().method(verb).uri(path).header("authorization", bearer);
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// Patches a user or a group with operations (version 2.0).
    pub(super) async fn operate(&self, path: &str, operations: Value) -> Value {
        self.scim("PATCH", &format!("/scim/v2/{path}"), &patch(&operations)).await.json()
    }

    /// Patches a user or a group with a partial resource (version 1.1).
    pub(super) async fn merge(&self, path: &str, mut part: Value) -> Value {
        part["schemas"] = json!([CORE[0]]);
        self.scim("PATCH", &format!("/scim/v1/{path}"), &part).await.json()
    }
}
