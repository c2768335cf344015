//! SCIM in both versions.

use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::json;

use super::{Client, ids, s};
use crate::sandbox::org::WorkspaceLevel;

#[tokio::test]
async fn scim_lists_filters_and_gets_in_both_versions() {
    let client = Client::unlimited(150);
    let org = client.sandbox.snapshot();
    for version in ["v1", "v2"] {
        let mut seen = BTreeSet::new();
        let mut start = 1;
        loop {
            let path = format!("/scim/{version}/Users?startIndex={start}&count=40");
            let page = client.get(&path).await.json();
            assert_eq!(page["totalResults"], org.directory().len());
            let rows = page["Resources"].as_array().unwrap();
            if rows.is_empty() {
                break;
            }
            start += rows.len();
            seen.extend(ids(rows));
        }
        assert_eq!(seen.len(), org.directory().len());
        let groups = client.get(&format!("/scim/{version}/Groups/")).await.json();
        assert_eq!(groups["itemsPerPage"], 10);
        let first = client.get(&format!("/scim/{version}/Users/{}", org.people()[3].id)).await;
        assert_eq!(first.json()["emails"][0]["value"], org.people()[3].email);
    }
    let email = &org.people()[5].email;
    let found =
        client.get(&format!("/scim/v1/Users?filter=email%20eq%20%22{email}%22")).await.json();
    assert_eq!(found["Resources"][0]["id"], org.people()[5].id);
    let guests = client.get("/scim/v1/Users?filter=restricted+eq+'1'&count=1000").await.json();
    let wanted = org
        .people()
        .iter()
        .filter(|one| one.guest_level() == Some(WorkspaceLevel::MultiChannelGuest));
    assert_eq!(guests["totalResults"], wanted.count());
}

#[tokio::test]
async fn scim_errors_have_the_format_of_their_version() {
    let client = Client::unlimited(30);
    let one = client.get("/scim/v1/Users/U404").await;
    assert_eq!(one.json(), json!({"Errors": {"description": "no_such_user", "code": 404}}));
    let two = client.get("/scim/v2/Groups/S404").await.json();
    assert_eq!((&two["detail"], &two["status"]), (&json!("no_such_group"), &json!(404)));
    let bad = client.get("/scim/v1/Users?filter=email").await;
    assert_eq!(
        (bad.status, s(&bad.json()["Errors"]["description"])),
        (StatusCode::BAD_REQUEST, "incomplete_filter")
    );
    let written = client.post("/scim/v2/Users", &[]).await;
    assert_eq!(written.status, StatusCode::UNAUTHORIZED);
    assert_eq!(written.json()["detail"], "missing_authentication");
    let unknown = client.get("/scim/v2/Things").await;
    assert_eq!(unknown.json()["detail"], "bad_endpoint");
    for path in ["ServiceProviderConfig", "ResourceTypes", "Schemas", "Schemas/Users"] {
        assert_eq!(client.get(&format!("/scim/v2/{path}")).await.status, StatusCode::OK);
    }
}
