//! Users managed by an identity provider.

use http::StatusCode;
use serde_json::{Value, json};

use super::scim_client::{CORE, ENTERPRISE, PROFILE, code};
use super::{Client, is_plain, s};
use crate::sandbox::org::{OrgChange, OrgLevel, WorkspaceLevel};

fn doctor(version: usize, manager: &str) -> Value {
    json!({
        "schemas": [CORE[version], ENTERPRISE[version], PROFILE[version]],
        "userName": format!("Doctor.Who{version}"),
        "externalId": "idp-7",
        "name": {"familyName": "Last", "givenName": "First", "honorificPrefix": "Dr."},
        "displayName": "First Last",
        "profileUrl": "https://login.example.com/doctor",
        "emails": [
            {"value": format!("other{version}@email.example"), "type": "home"},
            {"value": format!("doctor{version}@gallifrey.example"), "type": "work", "primary": true},
        ],
        "addresses": [{
            "streetAddress": "1234 Doctor St", "locality": "New York", "region": "NY",
            "postalCode": "12345", "country": "USA", "primary": true,
        }],
        "phoneNumbers": [
            {"value": "555-555-5555", "type": "work"}, {"value": "555-555-4444", "type": "mobile"},
        ],
        "photos": [{"value": "https://photos.example.com/profilephoto.jpg", "type": "photo"}],
        "roles": [{"value": "Lead Detective", "primary": "true"}],
        "userType": "Employee",
        "title": "Detective",
        "preferredLanguage": "en_US",
        "locale": "en_US",
        "timezone": "America/New_York",
        "active": true,
        "password": "Doctor!Who??",
        ENTERPRISE[version]: {
            "employeeNumber": "701984", "costCenter": "4130", "organization": "Torchwood",
            "division": "Alien Investigations", "department": "Detective Agency",
            "manager": {"managerId": manager},
        },
        PROFILE[version]: {"startDate": "2024-04-10T00:00:00+0000"},
    })
}

#[tokio::test]
async fn creates_user_with_all_attributes_in_both_versions() {
    let client = Client::unlimited(60);
    let org = client.sandbox.snapshot();
    let boss = &org.people()[0];
    for (version, manager) in [&boss.email, &boss.username].into_iter().enumerate() {
        let path = format!("/scim/v{}/Users", version + 1);
        let made = client.scim("POST", &path, &doctor(version, manager)).await;
        let user = made.json();
        assert_eq!(made.status, StatusCode::CREATED, "{user}");
        let id = s(&user["id"]);
        assert_eq!(made.header("location"), s(&user["meta"]["location"]));
        assert!(made.header("location").ends_with(&format!("{path}/{id}")));
        assert_eq!(user["userName"], format!("doctor.who{version}"));
        assert_eq!(user["nickName"], user["userName"]);
        assert_eq!(user["externalId"], "idp-7");
        assert_eq!(user["name"]["honorificPrefix"], "Dr.");
        assert_eq!(user["profileUrl"], "https://login.example.com/doctor");
        assert_eq!(user["emails"][0]["value"], format!("doctor{version}@gallifrey.example"));
        assert_eq!(user["emails"][0]["primary"], true);
        assert_eq!(user["emails"][1]["value"], format!("other{version}@email.example"));
        assert_eq!(user["addresses"][0]["postalCode"], "12345");
        let phones = json!([
            {"value": "555-555-5555", "type": "mobile"},
            {"value": "555-555-4444", "primary": true},
        ]);
        assert_eq!(user["phoneNumbers"], phones);
        assert_eq!(user["roles"], json!([{"value": "Lead Detective", "primary": true}]));
        assert_eq!(user["timezone"], "America/New_York");
        assert_eq!(user[ENTERPRISE[version]]["manager"]["managerId"], boss.id);
        assert_eq!(user[ENTERPRISE[version]]["organization"], "Torchwood");
        assert_eq!(user[PROFILE[version]]["startDate"], "2024-04-10T00:00:00+0000");
        assert_eq!(user.get("password"), None);
        assert_eq!(user, client.get(&format!("{path}/{id}")).await.json());

        let info = client.call("users.info", &format!("user={id}")).await;
        assert_eq!(info["user"]["tz_label"], "Eastern Standard Time");
        assert_eq!(info["user"]["profile"]["phone"], "555-555-4444");
        assert_eq!(info["user"]["enterprise_user"]["teams"], json!([]));
        let email = format!("doctor{version}@gallifrey.example");
        let found = client.call("users.lookupByEmail", &format!("email={email}")).await;
        assert_eq!(found["user"]["id"], id);
    }
    let made = |change: &_| matches!(change, OrgChange::Created(_));
    let changes = client.sandbox.changes();
    assert_eq!(changes.iter().filter(|one| made(&one.change)).count(), 2);
    assert_eq!(
        client.get("/scim/v2/Users").await.json()["totalResults"],
        org.directory().len() + 2
    );
}

