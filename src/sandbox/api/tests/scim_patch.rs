//! `PATCH` in both versions.

use serde_json::{Value, json};

use super::scim_client::{CORE, ENTERPRISE, PROFILE, code};
use super::{Client, s};

/// Returns a client and the id of a user with two e-mail addresses and two phone numbers.
async fn user_with_two_of_each() -> (Client, String) {
    let client = Client::unlimited(60);
    let user = json!({
        "schemas": [CORE[1]], "userName": "pam", "title": "Receptionist",
        "name": {"givenName": "Pam", "familyName": "Halpert", "honorificPrefix": "Mrs."},
        "emails": [{"value": "pam@dunder.example"}, {"value": "pam@home.example"}],
        "phoneNumbers": [{"value": "111", "primary": true}, {"value": "222", "primary": false}],
        "addresses": [{"streetAddress": "1725 Slough Avenue", "country": "USA"}],
        "roles": ["Tech Lead"],
        ENTERPRISE[1]: {"department": "Sales", "division": "Scranton"},
    });
    let made = client.scim("POST", "/scim/v2/Users", &user).await.json();
    let path = format!("Users/{}", s(&made["id"]));
    (client, path)
}

fn values(user: &Value, list: &str) -> Vec<String> {
    let items = user[list].as_array().unwrap().iter();
    items.map(|item| item["value"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn both_versions_write_and_clear_text_attributes() {
    let (client, path) = user_with_two_of_each().await;
    let user = client
        .merge(&path, json!({"nickName": "Pamela", "title": " ", "name": {"familyName": "Beesly"}}))
        .await;
    assert_eq!((s(&user["userName"]), s(&user["title"])), ("pamela", ""));
    let name = json!({"givenName": "Pam", "familyName": "Beesly", "honorificPrefix": "Mrs."});
    assert_eq!(user["name"], name);
    let division = format!("{}.division", ENTERPRISE[0]);
    let gone = json!(["name.honorificPrefix", "roles", division]);
    let user = client.merge(&path, json!({"meta": {"attributes": gone}})).await;
    assert_eq!(user["name"]["honorificPrefix"], Value::Null);
    assert_eq!(user["roles"][0]["value"], Value::Null);
    assert_eq!(user[ENTERPRISE[0]]["division"], Value::Null);
    assert_eq!(user[ENTERPRISE[0]]["department"], "Sales");
    let employee = format!("{}:employeeNumber", ENTERPRISE[1]);
    let manager = format!("{}.manager.managerId", ENTERPRISE[1]);
    let boss = client.sandbox.snapshot().people()[0].clone();
    let operations = json!([
        {"op": "add", "path": employee, "value": "121"},
        {"op": "ADD", "path": manager, "value": boss.email},
        {"op": "replace", "path": "name.givenName", "value": "Pamela"},
        {"op": "replace", "value": {"displayName": "Pam", "userType": "Employee"}},
        {"op": "remove", "path": "address"},
    ]);
    let user = client.operate(&path, operations).await;
    assert_eq!(user[ENTERPRISE[1]]["employeeNumber"], "121");
    assert_eq!(user[ENTERPRISE[1]]["manager"]["managerId"], boss.id);
    assert_eq!((s(&user["displayName"]), s(&user["userType"])), ("Pam", "Employee"));
    assert_eq!(user["name"]["givenName"], "Pamela");
    assert_eq!(user["addresses"][0]["streetAddress"], Value::Null);
    let operations = json!([
        {"op": "remove", "path": manager},
        {"op": "remove", "path": "name"},
        {"op": "remove", "path": "timezone"},
        {"op": "replace", "path": "externalId", "value": "x"},
        {"op": "replace", "path": "profileUrl", "value": "https://x.example"},
    ]);
    let user = client.operate(&path, operations).await;
    assert_eq!(user[ENTERPRISE[1]]["manager"]["managerId"], Value::Null);
    assert_eq!((s(&user["name"]["givenName"]), s(&user["externalId"])), ("", ""));
    assert!(s(&user["profileUrl"]).ends_with("/team/pamela"));
    assert_eq!(user["timezone"], "America/Los_Angeles");
    let start = json!({
        "schemas": [PROFILE[1]], PROFILE[1]: {"startDate": "2024-04-10T00:00:00+0000"},
    });
    let user = client.scim("PATCH", &format!("/scim/v2/{path}"), &start).await.json();
    assert_eq!(user[PROFILE[1]]["startDate"], "2024-04-10T00:00:00+0000");
}

#[tokio::test]
async fn stores_two_emails_and_retains_the_first() {
    let (client, path) = user_with_two_of_each().await;
    let emails = |user: &Value| values(user, "emails").join(" ");
    let home = json!({"value": "new@home.example", "type": "home"});
    let user = client.merge(&path, json!({"emails": [home]})).await;
    assert_eq!(emails(&user), "pam@dunder.example new@home.example");
    let gone = json!({"value": "new@home.example", "operation": "delete"});
    let user = client.merge(&path, json!({"emails": [gone]})).await;
    assert_eq!(emails(&user), "pam@dunder.example");
    let add =
        json!([{"op": "add", "path": "emails", "value": {"value": "x@y.example", "type": "home"}}]);
    assert_eq!(emails(&client.operate(&path, add).await), "pam@dunder.example x@y.example");
    let second = json!([{
        "op": "replace", "path": "emails[primary eq false]", "value": {"value": "z@y.example"},
    }]);
    assert_eq!(emails(&client.operate(&path, second).await), "pam@dunder.example z@y.example");
    let first = json!([{
        "op": "replace", "path": "emails[type eq \"work\"].value", "value": "p@dunder.example",
    }]);
    assert_eq!(emails(&client.operate(&path, first).await), "p@dunder.example z@y.example");
    let remove = json!([{"op": "remove", "path": "emails"}]);
    assert_eq!(emails(&client.operate(&path, remove).await), "p@dunder.example");
    let meta = json!({"emails": [{"value": "q@dunder.example", "primary": true}, home], "meta": {"attributes": ["emails"]}});
    assert_eq!(emails(&client.merge(&path, meta).await), "q@dunder.example new@home.example");
    for operations in [
        json!([{"op": "remove", "path": "emails[primary eq true]"}]),
        json!([{"op": "remove", "path": "emails[value eq \"q@dunder.example\"]"}]),
        json!([{"op": "replace", "path": "emails", "value": []}]),
    ] {
        assert_eq!(code(&client.operate(&path, operations).await), "missing_primary_email");
    }
    let gone = json!({"emails": [{"value": "q@dunder.example", "operation": "delete"}]});
    assert_eq!(code(&client.merge(&path, gone).await), "missing_primary_email");
    let boss = client.sandbox.snapshot().people()[0].email.clone();
    let taken = json!([{"op": "add", "path": "emails", "value": [{"value": boss}]}]);
    assert_eq!(code(&client.operate(&path, taken).await), "email_taken");
    let user = client.get(&format!("/scim/v1/{path}")).await.json();
    assert_eq!(emails(&user), "q@dunder.example new@home.example");
}

#[tokio::test]
async fn stores_two_phone_numbers_and_removes_either() {
    let (client, path) = user_with_two_of_each().await;
    // The second one is sent first.
    let phones = |user: &Value| values(user, "phoneNumbers");
    let add = |value: Value| json!([{"op": "add", "path": "phoneNumbers", "value": value}]);
    let user = client.operate(&path, add(json!({"value": "333", "primary": true}))).await;
    assert_eq!(phones(&user), ["222", "333"]);
    let user = client.operate(&path, add(json!([{"value": "444", "type": "work"}]))).await;
    assert_eq!(phones(&user), ["444", "333"]);
    let user = client.merge(&path, json!({"phoneNumbers": [{"value": "555"}]})).await;
    assert_eq!(phones(&user), ["444", "555"]);
    let value = json!([{
        "op": "replace", "path": "phoneNumbers[value eq \"444\"].value", "value": "666",
    }]);
    assert_eq!(phones(&client.operate(&path, value).await), ["666", "555"]);
    let one = json!([{"op": "remove", "path": "phoneNumbers[value eq \"666\"]"}]);
    assert_eq!(phones(&client.operate(&path, one).await), ["", "555"]);
    let both = json!([{"value": "555", "operation": "delete"}, {"value": "777", "type": "work"}]);
    assert_eq!(phones(&client.merge(&path, json!({"phoneNumbers": both})).await), ["777", ""]);
    let all = json!({"meta": {"attributes": ["phoneNumbers"]}});
    assert_eq!(phones(&client.merge(&path, all).await), ["", ""]);
}
