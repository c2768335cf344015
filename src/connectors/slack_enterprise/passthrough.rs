//! Proxies Slack's native API: `api/METHOD`, `scim/v1/…`, `scim/v2/…`, `audit/v1/…`.

use http::{HeaderMap, Method, StatusCode};
use url::Url;

use super::SlackConnector;
use crate::connectors::path::{MAX_METHOD_NAME_BYTES, check_path, scim_name};
use crate::connectors::{PageFailure, Passthrough, RawPage, UnknownPath, UrlTarget};
use crate::upstream::{ProviderRequest, RequestBody, RequestToken};

const KNOWN: &str = "the provider's paths are api/METHOD, scim/v1/…, scim/v2/… and audit/v1/…, without dot segments";

impl Passthrough for SlackConnector {
    fn route(
        &self,
        _: Option<&str>,
        method: &Method,
        path: &str,
        query: Option<&str>,
    ) -> Result<Box<ProviderRequest>, UnknownPath> {
        let refused = |reason| UnknownPath { reason, known: KNOWN };
        let unknown = || refused(UnknownPath::NO_SUCH_PATH);
        check_path(path).map_err(refused)?;
        let (base, name, (budgets, safety)) = match path.split_once('/') {
            Some(("api", name)) if is_method(name) => {
                let (name, cost) = self.methods.web(name);
                (&self.web, name, cost)
            }
            Some(("scim", rest)) => {
                let rest = rest.strip_prefix("v1/").or_else(|| rest.strip_prefix("v2/"));
                let rest = rest.filter(|rest| !rest.is_empty()).ok_or_else(unknown)?;
                (&self.api, scim_name(method, rest).into(), self.methods.scim(method, rest))
            }
            Some(("audit", rest)) => {
                let rest = rest.strip_prefix("v1/").filter(|rest| is_method(rest));
                let rest = rest.ok_or_else(unknown)?;
                (&self.api, format!("audit.{rest}").into(), self.methods.audit(method, rest))
            }
            _ => return Err(unknown()),
        };
        Ok(Box::new(ProviderRequest {
            name,
            method: method.clone(),
            uri: base.join(path, query).ok_or_else(unknown)?,
            headers: HeaderMap::new(),
            body: RequestBody::Empty,
            buckets: budgets,
            idempotency: safety,
            token: RequestToken::AccessToken,
        }))
    }

    fn classify_url(&self, _: Option<&str>, url: &Url) -> UrlTarget {
        match self.web.classify_url(url) {
            UrlTarget::Path(path) => UrlTarget::Path(path),
            UrlTarget::NotProxied | UrlTarget::OtherHost => self.api.classify_url(url),
        }
    }

    fn takes_token(&self) -> bool {
        true
    }

    fn page_query(&self, path: &str, query: Option<&str>) -> Option<String> {
        self.page_size_query(path, query)
    }

    fn read_page<'b>(
        &self,
        path: &str,
        query: Option<&str>,
        status: StatusCode,
        body: &'b [u8],
    ) -> Result<RawPage<'b>, PageFailure> {
        self.read_raw_page(path, query, status, body)
    }
}

fn is_method(name: &str) -> bool {
    (1..=MAX_METHOD_NAME_BYTES).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slack() -> SlackConnector {
        SlackConnector::new(&crate::config::SlackSettings {
            web_url: "https://slack.test".to_owned(),
            api_url: "https://api.slack.test".to_owned(),
        })
        .unwrap()
    }

    #[test]
    fn routes_paths_to_their_hosts() {
        for (path, url) in [
            ("api/users.info", "https://slack.test/api/users.info?a=1"),
            ("scim/v2/Users", "https://api.slack.test/scim/v2/Users?a=1"),
            ("scim/v1/Users/U1", "https://api.slack.test/scim/v1/Users/U1?a=1"),
            ("audit/v1/logs", "https://api.slack.test/audit/v1/logs?a=1"),
        ] {
            let request = slack().route(None, &Method::GET, path, Some("a=1")).unwrap();
            assert_eq!(request.uri, url);
        }
    }

    #[test]
    fn rejects_paths_that_leave_the_provider() {
        for path in [
            "",
            "api",
            "api/",
            "api/../x",
            "api/./x",
            "api//x",
            "/api/x",
            "https://evil.test/api/x",
            "api/x%2f..",
            "api/a b",
            "api/x\r\ny",
            "scim/v3/Users",
            "scim/v2/",
            "scim/v2/../../api/x",
            "audit/v1/logs/extra",
            "oauth/v2/authorize",
            "@evil.test/api",
            "api/x@evil.test",
            "api/users%2Einfo",
            "api/users.info/",
        ] {
            assert!(slack().route(None, &Method::GET, path, None).is_err(), "{path:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_asked_stays_at_the_provider(path in "[a-z0-9./%@:\\\\-]{0,40}") {
            if let Ok(request) = slack().route(None, &Method::GET, &format!("scim/v2/{path}"), None) {
                assert_eq!(request.uri.host(), Some("api.slack.test"));
                assert!(request.uri.path().starts_with("/scim/v2/"));
            }
        }
    }
}
