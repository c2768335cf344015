//! HTTP client of the gateway: headers, requests and responses.

use anyhow::Context as _;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use serde_json::Value;
use url::Url;

/// A client with headers.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base_url: Url,
    headers: HeaderMap,
}

/// A response of the gateway.
#[derive(Debug)]
pub(crate) struct ApiResponse {
    /// HTTP status.
    pub(crate) status: u16,
    /// Headers.
    pub(crate) headers: HeaderMap,
    /// Body as text.
    pub(crate) text: String,
    /// Body as JSON; null if it is not JSON.
    pub(crate) body: Value,
}

/// Creates an HTTP client that follows no redirects.
#[expect(clippy::disallowed_methods, reason = "the tests' own client shares nothing with ours")]
pub(super) fn http() -> anyhow::Result<reqwest::Client> {
    // The crypto provider may be installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let stay = reqwest::redirect::Policy::none();
    // All traffic is unencrypted: the system's certificates are not read for each client.
    Ok(reqwest::Client::builder().redirect(stay).tls_certs_only([]).build()?)
}

impl Client {
    /// Creates a client without a key.
    pub(crate) fn new(base_url: Url) -> anyhow::Result<Self> {
        Ok(Self { http: http()?, base_url, headers: HeaderMap::new() })
    }

    /// Sets a header.
    pub(crate) fn with(mut self, name: &str, value: &str) -> anyhow::Result<Self> {
        self.headers.insert(name.parse::<HeaderName>()?, value.parse::<HeaderValue>()?);
        Ok(self)
    }

    /// Adds a line of a header.
    pub(crate) fn append_header(mut self, name: &'static str, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Changes the gateway.
    pub(crate) fn at(self, base_url: Url) -> Self {
        Self { base_url, ..self }
    }

    /// Returns the URL of its gateway.
    pub(crate) fn base_url(&self) -> &Url {
        &self.base_url
    }

    /// Sends GET.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<ApiResponse> {
        self.send(Method::GET, path, None).await
    }

    /// Posts JSON.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<ApiResponse> {
        self.send(Method::POST, path, Some(("application/json", &body.to_string()))).await
    }

    /// Patches with JSON.
    pub(crate) async fn patch(&self, path: &str, body: &Value) -> anyhow::Result<ApiResponse> {
        self.send(Method::PATCH, path, Some(("application/json", &body.to_string()))).await
    }

    /// Sends DELETE.
    pub(crate) async fn delete(&self, path: &str) -> anyhow::Result<ApiResponse> {
        self.send(Method::DELETE, path, None).await
    }

    /// Sends any method; the body has its content type.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, &str)>,
    ) -> anyhow::Result<ApiResponse> {
        let url = self.base_url.join(path)?;
        let mut request = self.http.request(method, url).headers(self.headers.clone());
        if let Some((content_type, text)) = body {
            request = request.header("content-type", content_type).body(text.to_owned());
        }
        let response = request.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or_default();
        Ok(ApiResponse { status, headers, text, body })
    }

    /// Sends any method with a streaming body; does not read the body of the response.
    pub(crate) async fn open(
        &self,
        method: Method,
        path: &str,
        body: Option<reqwest::Body>,
    ) -> anyhow::Result<reqwest::Response> {
        let url = self.base_url.join(path)?;
        let mut request = self.http.request(method, url).headers(self.headers.clone());
        if let Some(body) = body {
            request = request.body(body);
        }
        Ok(request.send().await?)
    }

    /// Reads all pages of a list; returns every row, and the number of pages.
    pub(crate) async fn all(&self, path: &str) -> anyhow::Result<(Vec<Value>, usize)> {
        let (mut rows, mut pages, mut next_page) = (Vec::new(), 0, path.to_owned());
        loop {
            let page = self.get(&next_page).await?.success()?;
            let items = page.get("result").and_then(Value::as_array).context("no rows")?;
            let number = |field| page.get(field).and_then(Value::as_u64).context("no number");
            assert_eq!(number("result_count")?, items.len() as u64, "{path}");
            assert!(items.len() as u64 <= number("limit")?, "{path}");
            rows.extend(items.iter().cloned());
            pages += 1;
            match page.get("next_cursor").and_then(Value::as_str) {
                Some(next) => next_page = format!("{path}&next_cursor={next}"),
                None => return Ok((rows, pages)),
            }
            assert!(pages < 1_000, "{path} is endless");
        }
    }
}

impl ApiResponse {
    /// Returns the body of a 200.
    pub(crate) fn success(self) -> anyhow::Result<Value> {
        anyhow::ensure!(self.status == 200, "{}: {}", self.status, self.text);
        Ok(self.body)
    }

    /// Returns the body of a 201.
    pub(crate) fn created(self) -> anyhow::Result<Value> {
        anyhow::ensure!(self.status == 201, "{}: {}", self.status, self.text);
        Ok(self.body)
    }

    /// Returns a header as text, empty if missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Checks that this is a well-formed problem of that kind, and returns its body.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, kind: &str) -> &Value {
        let Self { body, text, .. } = self;
        assert_eq!(self.status, status, "{text}");
        assert_eq!(body["type"], format!("/problems/{kind}"), "{text}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{text}");
        assert_eq!(body["status"], status, "{text}");
        assert_eq!(body["request_id"], self.header("x-request-id"), "{text}");
        assert_ne!(body["request_id"], "", "{text}");
        assert!(body["title"].as_str().is_some_and(|title| title.len() > 9), "{text}");
        assert!(body["detail"].as_str().is_some_and(|detail| detail.len() > 19), "{text}");
        body
    }

    /// Checks that this is an error of that kind, as a problem or in the provider's format, and returns its detail.
    #[track_caller]
    pub(crate) fn api_error(&self, status: u16, kind: &str) -> String {
        if self.header("content-type") == "application/problem+json" {
            return self.problem(status, kind)["detail"].as_str().unwrap_or_default().to_owned();
        }
        let Self { body, text, .. } = self;
        assert_eq!(self.status, status, "{text}");
        assert_eq!(self.header("link"), format!("</problems/{kind}>; rel=\"help\""), "{text}");
        assert_ne!(self.header("x-request-id"), "", "{text}");
        let pointers = ["/response_metadata/messages/0", "/Errors/0/description", "/detail"];
        let detail =
            pointers.iter().find_map(|pointer| body.pointer(pointer).and_then(Value::as_str));
        let detail = detail.unwrap_or_default().trim_start_matches("[ERROR] ").to_owned();
        assert!(detail.len() > 19, "{text}");
        detail
    }

    /// Returns the pointers of a problem's `errors`.
    pub(crate) fn pointers(&self) -> Vec<&str> {
        let errors = self.body.get("errors").and_then(Value::as_array);
        errors.into_iter().flatten().filter_map(|error| error["pointer"].as_str()).collect()
    }
}
