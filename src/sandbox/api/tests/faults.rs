//! Rate limits, faults and the control API.

use http::StatusCode;
use serde_json::json;
use time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{Client, router};
use crate::sandbox::{Fault, FaultKind, SandboxOptions};

#[tokio::test]
async fn returns_429_until_retry_after() {
    let client = Client::new(SandboxOptions::default());
    let mut responses = Vec::new();
    for _ in 0..51 {
        responses.push(client.get("/api/admin.users.list?limit=1").await);
    }
    let last = responses.pop().unwrap();
    assert!(responses.iter().all(|response| response.status == StatusCode::OK));
    assert_eq!(last.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(last.header("retry-after"), "1");
    assert_eq!(last.json(), json!({"ok": false, "error": "ratelimited"}));
    assert_eq!(client.get("/api/users.info?user=U1").await.status, StatusCode::OK);
    client.sandbox.advance_clock(Duration::seconds(1));
    assert_eq!(client.get("/api/admin.users.list?limit=1").await.status, StatusCode::OK);
    let requests = client.get("/_sandbox/requests?method=admin.users.list").await.json();
    assert_eq!(requests["counts"]["admin.users.list"], 52);
    assert_eq!(requests["throttled"]["admin.users.list"], 1);
    assert!(
        !String::from_utf8(client.get("/_sandbox/requests").await.body).unwrap().contains("xox")
    );
}

#[tokio::test]
async fn injects_faults_into_matching_calls() {
    let client = Client::unlimited(30);
    for kind in [
        FaultKind::RateLimited,
        FaultKind::ServerError,
        FaultKind::Html,
        FaultKind::CutBody,
        FaultKind::LostResponse,
        FaultKind::Refused,
    ] {
        client.sandbox.add_fault(Fault::for_next_calls("api.test", kind, 1));
        let response = client.get("/api/api.test").await;
        match kind {
            FaultKind::RateLimited => assert_eq!(response.header("retry-after"), "1"),
            FaultKind::ServerError | FaultKind::Refused => {
                assert_eq!(response.json()["error"], "internal_error");
            }
            FaultKind::Html => {
                assert_eq!(response.header("content-type"), "text/html; charset=utf-8");
            }
            FaultKind::CutBody | FaultKind::LostResponse => assert!(response.body.is_empty()),
            FaultKind::Latency | FaultKind::Timeout => {}
        }
        assert_eq!(client.get("/api/api.test").await.json()["ok"], true);
    }
    let errors: Vec<Option<String>> =
        client.sandbox.requests(None).requests.into_iter().map(|row| row.error).collect();
    assert_eq!(errors[8].as_deref(), Some("lost_response"));
}

/// Returns the raw bytes of a response over a TCP connection.
async fn over_the_wire(client: &Client, path: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = axum::serve(listener, router(client.sandbox.clone()));
    let ask = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        response
    };
    tokio::select! {
        response = ask => response,
        _ = server.into_future() => String::new(),
    }
}

#[tokio::test]
async fn lost_and_cut_responses_on_the_wire() {
    let client = Client::unlimited(5);
    let whole = over_the_wire(&client, "/api/api.test?a=b").await;
    assert!(whole.ends_with('}'), "{whole}");
    client.sandbox.add_fault(Fault::for_next_calls("api.test", FaultKind::LostResponse, 1));
    assert_eq!(over_the_wire(&client, "/api/api.test?a=b").await, "");
    client.sandbox.add_fault(Fault::for_next_calls("api.test", FaultKind::CutBody, 1));
    let cut = over_the_wire(&client, "/api/api.test?a=b").await;
    assert!(cut.contains("content-length") && !cut.ends_with('}'), "{cut}");
}

#[tokio::test]
async fn control_api_changes_the_sandbox() {
    let client = Client::new(SandboxOptions { users: 10, ..SandboxOptions::default() });
    let before = client.get("/_sandbox/state").await.json();
    let send = async |path: &str, body: &str| {
        let request = http::Request::post(format!("/_sandbox/{path}"));
        client.send(request.body(body.to_owned().into()).unwrap()).await
    };
    assert_eq!(send("advance-clock", r#"{"seconds":43200}"#).await.status, StatusCode::OK);
    assert_ne!(client.get("/_sandbox/state").await.json()["now"], before["now"]);
    assert_eq!(client.get("/api/auth.test").await.json()["error"], "token_expired");
    assert_eq!(send("limits", r#"{"enabled":false}"#).await.json(), json!({"enabled": false}));
    let fault = r#"{"method":"users.info","kind":"rate_limited","count":2,"seconds":7}"#;
    assert_eq!(send("faults", fault).await.json(), json!({"id": 1}));
    assert_eq!(client.get("/api/users.info").await.header("retry-after"), "7");
    assert_eq!(client.get("/_sandbox/faults").await.json()["faults"][0]["count"], 1);
    assert_eq!(send("faults", r#"{"kind":"earthquake"}"#).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(send("reset", "").await.json()["users"], 10);
    assert!(client.sandbox.faults().is_empty() && client.sandbox.limits_enabled());
    assert!(client.sandbox.requests(None).counts.is_empty());
}