#[tokio::test]
async fn minimal_user_gets_derived_names() {
    let client = Client::unlimited(30);
    let body = |name: &str, email: &str| json!({"schemas": [CORE[1]], "userName": name, "emails": [{"value": email}]});
    let make = async |body| client.scim("POST", "/scim/v2/Users", &body).await.json();
    let one = make(body("Carly.Rae@corp.example", "a@corp.example")).await;
    assert_eq!((s(&one["userName"]), s(&one["displayName"])), ("carly.rae", ""));
    assert_eq!(one["phoneNumbers"][1], json!({"value": null, "primary": true}));
    assert_eq!(one["timezone"], "America/Los_Angeles");
    let two = make(body("carly.rae@other.example", "b@corp.example")).await;
    assert_eq!(two["userName"], "carly.rae2");
    for (name, email, wanted) in [
        ("CARLY.rae", "c@corp.example", "username_taken"),
        ("general", "c@corp.example", "username_taken"),
        ("here", "c@corp.example", "username_not_allowed"),
        ("an.endless.name.of.someone", "c@corp.example", "username_too_long"),
        ("!!", "c@corp.example", "username_invalid"),
        (" ", "c@corp.example", "username_empty"),
        ("carl", "A@corp.example", "email_taken"),
        ("carl", "nobody", "bad_email_address"),
        ("carl", " ", "email_empty"),
    ] {
        let refused = client.scim("POST", "/scim/v2/Users", &body(name, email)).await;
        assert_eq!(code(&refused.json()), wanted, "{name} {email}");
        let conflict = wanted.ends_with("_taken");
        let status = if conflict { StatusCode::CONFLICT } else { StatusCode::BAD_REQUEST };
        assert_eq!(refused.status, status, "{wanted}");
    }
    assert_eq!(client.sandbox.changes().len(), 2);
}

