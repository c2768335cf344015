//! HTML pages and their forms.

use http::StatusCode;

use super::oauth::{CALLBACK, decided};
use super::{Client, SCOPES, s};
use crate::sandbox::{DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, FaultKind};

fn text(response: &super::TestResponse) -> String {
    String::from_utf8(response.body.clone()).unwrap()
}

#[tokio::test]
async fn home_page_shows_activity_and_adds_faults() {
    let client = Client::unlimited(40);
    client.call("users.info", "user=nobody").await;
    let page = text(&client.get("/").await);
    let name = client.sandbox.snapshot().name;
    for part in [name.as_str(), "users.info", "user_not_found", "No changes yet"] {
        assert!(page.contains(part), "{part}");
    }
    let form = [("order", "add"), ("method", "scim.*"), ("kind", "lost_response"), ("count", "2")];
    let more: Vec<_> = form.into_iter().chain([("seconds", "")]).collect();
    assert_eq!(client.post("/", &more).await.status, StatusCode::SEE_OTHER);
    let faults = client.sandbox.faults();
    assert_eq!(faults.len(), 1);
    assert_eq!((faults[0].fault.kind, faults[0].fault.count), (FaultKind::LostResponse, Some(2)));
    assert!(text(&client.get("/").await).contains("processed, no response"));
    client.post("/", &[("order", "clear")]).await;
    assert!(client.sandbox.faults().is_empty());
}

#[tokio::test]
async fn consent_page_describes_scopes_and_offers_workspaces() {
    let client = Client::unlimited(40);
    let scopes = SCOPES.join(",");
    let path = format!(
        "/oauth/v2/authorize?client_id={DEFAULT_CLIENT_ID}&user_scope={scopes}\
         &redirect_uri={CALLBACK}&state=st%26te"
    );
    let page = text(&client.get(&path).await);
    assert!(page.contains("audit log") && !page.contains("Use the methods of this scope"));
    let org = client.sandbox.snapshot();
    let place = async |team: &str| {
        let form = [("decision", "approve"), ("team", team), ("user", "")];
        let (_, code) = decided(&client, &path, &form).await;
        let form = [
            ("client_id", DEFAULT_CLIENT_ID),
            ("client_secret", DEFAULT_CLIENT_SECRET),
            ("code", &code),
            ("redirect_uri", CALLBACK),
        ];
        client.post("/api/oauth.v2.access", &form).await.json()
    };
    let whole = place(&org.id).await;
    assert_eq!(whole["is_enterprise_install"], true);
    let workspace = &org.workspaces[0].id;
    assert_eq!(s(&place(workspace).await["team"]["id"]), workspace);
}
