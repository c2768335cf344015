//! `switchboard webhooks`: a listener on this machine receives deliveries while it runs, and leaves no endpoint behind.

use std::time::Instant;

use anyhow::Context as _;
use reqwest::Method;
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::demo::{Demo, DemoInfo};
use super::http_client::{Client, list, text};
use super::program::{Finished, Program, run};
use super::test_dir::TestDir;
use super::{POLL_INTERVAL, START_TIMEOUT};
use crate::support::ClosedPort;

/// A running `switchboard webhooks listen`.
struct Listener {
    program: Program,
    id: String,
    url: String,
    secret: String,
}

impl Listener {
    /// Starts one and waits until it has an endpoint.
    async fn start(home: &TestDir, demo: &DemoInfo, options: &[&str]) -> anyhow::Result<Self> {
        let variables =
            [("SWITCHBOARD_URL", &*demo.base_url), ("SWITCHBOARD_API_KEY", &*demo.admin_key)];
        let arguments = [&["webhooks", "listen"], options].concat();
        let mut program = Program::start(home, &arguments, &variables)?;
        let ready = |_: &str, err: &str| {
            let (endpoint, rest) = err.split_once('\n')?;
            let (id, url) = endpoint.strip_prefix("endpoint ")?.split_once(" at ")?;
            let (secret, _) = rest.strip_prefix("signing secret: ")?.split_once('\n')?;
            Some((id.to_owned(), url.to_owned(), secret.to_owned()))
        };
        let (id, url, secret) = program.wait_for_output(ready, START_TIMEOUT).await?;
        Ok(Self { program, id, url, secret })
    }

    /// Waits for a line on standard error that has all of these parts.
    async fn reports(&mut self, parts: &[&str]) -> anyhow::Result<()> {
        let has_line = |_: &str, err: &str| {
            err.lines().any(|line| parts.iter().all(|part| line.contains(part))).then_some(())
        };
        self.program.wait_for_output(has_line, START_TIMEOUT).await
    }
}

/// Runs a subcommand with the demo's admin key.
async fn webhooks(home: &TestDir, demo: &DemoInfo, words: &[&str]) -> anyhow::Result<Finished> {
    let options = ["--url", &demo.base_url, "--api-key", &demo.admin_key];
    run(home, &[&["webhooks"], words, &options].concat()).await
}

/// Waits for the first request to a server.
async fn first_request(server: &MockServer) -> anyhow::Result<Request> {
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        let requests = server.received_requests().await.context("not recorded")?;
        if let Some(first) = requests.into_iter().next() {
            return Ok(first);
        }
        anyhow::ensure!(Instant::now() < deadline, "no request came");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

#[tokio::test]
async fn a_listener_forwards_verified_deliveries_and_deletes_its_endpoint() -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let mut demo = Demo::start(&home, &[]).await?;
    demo.synced().await?;
    let local = MockServer::start().await;
    let hooks = Mock::given(method("POST")).and(path("/hooks"));
    hooks.respond_with(ResponseTemplate::new(202)).mount(&local).await;
    let (account, to) =
        (demo.report.integrated_account_id.clone(), format!("{}/hooks", local.uri()));
    let options = ["--forward", &to, "--event-types", "user.*,group.*", "--account", &account];
    let mut listener = Listener::start(&home, &demo.report, &options).await?;

    let forged = [
        ("webhook-id", "evt_1"),
        ("webhook-timestamp", "1700000000"),
        ("webhook-signature", "v1,AAAA"),
    ];
    let client = Client::new()?;
    let event = json!({"id": "evt_1", "type": "user.updated"});
    let rejected = client.send(Method::POST, &listener.url, &forged, Some(&event)).await?;
    assert_eq!(rejected.status, 401, "{rejected:?}");
    listener.reports(&["rejected", "401"]).await?;
    let large = json!("x".repeat(1 << 20));
    assert_eq!(client.send(Method::POST, &listener.url, &[], Some(&large)).await?.status, 413);

    let users = demo
        .get("/users?limit=100&user_type=member&status=active&role%5Bid%5D=org:member")
        .await?
        .ok()?;
    let user = text(list(&users, "/result")?.first().context("no user")?, "/id")?;
    let change = json!({"title": "Chief lighthouse officer"});
    let key = demo.report.api_key.clone();
    demo.call(Method::PATCH, &format!("/users/{user}"), &key, Some(&change)).await?.ok()?;
    let received = first_request(&local).await?;
    Webhook::new(&listener.secret)?.verify(&received.body, &received.headers)?;
    let event: Value = serde_json::from_slice(&received.body)?;
    let listed = demo.get("/events?type=user.updated").await?.ok()?;
    assert_eq!(list(&listed, "/result")?.last(), Some(&event));
    listener.reports(&["user.updated", &text(&event, "/id")?, "202"]).await?;

    let tested = webhooks(&home, &demo.report, &["test", &listener.id]).await?;
    assert_eq!(tested.code, Some(0), "{tested:?}");
    assert!(tested.stdout.contains("the endpoint returned 202"), "{tested:?}");
    let all = webhooks(&home, &demo.report, &["list"]).await?;
    let expected = format!("{}\tactive\tuser.*,group.*\t{}\n", listener.id, listener.url);
    assert_eq!((all.code, all.stdout), (Some(0), expected));

    assert_eq!(listener.program.stop().await?.code(), Some(0), "{}", listener.program.stderr()?);
    let none = webhooks(&home, &demo.report, &["list"]).await?;
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), ""), "{none:?}");
    assert_eq!(demo.program.stop().await?.code(), Some(0));
    Ok(())
}

#[tokio::test]
async fn an_absent_local_program_is_reported_and_an_absent_gateway_too() -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let mut demo = Demo::start(&home, &[]).await?;
    let closed = ClosedPort::reserve()?;
    let to = format!("http://{}/", closed.address()?);
    let mut listener = Listener::start(&home, &demo.report, &["--forward", &to]).await?;
    let tested = webhooks(&home, &demo.report, &["test", &listener.id]).await?;
    assert_eq!(tested.code, Some(1), "{tested:?}");
    assert!(tested.stderr.contains("the endpoint returned 502"), "{tested:?}");
    listener.reports(&["webhook.test", "no connection", "502"]).await?;

    // Without --forward, events are printed.
    let mut printer = Listener::start(&home, &demo.report, &[]).await?;
    let tested = webhooks(&home, &demo.report, &["test", &printer.id]).await?;
    assert_eq!(tested.code, Some(0), "{tested:?}");
    let line = |out: &str, _: &str| {
        let mut events = out.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        events.any(|event| event["type"] == "webhook.test").then_some(())
    };
    printer.program.wait_for_output(line, START_TIMEOUT).await?;
    assert_eq!(printer.program.stop().await?.code(), Some(0));

    assert_eq!(demo.program.stop().await?.code(), Some(0));
    assert_eq!(listener.program.stop().await?.code(), Some(1));
    let stderr = listener.program.stderr()?;
    assert!(stderr.contains(&format!("send DELETE /webhooks/{}", listener.id)), "{stderr}");

    let wildcard = ["listen", "--listen", "0.0.0.0:0"];
    let ended = webhooks(&home, &demo.report, &wildcard).await?;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("add --public-url"), "{ended:?}");
    Ok(())
}