#[tokio::test]
async fn put_clears_omitted_attributes_except_name_zone_and_active() {
    let client = Client::unlimited(60);
    let boss = client.sandbox.snapshot().people()[0].id.clone();
    for version in 0..2 {
        let path = format!("/scim/v{}/Users", version + 1);
        let made = client.scim("POST", &path, &doctor(version, &boss)).await.json();
        let path = format!("{path}/{}", s(&made["id"]));
        client.scim("DELETE", &path, &json!({})).await;
        let email = format!("new{version}@gallifrey.example");
        let body = json!({
            "schemas": [CORE[version]], "userName": format!("new{version}"),
            "emails": [{"value": email}], "externalId": "another",
        });
        let put = client.scim("PUT", &path, &body).await;
        assert_eq!(put.status, StatusCode::OK);
        let user = put.json();
        assert_eq!(user["emails"].as_array().unwrap().len(), 1);
        assert_eq!(user["emails"][0]["value"], email);
        assert_eq!(user["externalId"], "idp-7");
        let name = json!({"givenName": "First", "familyName": "Last", "honorificPrefix": null});
        assert_eq!(user["name"], name);
        assert_eq!((s(&user["displayName"]), s(&user["title"])), ("", ""));
        assert_eq!(user["active"], false);
        assert_eq!(user["timezone"], "America/Los_Angeles");
        assert!(s(&user["profileUrl"]).ends_with(&format!("/team/new{version}")));
        assert_eq!(user["addresses"][0]["country"], Value::Null);
        assert_eq!(user["phoneNumbers"][0], json!({"value": null, "type": "mobile"}));
        assert_eq!(user["roles"][0]["value"], Value::Null);
        for empty in ["userType", "preferredLanguage", "locale"] {
            assert_eq!(user[empty], Value::Null, "{empty}");
        }
        assert_eq!(user[ENTERPRISE[version]]["manager"], json!({"managerId": null}));
        assert_eq!(user[PROFILE[version]], json!({"startDate": null}));
        let known = client.sandbox.changes().len();
        client.scim("PUT", &path, &body).await;
        assert_eq!(client.sandbox.changes().len(), known, "the same again changes nothing");
        let old = format!("email=doctor{version}@gallifrey.example");
        assert_eq!(client.code("users.lookupByEmail", &old).await, "users_not_found");
        let again = client.scim("POST", "/scim/v2/Users", &doctor(version, &boss)).await;
        assert_eq!(again.status, StatusCode::CREATED, "its handle and address are free");
        for (field, wanted) in [("userName", "username_required"), ("emails", "email_empty")] {
            let mut whole = doctor(version, &boss);
            whole["userName"] = json!("somebody.else");
            whole.as_object_mut().unwrap().remove(field);
            whole.as_object_mut().unwrap().remove("password");
            assert_eq!(code(&client.scim("PUT", &path, &whole).await.json()), wanted);
        }
        let secret = doctor(version, &boss);
        let refused = client.scim("PUT", &path, &secret).await.json();
        assert_eq!(code(&refused), "password_change_not_allowed");
    }
}

#[tokio::test]
async fn deactivates_and_reactivates_users_except_owners_and_bots() {
    let client = Client::unlimited(600);
    let plain = client.person(|one| is_plain(one) && !one.memberships.is_empty());
    for version in ["v1", "v2"] {
        let path = format!("/scim/{version}/Users/{plain}");
        for _ in 0..2 {
            let gone = client.scim("DELETE", &path, &json!({})).await;
            assert_eq!((gone.status, gone.body.len()), (StatusCode::NO_CONTENT, 0));
        }
        assert_eq!(client.get(&path).await.json()["active"], false);
        let back = client.merge(&format!("Users/{plain}"), json!({"active": true})).await;
        assert_eq!(back["active"], true);
    }
    let words = json!([{"op": "Replace", "path": "active", "value": "False"}]);
    assert_eq!(client.operate(&format!("Users/{plain}"), words).await["active"], false);
    let org = client.sandbox.snapshot();
    let first = org.primary_owner().unwrap().id.clone();
    let bot = org.people().iter().find(|person| person.is_bot()).unwrap().id.clone();
    let leads = client.person(|person| {
        let first = person.memberships.iter().any(|one| one.level == WorkspaceLevel::PrimaryOwner);
        first && person.org_level < OrgLevel::PrimaryOwner
    });
    let owner = client.person(is_plain);
    let made = format!("team_id={}&user_id={owner}", org.id);
    assert_eq!(client.code("admin.users.setOwner", &made).await, "");
    for (id, wanted) in [
        (first, "cannot_disable_primary_owner"),
        (leads, "primary_owner_check_failure"),
        (owner, "cannot_modify_owner"),
        (bot, "cannot_disable_bot_user_with_scim"),
        ("U404".to_owned(), "no_such_user"),
    ] {
        let path = format!("/scim/v2/Users/{id}");
        assert_eq!(code(&client.scim("DELETE", &path, &json!({})).await.json()), wanted, "{id}");
    }
    let off = client.sandbox.changes();
    let off = off.iter().filter(|one| matches!(one.change, OrgChange::Deactivated(_)));
    assert_eq!(off.count(), 3);
}
