//! Discovery: reads `ServiceProviderConfig`, `ResourceTypes` and `Schemas` (RFC 7644 §4), and whether there is `/Me`.
//! Each may be missing or malformed: its part then has defaults.

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::Value;
use url::Url;

use super::ScimConnector;
use super::announcement::{read_config, read_resource_types, read_schemas, to_stored};
use super::classify::parse_base_url;
use super::describe::describe;
use super::features::ScimFeatures;
use super::link::field;
use super::settings::validate;
use crate::connectors::parse::parse;
use crate::connectors::path::uri;
use crate::connectors::{CallContext, ConnectorError, Discover, ErrorKind};
use crate::domain::account::IntegratedAccount;
use crate::domain::capabilities::Capabilities;
use crate::domain::patch::ValidationError;
use crate::upstream::{
    Idempotency, ProviderRequest, RequestBody, RequestToken, ResponseClass, ResponseClassifier,
    TokenCheckResponse, TokenStatus,
};

/// Accepted media types (RFC 7644 §3.1).
const MEDIA_TYPE: &str = "application/scim+json, application/json;q=0.9";

/// A part of what a server announces.
enum Part {
    /// Its body.
    Found(Value),
    /// The server does not have it.
    Absent,
    /// It could not be read.
    Failed(Box<ConnectorError>),
}

/// The classifier of announcements: a server may return anything on these paths, so nothing follows for the token.
struct AnnouncementClassifier;

impl ResponseClassifier for AnnouncementClassifier {
    fn classify(&self, status: StatusCode, _: &HeaderMap, _: Option<&[u8]>) -> ResponseClass {
        match status {
            StatusCode::TOO_MANY_REQUESTS => ResponseClass::RateLimited,
            StatusCode::NOT_IMPLEMENTED => ResponseClass::Final,
            status if status.is_server_error() => ResponseClass::ServerError,
            _ => ResponseClass::Final,
        }
    }

    fn token_check_url(&self, _: &IntegratedAccount) -> Option<Url> {
        None
    }

    fn token_status(&self, _: &TokenCheckResponse) -> TokenStatus {
        TokenStatus::Unknown
    }
}

#[async_trait]
impl Discover for ScimConnector {
    async fn discover(&self, cx: &CallContext<'_>) -> Result<Value, ConnectorError> {
        let method = "scim.serviceproviderconfig.get";
        let (config, types, schemas, me) = tokio::join!(
            self.announcement(cx, method, "ServiceProviderConfig"),
            self.announcement(cx, "scim.resourcetypes.get", "ResourceTypes"),
            self.announcement(cx, "scim.schemas.get", "Schemas"),
            self.announcement(cx, "scim.me.get", "Me"),
        );
        let last = ScimFeatures::of(cx.account);
        let features = match (config, types, schemas) {
            (Part::Failed(error), Part::Failed(_), Part::Failed(_)) => return Err(*error),
            (config, types, schemas) => condense(&[config, types, schemas, me], &last),
        };
        to_stored(features).map_err(|_| cx.error(method, ErrorKind::Internal))
    }

    fn describe(&self, account: &IntegratedAccount) -> Capabilities {
        describe(self, account)
    }

    fn validate_settings(&self, settings: &Value) -> Result<(), Vec<ValidationError>> {
        validate(settings)
    }
}

impl ScimConnector {
    /// Reads a part of what the server announces.
    async fn announcement(
        &self,
        cx: &CallContext<'_>,
        method: &'static str,
        segment: &str,
    ) -> Part {
        let Some(request) = self.announcement_request(cx, method, segment) else {
            return Part::Absent;
        };
        let response = match cx.fetch(request, &AnnouncementClassifier).await {
            Ok(response) => response,
            Err(error) => return Part::Failed(Box::new(error)),
        };
        let status = response.status;
        if matches!(response.class, ResponseClass::ServerError | ResponseClass::RateLimited) {
            let code = format!("http_{}", status.as_u16());
            let error = cx.error(method, ErrorKind::ProviderError).with_code(code);
            return Part::Failed(Box::new(error));
        }
        let is_absent = matches!(
            status,
            StatusCode::NOT_FOUND
                | StatusCode::METHOD_NOT_ALLOWED
                | StatusCode::GONE
                | StatusCode::NOT_IMPLEMENTED
        );
        match parse::<Value>(&response.into_body()) {
            Ok(body) if status.is_success() => Part::Found(body),
            // A rejected token or a page about maintenance says nothing about a server that announced its features.
            Ok(_) | Err(_) if !is_absent && ScimFeatures::of(cx.account).announced => {
                let code = format!("http_{}", status.as_u16());
                let error = cx.error(method, ErrorKind::ProviderError).with_code(code);
                Part::Failed(Box::new(error))
            }
            Ok(_) | Err(_) => Part::Absent,
        }
    }

