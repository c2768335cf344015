//! The two versions of SCIM: the names of their schemas and the shape of their errors.

use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::super::exchange::{Outcome, Voice};

/// A version of SCIM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// 1.1
    One,
    /// 2.0
    Two,
}

/// What a schema describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Schema {
    /// The attributes that every user has.
    User,
    /// A group.
    Group,
    /// What a company knows of its people.
    Enterprise,
    /// A guest's stay.
    Guest,
    /// What Slack's own profile adds.
    Profile,
    /// A page of a list.
    List,
}

impl Version {
    /// The version that a path names.
    pub(super) fn of(segment: &str) -> Option<Self> {
        match segment {
            "v1" => Some(Self::One),
            "v2" => Some(Self::Two),
            _ => None,
        }
    }

    /// The segment of its path.
    pub(super) fn segment(self) -> &'static str {
        match self {
            Self::One => "v1",
            Self::Two => "v2",
        }
    }

    /// The name of a schema.
    pub(super) fn urn(self, schema: Schema) -> &'static str {
        match (self, schema) {
            (Self::One, Schema::User | Schema::Group | Schema::List) => "urn:scim:schemas:core:1.0",
            (Self::One, Schema::Enterprise) => "urn:scim:schemas:extension:enterprise:1.0",
            (Self::One, Schema::Guest) => "urn:scim:schemas:extension:slack:guest:1.0",
            (Self::One, Schema::Profile) => "urn:scim:schemas:extension:slack:profile:1.0",
            (Self::Two, Schema::User) => "urn:ietf:params:scim:schemas:core:2.0:User",
            (Self::Two, Schema::Group) => "urn:ietf:params:scim:schemas:core:2.0:Group",
            (Self::Two, Schema::List) => "urn:ietf:params:scim:api:messages:2.0:ListResponse",
            (Self::Two, Schema::Enterprise) => {
                "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
            }
            (Self::Two, Schema::Guest) => {
                "urn:ietf:params:scim:schemas:extension:slack:guest:2.0:User"
            }
            (Self::Two, Schema::Profile) => {
                "urn:ietf:params:scim:schemas:extension:slack:profile:2.0:User"
            }
        }
    }

    /// An error in the shape of this version.
    pub(super) fn error(self, trouble: Trouble) -> Outcome {
        let Trouble(status, code) = trouble;
        let body = match self {
            Self::One => json!({"Errors": {"description": code, "code": status.as_u16()}}),
            Self::Two => json!({
                "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
                "detail": code,
                "status": status.as_u16(),
            }),
        };
        Outcome::new(status, body.to_string().into_bytes(), Some(code.to_owned()))
    }

    /// How this version tells of trouble.
    pub(super) fn voice(self) -> Voice {
        match self {
            Self::One => Voice {
                rate_limited: || Self::One.error(TOO_MANY),
                server_error: || Self::One.error(BROKEN),
                content_type: "application/json; charset=utf-8",
            },
            Self::Two => Voice {
                rate_limited: || Self::Two.error(TOO_MANY),
                server_error: || Self::Two.error(BROKEN),
                content_type: "application/scim+json; charset=utf-8",
            },
        }
    }
}

/// A status and the code that goes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trouble(pub(super) StatusCode, pub(super) &'static str);

const TOO_MANY: Trouble = Trouble(StatusCode::TOO_MANY_REQUESTS, "too_many_requests");
const BROKEN: Trouble = Trouble(StatusCode::INTERNAL_SERVER_ERROR, "internal_error");

impl Trouble {
    /// A question that cannot be answered.
    pub(super) fn bad(code: &'static str) -> Self {
        Self(StatusCode::BAD_REQUEST, code)
    }

    /// A verb that is of no use there.
    pub(super) fn method() -> Self {
        Self(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed")
    }

    /// Something that somebody else has.
    pub(super) fn conflict(code: &'static str) -> Self {
        Self(StatusCode::CONFLICT, code)
    }

    /// Something that is not there.
    pub(super) fn missing(code: &'static str) -> Self {
        Self(StatusCode::NOT_FOUND, code)
    }
}

/// A successful answer.
pub(super) fn success(body: &Value) -> Outcome {
    Outcome::new(StatusCode::OK, body.to_string().into_bytes(), None)
}

/// The answer to something that was made: what it is and where.
pub(super) fn created(body: &Value) -> Outcome {
    let mut outcome = Outcome::new(StatusCode::CREATED, body.to_string().into_bytes(), None);
    let location = body.pointer("/meta/location").and_then(Value::as_str);
    if let Some(Ok(location)) = location.map(HeaderValue::from_str) {
        outcome.headers.insert(LOCATION, location);
    }
    outcome
}

/// A successful answer that has nothing to say.
pub(super) fn nothing() -> Outcome {
    Outcome::new(StatusCode::NO_CONTENT, Vec::new(), None)
}
