//! The two versions of SCIM: paths, schema URNs and error formats.

use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::super::fault_injection::{ApiErrorFormat, PendingResponse};

/// A version of SCIM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScimVersion {
    /// 1.1
    One,
    /// 2.0
    Two,
}

/// A schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ScimSchema {
    /// Core attributes of users.
    User,
    /// Groups.
    Group,
    /// Enterprise extension of users.
    Enterprise,
    /// Guest extension of users.
    Guest,
    /// Slack's profile extension of users.
    Profile,
    /// List responses.
    List,
}

impl ScimVersion {
    /// Parses the version segment of a path.
    pub(super) fn parse(segment: &str) -> Option<Self> {
        match segment {
            "v1" => Some(Self::One),
            "v2" => Some(Self::Two),
            _ => None,
        }
    }

    /// Returns the path segment of the version.
    pub(super) fn segment(self) -> &'static str {
        match self {
            Self::One => "v1",
            Self::Two => "v2",
        }
    }

    /// Returns the URN of a schema.
    pub(super) fn urn(self, schema: ScimSchema) -> &'static str {
        match (self, schema) {
            (Self::One, ScimSchema::User | ScimSchema::Group | ScimSchema::List) => {
                "urn:scim:schemas:core:1.0"
            }
            (Self::One, ScimSchema::Enterprise) => "urn:scim:schemas:extension:enterprise:1.0",
            (Self::One, ScimSchema::Guest) => "urn:scim:schemas:extension:slack:guest:1.0",
            (Self::One, ScimSchema::Profile) => "urn:scim:schemas:extension:slack:profile:1.0",
            (Self::Two, ScimSchema::User) => "urn:ietf:params:scim:schemas:core:2.0:User",
            (Self::Two, ScimSchema::Group) => "urn:ietf:params:scim:schemas:core:2.0:Group",
            (Self::Two, ScimSchema::List) => "urn:ietf:params:scim:api:messages:2.0:ListResponse",
            (Self::Two, ScimSchema::Enterprise) => {
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
            }
            (Self::Two, ScimSchema::Guest) => {
                "urn:ietf:params:scim:schemas:extension:slack:guest:2.0:User"
            }
            (Self::Two, ScimSchema::Profile) => {
                "urn:ietf:params:scim:schemas:extension:slack:profile:2.0:User"
            }
        }
    }

    /// Returns an error in the format of this version.
    pub(super) fn error(self, trouble: ScimError) -> PendingResponse {
        let ScimError(status, code) = trouble;
        let body = match self {
            Self::One => json!({"Errors": {"description": code, "code": status.as_u16()}}),
            Self::Two => json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
                "detail": code,
                "status": status.as_u16(),
            }),
        };
        PendingResponse::new(status, body.to_string().into_bytes(), Some(code.to_owned()))
    }

    /// Returns the format of errors that do not depend on the request.
    pub(super) fn error_format(self) -> ApiErrorFormat {
        match self {
            Self::One => ApiErrorFormat {
                rate_limited: || Self::One.error(TOO_MANY),
                server_error: || Self::One.error(INTERNAL_ERROR),
                content_type: "application/json; charset=utf-8",
            },
            Self::Two => ApiErrorFormat {
                rate_limited: || Self::Two.error(TOO_MANY),
                server_error: || Self::Two.error(INTERNAL_ERROR),
                content_type: "application/scim+json; charset=utf-8",
            },
        }
    }
}

/// An error response: HTTP status and Slack's error code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ScimError(pub(super) StatusCode, pub(super) &'static str);

const TOO_MANY: ScimError = ScimError(StatusCode::TOO_MANY_REQUESTS, "too_many_requests");
const INTERNAL_ERROR: ScimError = ScimError(StatusCode::INTERNAL_SERVER_ERROR, "internal_error");

impl ScimError {
    /// Returns a 400 error.
    pub(super) fn bad_request(code: &'static str) -> Self {
        Self(StatusCode::BAD_REQUEST, code)
    }

    /// Returns a 405 error.
    pub(super) fn method_not_allowed() -> Self {
        Self(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed")
    }

    /// Returns a 409 error.
    pub(super) fn conflict(code: &'static str) -> Self {
        Self(StatusCode::CONFLICT, code)
    }

    /// Returns a 404 error.
    pub(super) fn not_found(code: &'static str) -> Self {
        Self(StatusCode::NOT_FOUND, code)
    }
}

/// Returns a 200 response.
pub(super) fn success(body: &Value) -> PendingResponse {
    PendingResponse::new(StatusCode::OK, body.to_string().into_bytes(), None)
}

/// Returns a 201 response with the location of the new resource.
pub(super) fn created(body: &Value) -> PendingResponse {
    let mut outcome =
        PendingResponse::new(StatusCode::CREATED, body.to_string().into_bytes(), None);
    let location = body.pointer("/meta/location").and_then(Value::as_str);
    if let Some(Ok(location)) = location.map(HeaderValue::from_str) {
        outcome.headers.insert(LOCATION, location);
    }
    outcome
}

/// Returns a 204 response.
pub(super) fn no_content() -> PendingResponse {
    PendingResponse::new(StatusCode::NO_CONTENT, Vec::new(), None)
}
