//! Changes of users at a SCIM server: the same effect by PATCH and by PUT, in every form that servers accept.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::scim_server::{
    ENTERPRISE, ScimOptions, ScimRequest, ScimServer, json_response, open_app, raw_response,
};
use crate::support::{Client, TestApp};

/// A kind of server.
pub(crate) type Mode = (&'static str, fn() -> ScimOptions);

/// Kinds of servers that differ in how they are changed.
pub(crate) const MODES: [Mode; 5] = [
    ("patch", || ScimOptions { is_strict: true, ..ScimOptions::default() }),
    ("patch-204", || ScimOptions { patch_without_body: true, ..ScimOptions::default() }),
    ("patch-etag", || ScimOptions {
        etag: true,
        requires_if_match: true,
        ..ScimOptions::default()
    }),
    ("put", || ScimOptions { patch: false, is_strict: true, ..ScimOptions::default() }),
    ("put-etag", || ScimOptions {
        patch: false,
        etag: true,
        requires_if_match: true,
        ..ScimOptions::default()
    }),
];

/// Starts a server and links it as an account of this tenant.
pub(super) async fn linked(
    app: &TestApp,
    tenant: &str,
    options: ScimOptions,
) -> anyhow::Result<(ScimServer, Client)> {
    let server = ScimServer::start(options).await?;
    let account = server.link(app, tenant).await?;
    Ok((server, app.client_for(&account)?))
}

/// Returns the id of the tenant's account.
pub(super) async fn account(app: &TestApp, tenant: &str) -> anyhow::Result<String> {
    let path = format!("integrated-accounts?tenant_id={tenant}");
    let accounts = app.home.api.get(&path).await?.success()?;
    let id = accounts.pointer("/result/0/id").and_then(Value::as_str).context("no account")?;
    Ok(id.to_owned())
}

/// Changes the settings of the tenant's account.
pub(crate) async fn set(app: &TestApp, tenant: &str, settings: &Value) -> anyhow::Result<()> {
    let path = format!("integrated-accounts/{}", account(app, tenant).await?);
    let body = json!({ "provider_settings": settings });
    app.home.admin.patch(&path, &body).await?.success()?;
    Ok(())
}

/// Returns the id of the object in a response.
pub(super) fn id(response: &Value) -> anyhow::Result<String> {
    Ok(response.pointer("/result/id").and_then(Value::as_str).context("no id")?.to_owned())
}

/// Returns the outcomes of a response's steps.
pub(super) fn outcomes(response: &Value) -> Vec<&str> {
    let parts = response["parts"].as_array().into_iter().flatten();
    parts.filter_map(|part| part["outcome"].as_str()).collect()
}

/// Returns a user as stored, without what the server sets.
pub(super) fn stored(server: &ScimServer, id: &str) -> anyhow::Result<Value> {
    let mut user = server.user(id).context("no such user")?;
    let object = user.as_object_mut().context("no object")?;
    object.retain(|name, _| !["id", "meta", "schemas"].contains(&&**name));
    Ok(user)
}

/// Returns the number of requests that change something.
pub(super) fn writes(server: &ScimServer) -> usize {
    server.requests().iter().filter(|request| request.method.as_str() != "GET").count()
}

fn in_enterprise(name: &str) -> String {
    format!("/{ENTERPRISE}/{name}")
}

/// Changes in order: the request, and what the server has afterwards.
fn changes(boss: &str) -> Vec<(Value, String, Value)> {
    let row = |body: Value, at: &str, value: Value| (body, at.to_owned(), value);
    let of = |body: Value, name: &str, value: Value| (body, in_enterprise(name), value);
    let two = json!({"emails": [{"email": "home@example.com", "type": "home"},
        {"email": "king@example.com", "type": "work", "is_primary": true}]});
    vec![
        row(json!({"title": "Countess"}), "/title", json!("Countess")),
        row(json!({"title": null}), "/title", json!(null)),
        row(json!({"last_name": "King"}), "/name/familyName", json!("King")),
        row(json!({"first_name": "Augusta"}), "/name/formatted", json!("Augusta King")),
        row(json!({"name": "Ada King"}), "/name/givenName", json!("Ada")),
        of(json!({"department": "Sales"}), "department", json!("Sales")),
        of(json!({"manager": null}), "manager", json!(null)),
        of(json!({"manager": {"id": boss}}), "manager/value", json!(boss)),
        row(
            json!({"email": "ada.king@example.com"}),
            "/emails/0/value",
            json!("ada.king@example.com"),
        ),
        row(two, "/emails/1/primary", json!(true)),
        row(json!({"email": "lady@example.com"}), "/emails/1/value", json!("lady@example.com")),
        row(json!({"email": "home@example.com"}), "/emails/0/primary", json!(true)),
        row(
            json!({"phones": [{"number": "1"}, {"number": "2", "type": "mobile"}]}),
            "/phoneNumbers/1",
            json!({"value": "2", "type": "mobile"}),
        ),
        row(json!({"phones": null}), "/phoneNumbers", json!(null)),
        row(
            json!({"addresses": [{"city": "Paris"}]}),
            "/addresses",
            json!([{"locality": "Paris"}]),
        ),
        row(json!({"locale": "fr-FR"}), "/locale", json!("fr-FR")),
        row(json!({"username": "ada.king"}), "/userName", json!("ada.king")),
        row(json!({"status": "inactive"}), "/active", json!(false)),
        row(json!({"status": "active"}), "/active", json!(true)),
        row(
            json!({"remote_data": {"nickName": null, "displayName": "K."}}),
            "/displayName",
            json!("K."),
        ),
        row(json!({"title": "Engineer", "department": null}), "/title", json!("Engineer")),
    ]
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_change_has_the_same_effect_at_every_kind_of_server(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let mut ends = Vec::new();
    for (mode, options) in MODES {
        let (server, api) = linked(&app, mode, options()).await?;
        let boss = server.add_user(json!({"id": "boss-1", "userName": "boss"}));
        let new = json!({
            "email": "ada@example.com", "username": "ada", "external_id": "hr-1815",
            "first_name": "Ada", "last_name": "Lovelace", "department": "Research",
            "cost_center": "C1", "employee_number": "1815", "timezone": "Europe/London",
            "phones": [{"number": "+44 1", "type": "work"}],
            "photos": [{"url": "https://pictures.example/ada.png"}],
            "addresses": [{"street": "12 Square", "city": "London", "country": "GB"}],
            "manager": {"id": boss}, "remote_data": {"nickName": "Countess"},
        });
        let created = api.post("users", &new).await?.created()?;
        let user = id(&created)?;
        let made = json!({
            "userName": "ada", "externalId": "hr-1815", "active": true, "nickName": "Countess",
            "name": {"givenName": "Ada", "familyName": "Lovelace", "formatted": "Ada Lovelace"},
            "emails": [{"value": "ada@example.com", "type": "work", "primary": true}],
            "phoneNumbers": [{"value": "+44 1", "type": "work"}], "timezone": "Europe/London",
            "photos": [{"value": "https://pictures.example/ada.png", "type": "photo"}],
            "addresses": [{"streetAddress": "12 Square", "locality": "London", "country": "GB"}],
            (ENTERPRISE): {"department": "Research", "costCenter": "C1", "employeeNumber": "1815",
                "manager": {"value": "boss-1"}},
        });
        assert_eq!(stored(&server, &user)?, made, "{mode}");
        assert_eq!(created["result"]["name"], "Ada Lovelace", "{mode}: {created}");
        let path = format!("users/{user}");
        for (body, at, value) in changes(&boss) {
            let changed = api.patch(&path, &body).await?.success()?;
            assert_eq!(outcomes(&changed), ["applied"], "{mode}: {body}");
            let is = stored(&server, &user)?;
            let found = is.pointer(&at).cloned().unwrap_or_default();
            assert_eq!(found, value, "{mode}: {at} of {is} after {body}");
            let before = writes(&server);
            let again = api.patch(&path, &body).await?.success()?;
            assert_eq!(outcomes(&again), ["unchanged"], "{mode}: {body}");
            assert_eq!(writes(&server), before, "{mode}: {body}");
        }
        let end = stored(&server, &user)?;
        assert_eq!(end["externalId"], "hr-1815", "{mode}: it is never lost");
        let removed = api.delete(&path).await?.success()?;
        assert_eq!(removed["result"]["status"], "inactive", "{mode}");
        assert_eq!(outcomes(&removed), ["applied"], "{mode}");
        let again = api.delete(&path).await?.success()?;
        assert_eq!(outcomes(&again), ["unchanged"], "{mode}");
        let is_put = mode.starts_with("put");
        let (patches, puts) = (server.calls("PATCH", "Users"), server.calls("PUT", "Users"));
        assert_eq!((patches == 0, puts > 0), (is_put, is_put), "{mode}: {patches}, {puts}");
        ends.push((mode, end));
    }
    for (mode, end) in &ends {
        assert_eq!(Some(end), ends.first().map(|(_, first)| first), "{mode}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_change_that_meets_another_one_starts_again(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    for (tenant, conflicts, is_applied) in [("three", 3, true), ("four", 4, false)] {
        let options = ScimOptions { patch: false, etag: true, ..ScimOptions::default() };
        let (server, api) = linked(&app, tenant, options).await?;
        let user = server.add_user(json!({"userName": "ada", "title": "Old"}));
        let seen = Arc::new(AtomicUsize::new(0));
        server.hook(move |request| {
            let is_put = request.method.as_str() == "PUT";
            let is_conflict = is_put && seen.fetch_add(1, Ordering::Relaxed) < conflicts;
            is_conflict.then(|| json_response(412, &json!({"status": "412"})))
        });
        let changed = api.patch(&format!("users/{user}"), &json!({"title": "New"})).await?;
        if is_applied {
            assert_eq!(outcomes(&changed.success()?), ["applied"]);
        } else {
            changed.problem(409, "provider_conflict");
        }
        let title = if is_applied { "New" } else { "Old" };
        assert_eq!(stored(&server, &user)?["title"], title);
        assert_eq!(server.calls("PUT", "Users"), 4);
    }
    Ok(())
}

/// A server that rejects operations with some paths: its name, the status and the code of its responses, the paths, and
/// the number of PUT requests that it then gets.
type Dialect = (&'static str, u16, &'static str, fn(Option<&str>) -> bool, usize);

/// Whether a PATCH request has an operation with such a path.
fn has_path(request: &ScimRequest, is_such: fn(Option<&str>) -> bool) -> bool {
    let operations = request.body.get("Operations").and_then(Value::as_array);
    let operations = operations.into_iter().flatten();
    let mut paths = operations.map(|operation| operation["path"].as_str());
    request.method.as_str() == "PATCH" && paths.any(is_such)
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn falls_back_to_the_form_that_a_server_accepts(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let dialects: [Dialect; 5] = [
        ("no-filters", 400, "invalidFilter", |path| path.is_some_and(|path| path.contains('[')), 0),
        ("no-paths", 400, "invalidPath", |path| path.is_some(), 0),
        ("no-code", 400, "", |path| path.is_some(), 0),
        ("no-method", 501, "", |_| true, 1),
        ("no-route", 405, "", |_| true, 1),
    ];
    for (tenant, status, code, is_rejected, puts) in dialects {
        let (server, api) = linked(&app, tenant, ScimOptions::default()).await?;
        let user = server.add_user(json!({"userName": "ada", "displayName": "Ada",
            "name": {"givenName": "Ada", "familyName": "Byron"},
            "emails": [{"value": "a@example.com", "type": "work", "primary": true},
                {"value": "b@example.com", "type": "home"}],
            (ENTERPRISE): {"department": "Sales", "costCenter": "C1"}}));
        server.hook(move |request| {
            let body = if code.is_empty() { json!({}) } else { json!({ "scimType": code }) };
            has_path(request, is_rejected).then(|| json_response(status, &body))
        });
        let change = json!({"email": "c@example.com", "last_name": "King", "department": "Legal"});
        let changed = api.patch(&format!("users/{user}"), &change).await?.success()?;
        assert_eq!(outcomes(&changed), ["applied"], "{tenant}");
        let expected = json!({"userName": "ada", "displayName": "Ada",
            "name": {"givenName": "Ada", "familyName": "King", "formatted": "Ada King"},
            "emails": [{"value": "c@example.com", "type": "work", "primary": true},
                {"value": "b@example.com", "type": "home"}],
            (ENTERPRISE): {"department": "Legal", "costCenter": "C1"}});
        assert_eq!(stored(&server, &user)?, expected, "{tenant}");
        assert_eq!(server.calls("PUT", "Users"), puts, "{tenant}");
    }
    Ok(())
}

/// Whether a server ignores a request.
type Ignores = fn(&ScimRequest) -> bool;

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_change_that_a_server_accepts_and_ignores_is_not_applied(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let ignored: [(&str, Ignores, usize); 3] = [
        ("paths", |request| has_path(request, |path| path.is_some()), 0),
        ("patch", |request| request.method.as_str() == "PATCH", 2),
        ("all", |request| request.method.as_str() != "GET", 2),
    ];
    for (tenant, is_ignored, puts) in ignored {
        let (server, api) = linked(&app, tenant, ScimOptions::default()).await?;
        let user = server.add_user(json!({"userName": "ada", "title": "Old", "active": true}));
        let (own, id) = (server.clone(), user.clone());
        server.hook(move |request| {
            is_ignored(request).then(|| json_response(200, &own.user(&id).unwrap_or_default()))
        });
        let path = format!("users/{user}");
        for (body, name) in
            [(json!({"title": "New"}), "`title`"), (json!({"status": "inactive"}), "`active`")]
        {
            let changed = api.patch(&path, &body).await?;
            if tenant == "all" {
                let problem = changed.problem(502, "provider_error");
                let detail = problem["detail"].as_str().unwrap_or_default();
                assert!(detail.contains(name), "{detail}");
            } else {
                assert_eq!(outcomes(&changed.success()?), ["applied"], "{tenant}: {body}");
            }
        }
        let expected = if tenant == "all" { ("Old", true) } else { ("New", false) };
        let end = stored(&server, &user)?;
        assert_eq!((&end["title"], &end["active"]), (&json!(expected.0), &json!(expected.1)));
        assert_eq!(server.calls("PUT", "Users"), puts, "{tenant}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_new_user_without_a_body_is_found_by_its_location(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let (server, api) = linked(&app, "acme", ScimOptions::default()).await?;
    let own = server.clone();
    server.hook(move |request| {
        (request.method.as_str() == "POST").then(|| {
            let id = own.add_user(request.body.clone());
            let location = format!("{}/Users/{id}", own.url);
            raw_response(201, &[("location", location.as_str())], Vec::new())
        })
    });
    let created = api.post("users", &json!({"email": "ada@example.com"})).await?.created()?;
    assert_eq!(outcomes(&created), ["applied"]);
    assert_eq!(created["result"]["username"], "ada@example.com");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_existing_user_is_a_conflict(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let (server, api) = linked(&app, "acme", ScimOptions::default()).await?;
    let user = server
        .add_user(json!({"userName": "ada@example.com", "title": "Old", "active": true,
        "emails": [{"value": "ada@example.com", "primary": true}]}));
    let body = json!({"email": "ada@example.com", "title": "New"});
    let rejected = api.post("users", &body).await?;
    let problem = rejected.problem(409, "provider_conflict");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains(&user)), "{problem}");
    let same = api.post("users?on_conflict=return", &body).await?.success()?;
    assert_eq!((id(&same)?, outcomes(&same)), (user.clone(), vec!["unchanged"]));
    let updated = api.post("users?on_conflict=update", &body).await?.success()?;
    assert_eq!((id(&updated)?, outcomes(&updated)), (user.clone(), vec!["applied"]));
    assert_eq!(stored(&server, &user)?["title"], "New");
    let clash = json!({"email": "other@example.com", "username": "ADA@example.com"});
    let rejected = api.post("users", &clash).await?;
    rejected.problem(409, "provider_conflict");
    assert_eq!(rejected.pointers(), ["/username"]);
    assert_eq!(server.users().len(), 1);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn deletes_users_where_the_settings_say_so(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    for (mode, options) in MODES {
        let (server, api) = linked(&app, mode, options()).await?;
        set(&app, mode, &json!({"delete_user": "delete"})).await?;
        let user = server.add_user(json!({"userName": "ada", "active": true}));
        let removed = api.delete(&format!("users/{user}")).await?.success()?;
        assert_eq!(outcomes(&removed), ["applied"], "{mode}");
        assert_eq!(removed["result"]["status"], "deleted", "{mode}");
        assert_eq!(removed["result"]["username"], "ada", "{mode}");
        assert_eq!(server.user(&user), None, "{mode}");
        api.get(&format!("users/{user}")).await?.problem(404, "not_found");
        api.delete(&format!("users/{user}")).await?.problem(404, "not_found");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_version_that_was_not_announced_is_sent_with_whole_values(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let options =
        ScimOptions { patch: false, etag: true, discovery: false, ..ScimOptions::default() };
    let (server, api) = linked(&app, "acme", options).await?;
    let user = server.add_user(json!({"userName": "ada", "active": true}));
    let changed =
        api.patch(&format!("users/{user}"), &json!({"title": "Countess"})).await?.success()?;
    assert_eq!(outcomes(&changed), ["applied"]);
    let requests = server.requests();
    let put = requests.iter().find(|sent| sent.method.as_str() == "PUT").context("no PUT")?;
    assert!(!put.header("if-match").is_empty());
    Ok(())
}
