//! `switchboard webhooks listen`: an endpoint on a developer's machine, for the time of the command. It verifies each
//! delivery and forwards it to a local program, or prints it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use clap::Args;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, header};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use url::Url;

use crate::cli::context::format_time;
use crate::cli::gateway_client::{GatewayArguments, GatewayClient, GatewayError, http_client};
use crate::cli::output::{note, print_line};
use crate::cli::signals::shutdown_signal;
use crate::domain::clock::{Clock as _, SystemClock};
use crate::domain::ids::{IntegratedAccountId, WebhookId};
use crate::domain::webhook::EventTypePattern;
use crate::upstream::HttpClient;

/// Maximum size of a delivery, and of the response of the local program.
const MAX_BODY_BYTES: usize = 1 << 20;
/// Timeout for the response of the local program: that of a delivery.
const FORWARD_TIMEOUT: Duration = Duration::from_secs(15);
/// How often the deletion of the endpoint is attempted.
const DELETE_ATTEMPTS: u32 = 3;
/// The pause between these attempts.
const DELETE_PAUSE: Duration = Duration::from_secs(1);
/// The headers of a delivery that are forwarded.
const WEBHOOK_HEADERS: [HeaderName; 3] = [
    HeaderName::from_static("webhook-id"),
    HeaderName::from_static("webhook-timestamp"),
    HeaderName::from_static("webhook-signature"),
];
/// The headers of the local program's response that the gateway receives.
const RESPONSE_HEADERS: [HeaderName; 2] = [header::CONTENT_TYPE, header::RETRY_AFTER];

/// The arguments of `webhooks listen`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ListenArguments {
    #[command(flatten)]
    gateway: GatewayArguments,
    /// URL that verified deliveries are forwarded to (default: print them and return 204)
    #[arg(long, value_name = "URL")]
    forward: Option<Url>,
    /// Types of events, separated by commas: user.*, sync.held
    #[arg(long, value_name = "TYPES", value_delimiter = ',', default_value = "*")]
    event_types: Vec<EventTypePattern>,
    /// Account id, acc_… (default: all accounts of the environment)
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<IntegratedAccountId>,
    /// Address and port to listen on; port 0 for any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// URL at which the gateway reaches this machine, such as that of a tunnel (default: --listen)
    #[arg(long, value_name = "URL")]
    public_url: Option<Url>,
}

/// The response to the creation of an endpoint.
#[derive(Deserialize)]
struct CreateResponse {
    result: CreatedEndpoint,
}

/// An endpoint with its secret.
#[derive(Deserialize)]
struct CreatedEndpoint {
    id: WebhookId,
    secret: String,
}

/// Receives deliveries until a shutdown signal.
pub(super) async fn run(arguments: &ListenArguments) -> anyhow::Result<()> {
    let stop = shutdown_signal()?;
    let client = arguments.gateway.client()?;
    let forward = arguments.forward.as_ref();
    ensure!(
        forward.is_none_or(|url| matches!(url.scheme(), "http" | "https")),
        "--forward must begin with http:// or https://"
    );
    let address = arguments.listen;
    let bound = TcpListener::bind(address).await;
    let listener = bound.with_context(|| format!("{address} is not available to listen on"))?;
    let url = public_url(arguments, listener.local_addr()?)?;
    let CreatedEndpoint { id, secret } = create(&client, &url, arguments).await?;
    let closed = CancellationToken::new();
    let server = start(listener, &secret, forward.cloned(), &stop, &closed);
    if server.is_ok() {
        note(format_args!("endpoint {id} at {url}"));
        note(format_args!("signing secret: {secret}"));
        stop.cancelled().await;
    }
    // Deleted while deliveries are still received, so that none fails.
    let deleted = delete(&client, id).await;
    closed.cancel();
    server?.await??;
    deleted
}

/// Returns the URL of the endpoint.
fn public_url(arguments: &ListenArguments, listening: SocketAddr) -> anyhow::Result<String> {
    if let Some(url) = &arguments.public_url {
        return Ok(url.to_string());
    }
    ensure!(
        !listening.ip().is_unspecified(),
        "add --public-url: {listening} is not an address that a gateway can send to"
    );
    Ok(format!("http://{listening}/"))
}

async fn create(
    client: &GatewayClient,
    url: &str,
    arguments: &ListenArguments,
) -> anyhow::Result<CreatedEndpoint> {
    let types: Vec<_> = arguments.event_types.iter().map(EventTypePattern::as_str).collect();
    let mut body = json!({
        "url": url,
        "event_types": types,
        "description": "switchboard webhooks listen",
    });
    if let (Some(account), Some(fields)) = (arguments.account, body.as_object_mut()) {
        fields.insert("integrated_account_id".to_owned(), account.text().into());
    }
    let created = client.fetch(Method::POST, "/webhooks", &[], Some(&body)).await;
    let created: CreateResponse = created.map_err(|error: GatewayError| {
        let is_private = arguments.public_url.is_none()
            && error.status().is_some_and(|status| {
                matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY)
            });
        let hint = if is_private {
            "; a gateway sends to addresses like this one only with webhooks.allow_private_addresses, \
             otherwise use --public-url"
        } else {
            ""
        };
        anyhow::Error::new(error).context(format!("no endpoint was created for {url}{hint}"))
    })?;
    Ok(created.result)
}

