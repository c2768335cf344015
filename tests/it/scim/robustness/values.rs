//! Values in other forms than the standard has.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::{JSON, ids, is_list, linked, rows_of, server_with_users};
use crate::support::scim_server::{ENTERPRISE, ScimOptions, json_response, open_app};

/// A user with a value in every attribute.
fn full_user() -> Value {
    json!({
        "id": "42", "externalId": "e-42", "userName": "ada", "displayName": "Ada L.",
        "name": {"givenName": "Ada", "familyName": "Lovelace", "formatted": "Ada Lovelace"},
        "nickName": "Countess", "title": "Analyst", "userType": "Employee",
        "preferredLanguage": "en", "locale": "en-GB", "timezone": "Europe/London", "active": false,
        "emails": [{"value": "ada@example.com", "type": "work", "primary": true}],
        "phoneNumbers": [{"value": "123", "type": "work"}],
        "photos": [{"value": "https://photo.example.com", "type": "photo"}],
        "addresses": [{"streetAddress": "1 Road", "locality": "London", "region": "LDN",
            "postalCode": "N1", "country": "GB"}],
        "groups": [{"value": "g1", "display": "Engines"}],
        "roles": [{"value": "admin", "display": "Administrator"}],
        "entitlements": [{"value": "7"}],
        "meta": {"created": "2026-01-01T10:00:00Z", "lastModified": "2026-01-02T10:00:00Z"},
        (ENTERPRISE): {"employeeNumber": "1", "costCenter": "2", "organization": "o",
            "division": "d", "department": "e", "manager": {"value": "43"}},
    })
}

