//! `switchboard webhooks`: receives webhooks on a developer's machine, lists endpoints, sends a test.

mod listen;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use http::Method;
use serde::Deserialize;

use super::gateway_client::{GatewayArguments, GatewayClient};
use super::output::print_line;
use crate::domain::ids::WebhookId;
use crate::domain::webhook::{DeliveryAttempt, DeliveryStatus};

/// The subcommands of `webhooks`.
#[derive(Debug, Subcommand)]
pub(super) enum WebhooksCommand {
    /// Receive webhooks on this machine until Ctrl-C, for development
    Listen(Box<listen::ListenArguments>),
    /// List the endpoints of an environment
    List {
        #[command(flatten)]
        gateway: GatewayArguments,
    },
    /// Send a test event to an endpoint once; fails if the delivery fails
    Test {
        #[command(flatten)]
        gateway: GatewayArguments,
        /// Endpoint id, whk_…
        id: WebhookId,
    },
}

/// Runs the command.
pub(super) async fn run(command: WebhooksCommand) -> anyhow::Result<()> {
    match command {
        WebhooksCommand::Listen(arguments) => listen::run(&arguments).await,
        WebhooksCommand::List { gateway } => list(&gateway.client()?).await,
        WebhooksCommand::Test { gateway, id } => send_test(&gateway.client()?, id).await,
    }
}

/// A page of endpoints.
#[derive(Debug, Deserialize)]
struct EndpointPage {
    result: Vec<Endpoint>,
    next_cursor: Option<String>,
}

/// An endpoint, as far as it is printed.
#[derive(Debug, Deserialize)]
struct Endpoint {
    id: WebhookId,
    url: String,
    event_types: Vec<String>,
    is_active: bool,
    disabled_reason: Option<String>,
    failing_since: Option<String>,
}

async fn list(client: &GatewayClient) -> anyhow::Result<()> {
    let mut cursor: Option<String> = None;
    loop {
        let query: Vec<_> = cursor.iter().map(|cursor| ("next_cursor", cursor.as_str())).collect();
        let page: EndpointPage = client.fetch(Method::GET, "/webhooks", &query, None).await?;
        for endpoint in &page.result {
            print_line(line(endpoint))?;
        }
        match page.next_cursor {
            Some(next) => cursor = Some(next),
            None => return Ok(()),
        }
    }
}

/// Returns an endpoint as a line: id, state, types of events, URL.
fn line(endpoint: &Endpoint) -> String {
    let state = match (endpoint.is_active, &endpoint.failing_since, &endpoint.disabled_reason) {
        (true, None, _) => "active".to_owned(),
        (true, Some(since), _) => format!("failing since {since}"),
        (false, _, None) => "inactive".to_owned(),
        (false, _, Some(reason)) => format!("disabled: {reason}"),
    };
    let types = endpoint.event_types.join(",");
    format!("{}\t{state}\t{types}\t{}", endpoint.id, endpoint.url)
}

/// The response of a test.
#[derive(Debug, Deserialize)]
struct TestResponse {
    result: TestDelivery,
}

/// The delivery of a test, as far as it is printed.
#[derive(Debug, Deserialize)]
struct TestDelivery {
    status: DeliveryStatus,
    attempts: Vec<DeliveryAttempt>,
}

async fn send_test(client: &GatewayClient, id: WebhookId) -> anyhow::Result<()> {
    let path = format!("/webhooks/{id}/test");
    let response: TestResponse = client.fetch(Method::POST, &path, &[], None).await?;
    let TestDelivery { status, attempts } = response.result;
    let attempt = attempts.last().context("the test has no attempt")?;
    let outcome = match (attempt.response_status, &attempt.error) {
        (Some(code), _) => format!("the endpoint returned {code} after {} ms", attempt.duration_ms),
        (None, Some(error)) => error.clone(),
        (None, None) => "no response".to_owned(),
    };
    if status != DeliveryStatus::Succeeded {
        bail!("the delivery failed: {outcome}");
    }
    print_line(outcome)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_state_of_the_endpoint() {
        for (fields, expected) in [
            (r#""is_active": true, "disabled_reason": null, "failing_since": null"#, "\tactive\t"),
            (
                r#""is_active": true, "disabled_reason": null, "failing_since": "2031-01-01T00:00:00Z""#,
                "\tfailing since 2031-01-01T00:00:00Z\t",
            ),
            (
                r#""is_active": false, "disabled_reason": null, "failing_since": null"#,
                "\tinactive\t",
            ),
            (
                r#""is_active": false, "disabled_reason": "returned 410 Gone""#,
                "\tdisabled: returned 410 Gone\t",
            ),
        ] {
            let endpoint = format!(
                r#"{{"id": "whk_01J8ZQ5V9Y3M7T2K4N6P8R0S1T", "url": "https://a.example/",
                    "event_types": ["user.*", "sync.held"], {fields}}}"#
            );
            let line = line(&serde_json::from_str(&endpoint).unwrap());
            assert!(line.contains(expected), "{line}");
            assert!(line.ends_with("\tuser.*,sync.held\thttps://a.example/"), "{line}");
        }
    }
}