/// Deletes the endpoint, also if the gateway restarts at that moment.
async fn delete(client: &GatewayClient, id: WebhookId) -> anyhow::Result<()> {
    let path = format!("/webhooks/{id}");
    let mut attempts = 1;
    loop {
        match client.send(Method::DELETE, &path, &[], None).await {
            Ok(_) => return Ok(()),
            Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => return Ok(()),
            Err(error) if error.is_transient() && attempts < DELETE_ATTEMPTS => {
                attempts += 1;
                tokio::time::sleep(DELETE_PAUSE).await;
            }
            Err(error) => {
                let fix = format!("the endpoint was not deleted; send DELETE {path}");
                return Err(anyhow::Error::new(error).context(fix));
            }
        }
    }
}

/// Starts to serve deliveries, until `closed`.
fn start(
    listener: TcpListener,
    secret: &str,
    forward: Option<Url>,
    stop: &CancellationToken,
    closed: &CancellationToken,
) -> anyhow::Result<JoinHandle<io::Result<()>>> {
    let verifier = standardwebhooks::Webhook::new(secret).context("the secret is invalid")?;
    let http = http_client(FORWARD_TIMEOUT)?;
    let receiver = Arc::new(Receiver { verifier, forward, http, stop: stop.clone() });
    let routes = Router::new().fallback(receive).layer(DefaultBodyLimit::max(MAX_BODY_BYTES));
    let routes = routes.with_state(receiver);
    let server =
        axum::serve(listener, routes).with_graceful_shutdown(closed.clone().cancelled_owned());
    Ok(TaskTracker::new().spawn(server.into_future()))
}

/// What the listener needs.
struct Receiver {
    verifier: standardwebhooks::Webhook,
    forward: Option<Url>,
    http: HttpClient,
    /// Ends the command when standard output is closed.
    stop: CancellationToken,
}

/// An event, as far as it is printed.
#[derive(Debug, Deserialize)]
struct ReceivedEvent {
    id: String,
    #[serde(rename = "type")]
    kind: String,
}

/// Handles a delivery and prints a line about it.
async fn receive(
    State(receiver): State<Arc<Receiver>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let (about, response) = match body {
        Ok(body) => receiver.handle(&headers, body).await,
        Err(rejection) => ("unreadable".to_owned(), rejection.into_response()),
    };
    let (at, status) = (format_time(Some(SystemClock.now())), response.status().as_u16());
    note(format_args!("{at} {about} {status}"));
    response
}

impl Receiver {
    /// Returns what a delivery is, and the response to the gateway.
    async fn handle(&self, headers: &HeaderMap, body: Bytes) -> (String, Response) {
        if let Err(error) = self.verifier.verify(&body, headers) {
            let response = (StatusCode::UNAUTHORIZED, error.to_string()).into_response();
            return (format!("rejected ({error})"), response);
        }
        let event = serde_json::from_slice::<ReceivedEvent>(&body);
        let about = event
            .map_or_else(|_| "unknown".to_owned(), |event| format!("{} {}", event.kind, event.id));
        let Some(url) = &self.forward else {
            return (about, self.print(&body));
        };
        match self.forward(url, headers, body).await {
            Ok(response) => (about, response),
            Err(error) => {
                let error = format!("{error:#}");
                let response = (StatusCode::BAD_GATEWAY, error.clone()).into_response();
                (format!("{about} ({error})"), response)
            }
        }
    }

    /// Prints the event on a line of its own.
    fn print(&self, body: &[u8]) -> Response {
        if print_line(String::from_utf8_lossy(body)).is_ok() {
            return StatusCode::NO_CONTENT.into_response();
        }
        self.stop.cancel();
        StatusCode::SERVICE_UNAVAILABLE.into_response()
    }

    /// Sends a delivery to the local program and returns its response.
    async fn forward(
        &self,
        url: &Url,
        headers: &HeaderMap,
        body: Bytes,
    ) -> anyhow::Result<Response> {
        let mut request = Request::builder().method(Method::POST).uri(url.as_str()).body(body)?;
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(header::CONTENT_TYPE, json);
        copy_headers(headers, request.headers_mut(), &WEBHOOK_HEADERS);
        let (head, body) = self.http.fetch(request, MAX_BODY_BYTES).await?.into_parts();
        let mut response = (head.status, body).into_response();
        response.headers_mut().remove(header::CONTENT_TYPE);
        copy_headers(&head.headers, response.headers_mut(), &RESPONSE_HEADERS);
        Ok(response)
    }
}

/// Copies those of the named headers that exist.
fn copy_headers(from: &HeaderMap, to: &mut HeaderMap, names: &[HeaderName]) {
    for name in names {
        if let Some(value) = from.get(name) {
            to.insert(name.clone(), value.clone());
        }
    }
}