/// Changes all names of a value.
fn renamed(value: &Value, change: fn(&str) -> String) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (change(name), renamed(value, change)));
            Value::Object(fields.collect())
        }
        Value::Array(all) => all.iter().map(|one| renamed(one, change)).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn values_are_read_in_every_form_that_servers_send(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let (server, api) = linked(&app, "acme", ScimOptions::default()).await?;
    let show = |user: Value| {
        server.clear();
        server.respond("Users/42", 200, JSON, user.to_string());
        server.respond("Users/43", 200, JSON, user.to_string());
        let list = json!({"totalResults": 1, "Resources": [user]});
        server.hook(move |request| is_list(request).then(|| json_response(200, &list)));
    };
    show(full_user());
    let usual = api.get("users").await?.success()?["result"].clone();
    assert_eq!(api.get("users/42").await?.success()?["result"], usual[0]);
    for (pointer, expected) in [
        ("/0/id", json!("42")),
        ("/0/external_id", json!("e-42")),
        ("/0/username", json!("ada")),
        ("/0/name", json!("Ada Lovelace")),
        ("/0/status", json!("inactive")),
        ("/0/locale", json!("en-GB")),
        ("/0/emails/0/email", json!("ada@example.com")),
        ("/0/groups/0", json!({"id": "g1", "name": "Engines"})),
        ("/0/roles/0/id", json!("roles:admin")),
        ("/0/roles/0/name", json!("Administrator")),
        ("/0/roles/1/id", json!("entitlements:7")),
        ("/0/manager/id", json!("43")),
        ("/0/custom_fields/nickName", json!("Countess")),
        ("/0/custom_fields/userType", json!("Employee")),
        ("/0/created_at", json!("2026-01-01T10:00:00Z")),
        ("/0/updated_at", json!("2026-01-02T10:00:00Z")),
    ] {
        assert_eq!(usual.pointer(pointer), Some(&expected), "{pointer}: {usual}");
    }

    let with = |name: &str, value: Value| {
        let mut user = full_user();
        user[name] = value;
        user
    };
    let enterprise = full_user()[ENTERPRISE].clone();
    for (name, user) in [
        ("upper case", renamed(&full_user(), str::to_uppercase)),
        ("lower case", renamed(&full_user(), str::to_lowercase)),
        ("an id as a number", with("id", json!(42))),
        ("a number for text", with("phoneNumbers", json!([{"value": 123, "type": "work"}]))),
        ("a boolean as text", with("active", json!("False"))),
        ("a boolean as a number", with("active", json!(0))),
        (
            "primary as text",
            with(
                "emails",
                json!([{"value": "ada@example.com", "type": "work",
            "primary": "true"}]),
            ),
        ),
        ("an object for a list", with("addresses", full_user()["addresses"][0].clone())),
        ("a list for an object", with("name", json!([full_user()["name"]]))),
        ("a list for a text", with("title", json!(["Analyst"]))),
        ("a list for an extension", with(ENTERPRISE, json!([enterprise]))),
        ("a text for a list", with("entitlements", json!("7"))),
        ("a number for a list", with("entitlements", json!(7))),
        ("texts for objects", with("entitlements", json!(["7"]))),
        ("null in a list", with("entitlements", json!([null, {"value": "7"}, {"value": null}]))),
        (
            "a time with an offset without a colon",
            with(
                "meta",
                json!({
            "created": "2026-01-01T12:00:00+0200", "lastModified": "2026-01-02T10:00:00"}),
            ),
        ),
        (
            "attributes that nobody knows",
            with("x509Certificates", json!([{"value": {"deep": []}}])),
        ),
    ] {
        show(user);
        let response = api.get("users").await?.success()?;
        assert_eq!(response["result"], usual, "{name}");
        assert_eq!(response.get("warnings"), None, "{name}");
        assert_eq!(api.get("users/42").await?.success()?["result"], usual[0], "{name}");
    }

    let mut nulls = full_user();
    for (name, value) in nulls.as_object_mut().context("no object")? {
        if name != "id" {
            *value = Value::Null;
        }
    }
    show(nulls);
    let of_nulls = api.get("users/42").await?.success()?["result"].clone();
    show(json!({"id": "42"}));
    assert_eq!(api.get("users/42").await?.success()?["result"], of_nulls, "null is absent");
    assert_eq!(of_nulls["status"], "active");

    // The resource in a list, or in an envelope.
    for wrapped in [
        json!([full_user()]),
        json!({"totalResults": 1, "Resources": [full_user()]}),
        json!({"totalResults": 1, "Resources": full_user()}),
    ] {
        server.clear();
        server.respond("Users/42", 200, JSON, wrapped.to_string());
        assert_eq!(api.get("users/42").await?.success()?["result"], usual[0], "{wrapped}");
    }
    server.clear();
    let single = json!({"totalResults": 1, "Resources": full_user()});
    server.respond("Users", 200, JSON, single.to_string());
    assert_eq!(api.get("users").await?.success()?["result"], usual, "one row in place of a list");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_unreadable_row_is_a_warning_and_the_others_come(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let (server, api, expected) = server_with_users(&app, "acme").await?;
    let odd = expected[1].clone();
    server.rewrite("Users", {
        let odd = odd.clone();
        move |body| {
            for row in rows_of(body).into_iter().flatten() {
                if row["id"] == odd {
                    row["EMAILS"] = json!([{"value": {"secret": 1}}]);
                    if let Some(row) = row.as_object_mut() {
                        row.remove("emails");
                    }
                }
            }
        }
    });
    let others: Vec<String> = expected.iter().filter(|id| **id != odd).cloned().collect();
    for limit in [1, 3, 100] {
        assert_eq!(ids(&api, &format!("users?limit={limit}")).await?, others, "{limit}");
    }
    for path in ["users", "users?include_remote_data=true"] {
        let page = api.get(path).await?.success()?;
        let warning = &page["warnings"][0];
        assert_eq!(warning["id"], odd, "{warning}");
        assert_eq!(warning["index"], 1, "{warning}");
        let field = "scim.users.list: Resources[1].EMAILS[0].value";
        assert_eq!(warning["field"], field, "{warning}");
        assert!(!page["warnings"].to_string().contains("secret"), "{warning}");
    }
    let one = api.get(&format!("users/{odd}")).await?;
    assert_eq!(one.status, 200, "it can be read alone: {}", one.text);
    Ok(())
}
