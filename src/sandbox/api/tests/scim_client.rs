//! What the tests of SCIM's writes have in common.

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};

use super::{Answer, Client};

/// The names of users' attributes in version 1.1 and in version 2.0.
pub(super) const CORE: [&str; 2] =
    ["urn:scim:schemas:core:1.0", "urn:ietf:params:scim:schemas:core:2.0:User"];
/// Those of a company's attributes.
pub(super) const ENTERPRISE: [&str; 2] = [
    "urn:scim:schemas:extension:enterprise:1.0",
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
];
/// Those of a guest's attributes.
pub(super) const GUEST: [&str; 2] = [
    "urn:scim:schemas:extension:slack:guest:1.0",
    "urn:ietf:params:scim:schemas:extension:slack:guest:2.0:User",
];
/// Those of the attributes of Slack's own profile.
pub(super) const PROFILE: [&str; 2] = [
    "urn:scim:schemas:extension:slack:profile:1.0",
    "urn:ietf:params:scim:schemas:extension:slack:profile:2.0:User",
];

/// The code of a refusal, in whatever version; empty when it is none.
pub(super) fn code(answer: &Value) -> &str {
    answer["detail"].as_str().or(answer["Errors"]["description"].as_str()).unwrap_or_default()
}

/// A request of version 2.0 to change something.
pub(super) fn patch(operations: &Value) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations})
}

impl Client {
    /// Sends a body to SCIM.
    pub(super) async fn scim(&self, verb: &str, path: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let request = Request::builder().method(verb).uri(path).header("authorization", bearer);
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// Changes a user or a group by operations of version 2.0.
    pub(super) async fn operate(&self, path: &str, operations: Value) -> Value {
        self.scim("PATCH", &format!("/scim/v2/{path}"), &patch(&operations)).await.json()
    }

    /// Changes a user or a group by a part of it, in version 1.1.
    pub(super) async fn merge(&self, path: &str, mut part: Value) -> Value {
        part["schemas"] = json!([CORE[0]]);
        self.scim("PATCH", &format!("/scim/v1/{path}"), &part).await.json()
    }
}