    fn announcement_request(
        &self,
        cx: &CallContext<'_>,
        method: &'static str,
        segment: &str,
    ) -> Option<Box<ProviderRequest>> {
        let mut url = parse_base_url(cx.account.base_url.as_deref())?;
        url.path_segments_mut().ok()?.pop_if_empty().push(segment);
        let accepted = HeaderValue::from_static(MEDIA_TYPE);
        Some(Box::new(ProviderRequest {
            name: method.into(),
            method: Method::GET,
            uri: uri(&url)?,
            headers: HeaderMap::from_iter([(header::ACCEPT, accepted)]),
            body: RequestBody::Empty,
            buckets: self.budgets(),
            idempotency: Idempotency::Idempotent,
            token: RequestToken::AccessToken,
        }))
    }
}

/// Returns the features of all parts: configuration, types, schemas and `/Me`. A part that could not be read stays as it
/// was the last time.
fn condense(parts: &[Part; 4], last: &ScimFeatures) -> ScimFeatures {
    let [config, types, schemas, me] = parts;
    let mut features = ScimFeatures::default();
    let has_config = match config {
        Part::Found(body) => read_config(&mut features, body),
        Part::Absent => false,
        Part::Failed(_) => {
            let ScimFeatures { user, group, has_announced_groups, .. } = features;
            features = ScimFeatures { user, group, has_announced_groups, ..last.clone() };
            last.announced
        }
    };
    let has_types = match types {
        Part::Found(body) => read_resource_types(&mut features, body),
        Part::Absent => false,
        Part::Failed(_) => {
            (features.user, features.group) = (last.user.clone(), last.group.clone());
            features.has_announced_groups = last.has_announced_groups;
            last.announced
        }
    };
    let has_schemas = match schemas {
        Part::Found(body) => read_schemas(&mut features, body, has_types),
        Part::Absent => {
            for resource in
                [Some(&mut features.user), features.group.as_mut()].into_iter().flatten()
            {
                resource.attributes.clear();
            }
            false
        }
        Part::Failed(_) => {
            features.user.attributes = last.user.attributes.clone();
            if let (Some(group), Some(last)) = (&mut features.group, &last.group) {
                group.attributes.clone_from(&last.attributes);
            }
            if !has_types {
                features.has_announced_groups = last.has_announced_groups;
                features.group = features.group.filter(|_| last.group.is_some());
            }
            last.announced
        }
    };
    features.has_me = match me {
        Part::Found(body) => field(body, "id").is_some(),
        Part::Absent => false,
        Part::Failed(_) => last.has_me,
    };
    features.announced = has_config || has_types || has_schemas;
    features
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::connectors::scim::features::USER_SCHEMA;
    use crate::domain::provider::Provider;

    fn failed() -> Part {
        let error = ConnectorError::new(Provider::Scim, "x", ErrorKind::ProviderError);
        Part::Failed(Box::new(error))
    }

    #[test]
    fn a_part_that_fails_stays_as_it_was() {
        let config = || Part::Found(json!({"patch": false, "etag": true}));
        let schemas =
            || Part::Found(json!([{"id": USER_SCHEMA, "attributes": [{"name": "userName"}]}]));
        let me = || Part::Found(json!({"id": "1"}));
        let first = [config(), Part::Absent, schemas(), me()];
        let first = condense(&first, &ScimFeatures::default());
        assert!(first.announced && first.has_me && first.etag && !first.patch);
        assert!(first.user.has("userName") && !first.user.has("title"));
        assert_eq!(condense(&[failed(), failed(), failed(), failed()], &first), first);

        let second = condense(&[failed(), Part::Absent, Part::Absent, Part::Absent], &first);
        assert!(second.etag && !second.patch, "the configuration stays");
        assert!(second.user.has("title") && !second.has_me, "the others are absent now");

        let third = condense(&[Part::Absent, Part::Absent, failed(), Part::Absent], &first);
        assert!(third.patch && !third.user.has("title"), "the schemas stay");
        assert_eq!((first.group, third.group), (None, None), "they have no groups");
        let none = condense(&[const { Part::Absent }; 4], &ScimFeatures::default());
        assert_eq!(none, ScimFeatures::default());
    }
}
