//! Invalid requests, and the problems returned for them.

use anyhow::Context as _;
use http::Method;
use serde_json::json;
use sqlx::PgPool;

use crate::support::TestApp;

const JSON: &str = "application/json";

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn names_an_invalid_parameter(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    for (query, pointer) in [
        ("users?limit=0", "limit"),
        ("users?limit=1001", "limit"),
        ("users?limit=abc", "limit"),
        ("users?limit=-1", "limit"),
        ("users?limit=", "limit"),
        ("users?limit=99999999999999999999", "limit"),
        ("users?limit=1&limit=2", "limit"),
        ("users?response_format=xml", "response_format"),
        ("users?include_remote_data=maybe", "include_remote_data"),
        ("users?emial=a", "emial"),
        ("users?provider=nobody", "provider"),
        ("users?next_cursor=a&next_cursor=b", "next_cursor"),
        ("users/U1?limit=1", "limit"),
        ("integrated-accounts?limit=0", "limit"),
        ("integrated-accounts/acc_1?x=1", "x"),
        ("events?limit=0", "limit"),
        ("events?type=nothing", "type"),
        ("events?after=evt_1", "after"),
    ] {
        let response = api.get(query).await?;
        response.problem(400, "invalid_query");
        assert_eq!(response.pointers(), [pointer], "{query}");
    }
    assert_eq!(app.calls("admin.users.list"), 0);
    Ok(())
}

/// Times out of the supported range, or that are invalid.
const BAD_TIMES: [&str; 7] = [
    "9999-12-31T23:59:59-01:00",
    "9999-12-31T23:59:59.999999999-00:01",
    "0000-01-01T00:00:00Z",
    "0001-01-01T00:00:00+23:59",
    "10000-01-01T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "1767225600",
];

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_times_out_of_range_in_queries_and_bodies(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let api = app.client_for(&account)?;
    let admin = &app.home.admin;
    for time in BAD_TIMES {
        let text = time.replace('+', "%2B");
        for (client, list, name) in [
            (&api, "users", "updated_at[gt]"),
            (admin, "audit-log", "from"),
            (admin, "audit-log", "to"),
            (admin, "audit-log/export", "to"),
        ] {
            let response = client.get(&format!("{list}?{name}={text}")).await?;
            response.problem(400, "invalid_query");
            assert_eq!(response.pointers(), [name], "{time}");
        }
    }
    for time in ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59%2B01:00"] {
        for query in [format!("audit-log?from={time}"), format!("audit-log?to={time}")] {
            admin.get(&query).await?.success()?;
        }
    }

    // Times up to 1970 are valid, but no provider stores them as an expiry.
    let past = ["1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z"];
    for time in BAD_TIMES.iter().chain(&past) {
        let guest = json!({"email": "new@guest.example", "user_type": "guest_multi_channel",
            "workspaces": [{"id": "T1", "channel_ids": ["C1"]}], "expires_at": time});
        let invited = json!({"email": "new@guest.example", "user_type": "guest_multi_channel",
            "invite": true, "workspaces": [{"id": "T1", "channel_ids": ["C1"]}], "expires_at": time});
        for response in [
            api.post("users", &guest).await?,
            api.post("users", &invited).await?,
            api.patch("users/U1", &json!({"expires_at": time})).await?,
        ] {
            let problem = response.problem(422, "invalid_body").to_string();
            assert_eq!(response.pointers(), ["/expires_at"], "{time}: {problem}");
        }
    }
    for method in ["scim.users.create", "scim.users.update", "admin.users.invite"] {
        assert_eq!(app.calls(method), 0, "{method}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn accepts_the_latest_expiry_to_the_second(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let issued = api.post("users", &json!({"email": "new@guest.example"})).await?.created()?;
    let id = issued["result"]["id"].as_str().context("no id")?.to_owned();
    for (called, held) in [
        ("9999-12-31T23:59:59+01:00", "9999-12-31T22:59:59Z"),
        ("2033-03-03T03:03:03.987Z", "2033-03-03T03:03:03Z"),
    ] {
        let guest = json!({"user_type": "guest_multi_channel", "expires_at": called});
        let user = api.patch(&format!("users/{id}"), &guest).await?.success()?;
        assert_eq!(user["result"]["expires_at"], held, "{user}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn missing_and_foreign_accounts_get_the_same_problem(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = &app.home.api;
    for id in ["acc_01J8ZQ5V9Y3M7T2K4N6P8R0S1T", "acc_1", "env_01J8ZQ5V9Y3M7T2K4N6P8R0S1T", "x"] {
        let named = api.get(&format!("users?integrated_account_id={id}")).await?;
        named.problem(404, "account_not_found");
        app.client_for(id)?.get("users").await?.problem(404, "account_not_found");
        let single = api.get(&format!("integrated-accounts/{id}")).await?;
        single.problem(404, "account_not_found");
        let refresh = format!("integrated-accounts/{id}/refresh");
        api.send(Method::POST, &refresh, None).await?.problem(404, "account_not_found");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_cursor_is_valid_for_its_own_list_and_account(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let other = app.client_for(&app.link("globex").await?)?;
    let page = api.get("users?limit=1").await?.success()?;
    let cursor = page["next_cursor"].as_str().context("no cursor")?.to_owned();
    let first: String = cursor.chars().take(1).collect();
    let changed = format!("{}{}", if first == "A" { "B" } else { "A" }, &cursor[1..]);
    let path = |cursor: &str| format!("users?limit=1&next_cursor={cursor}");
    api.get(&path(&cursor)).await?.success()?;
    for (client, path) in [
        (&api, path("nonsense")),
        (&api, path("%01%F0%9F%A6%80")),
        (&api, path(&changed)),
        (&api, path(&cursor[..cursor.len() - 2])),
        (&api, path(&format!("{cursor}AAAA"))),
        (&api, format!("workspaces?next_cursor={cursor}")),
        (&api, format!("role-assignments?next_cursor={cursor}")),
        (&api, format!("roles?next_cursor={cursor}")),
        (&other, path(&cursor)),
    ] {
        let response = client.get(&path).await?;
        response.problem(400, "invalid_cursor");
        assert_eq!(response.pointers(), ["next_cursor"], "{path}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn reports_a_cursor_that_expired_at_the_provider(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let page = api.get("users?limit=1").await?.success()?;
    let cursor = page["next_cursor"].as_str().context("no cursor")?;
    app.sandbox.advance_clock(time::Duration::hours(2));
    let late = api.get(&format!("users?limit=1&next_cursor={cursor}")).await?;
    late.problem(400, "invalid_cursor");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn points_to_the_invalid_field_of_a_body(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let (api, admin) = (&app.home.api, &app.home.admin);
    for (body, pointer) in [
        (json!({"tenant_id": "a", "tenant": "b"}), "/tenant"),
        (json!({"tenant_id": 5}), "/tenant_id"),
        (json!({"tenant_id": ""}), "/tenant_id"),
        (json!({"tenant_id": "x".repeat(256)}), "/tenant_id"),
        (json!({"tenant_id": "a", "provider": "myspace"}), "/provider"),
        (json!({"tenant_id": "a", "expires_in_s": 59}), "/expires_in_s"),
        (json!({"tenant_id": "a", "expires_in_s": "60"}), "/expires_in_s"),
        (json!({"tenant_id": "a", "expires_in_s": -1}), "/expires_in_s"),
        (json!({"tenant_id": "a", "context": [1]}), "/context"),
        (json!({"tenant_id": "a", "redirect_uri": "http://evil.example/"}), "/redirect_uri"),
        (json!({"tenant_id": "a", "redirect_uri": "javascript:alert(1)"}), "/redirect_uri"),
        (json!({"tenant_id": "a", "redirect_uri": "no address"}), "/redirect_uri"),
        (json!({"tenant_id": "a", "integrated_account_id": "acc_1"}), "/integrated_account_id"),
        (json!({}), ""),
        (json!([]), ""),
        (json!(null), ""),
    ] {
        let response = api.post("link-tokens", &body).await?;
        response.problem(422, "invalid_body");
        assert_eq!(response.pointers(), [pointer], "{body}: {}", response.text);
    }
    let scopes = json!({"provider": "slack_enterprise", "client_id": "a", "client_secret": "b",
        "scopes": ["x", 7]});
    let response = admin.post("provider-apps", &scopes).await?;
    response.problem(422, "invalid_body");
    assert_eq!(response.pointers(), ["/scopes/1"]);
    let unknown = json!({"provider": "slack_enterprise", "client_id": "", "client_secret": "b"});
    admin.post("provider-apps", &unknown).await?.problem(422, "invalid_body");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_arrays_for_objects_and_duplicate_names(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let admin = &app.home.admin;
    for (client, path, body, pointer) in [
        (&api, "users", r#"["a@b.example"]"#, ""),
        (&api, "users", r#"{"email": "a@b.c", "manager": ["U1"]}"#, "/manager"),
        (&api, "users", r#"{"email": "a@b.c", "emails": [["a@b.c", null, true]]}"#, "/emails/0"),
        (&api, "users", r#"{"email": "a@b.c", "workspaces": [["T1"]]}"#, "/workspaces/0"),
        (&api, "users", r#"{"email": "a@b.c", "user_type": {"member": null}}"#, "/user_type"),
        (&api, "users", r#"{"email": "a@b.c", "email": "d@e.f"}"#, "/email"),
        (&api, "users", r#"{"email": "a@b.c", "remote_data": {"x": 1, "x": 2}}"#, "/remote_data/x"),
        (&api, "users/assign_role", r#"["U1", [["Rl01", null, null]]]"#, ""),
        (
            &api,
            "users/assign_role",
            r#"{"user_id": "U1", "roles": [["Rl01", null, null]]}"#,
            "/roles/0",
        ),
        (&api, "role-assignments", r#"["U1", "Rl01", null, null]"#, ""),
        (&api, "groups", r#"["Night", null, [], [], []]"#, ""),
        (&api, "groups/S1/members", r#"["U1"]"#, ""),
        (&api, "workspaces", r#"["Research"]"#, ""),
        (&api, "workspaces/T1/members", r#"["U1", "member", []]"#, ""),
        (&api, "batch", r#"[[{"method": "GET", "path": "/users"}], 4]"#, ""),
        (&api, "link-tokens", r#"["acme"]"#, ""),
        (admin, "api-keys", r#"["Payroll", ["read"]]"#, ""),
        (admin, "environments", r#"["staging"]"#, ""),
        (admin, "provider-apps", r#"["slack_enterprise", "1", "2"]"#, ""),
    ] {
        let response = client.send(Method::POST, path, Some((JSON, body))).await?;
        response.problem(422, "invalid_body");
        assert_eq!(response.pointers(), [pointer], "{path} {body}: {}", response.text);
    }
    let operations = json!({"operations": [["one", "GET", "/users"],
        {"method": "POST", "path": "/users", "body": ["a@b.c"]}]});
    let response = api.post("batch", &operations).await?.success()?;
    for number in [0, 1] {
        let body = &response["result"][number]["body"];
        assert_eq!(body["type"], "/problems/invalid_body", "{response}");
    }
    assert_eq!(response["result"][0]["body"]["errors"][0]["pointer"], "/operations/0");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_secret_in_an_invalid_body_is_not_echoed(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let body =
        json!({"provider": "slack_enterprise", "client_id": 1, "client_secret": "hush-hush"});
    let response = app.home.admin.post("provider-apps", &body).await?;
    response.problem(422, "invalid_body");
    assert!(!response.text.contains("hush-hush"), "{}", response.text);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_a_body_that_is_not_json(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| setup.config.server.max_body_bytes = 1_000).await?;
    let api = &app.home.api;
    let send = async |kind: &str, body: &str| {
        let body = (!kind.is_empty()).then_some((kind, body));
        api.send(Method::POST, "link-tokens", body).await
    };
    for broken in ["", "{", "{\"tenant_id\":\"a\"} x", "tenant_id=a", "\u{feff}{}"] {
        send(JSON, broken).await?.problem(422, "invalid_body");
    }
    let body = json!({"tenant_id": "a"}).to_string();
    // Without a body the type does not matter.
    let empty = send("", "").await?;
    let detail = empty.problem(422, "invalid_body")["detail"].to_string();
    assert!(detail.contains("has no body"), "{detail}");
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
        send(kind, &body).await?.problem(415, "unsupported_media_type");
    }
    let unnamed = send("text/plain; charset=utf-8", &body).await?;
    let detail = unnamed.problem(415, "unsupported_media_type")["detail"].to_string();
    assert!(detail.contains("`text/plain`") && detail.contains("application/json"), "{detail}");
    assert_eq!(unnamed.pointers(), ["Content-Type"]);
    let absent = api.open(Method::POST, "link-tokens", Some(body.clone().into())).await?;
    assert_eq!(absent.status(), 415);
    let absent = absent.text().await?;
    assert!(
        absent.contains("no `Content-Type`") && absent.contains("application/json"),
        "{absent}"
    );
    for kind in [JSON, "Application/JSON; charset=utf-8", "application/vnd.api+json"] {
        send(kind, &body).await?.created()?;
    }
    let large = json!({"tenant_id": "a", "context": {"x": "x".repeat(1_000)}}).to_string();
    send(JSON, &large).await?.problem(413, "body_too_large");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn reports_unknown_routes_and_methods(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let admin = &app.home.admin;
    for path in ["nothing", "users/U1/more", "Users", "users/", "users/%ff", "%c3"] {
        admin.get(path).await?.problem(404, "route_not_found");
    }
    for (method, path) in [
        (Method::DELETE, "users"),
        (Method::PUT, "integrated-accounts"),
        (Method::PUT, "link-tokens"),
        (Method::POST, "healthz"),
        (Method::POST, "problems"),
    ] {
        let response = admin.send(method.clone(), path, None).await?;
        response.problem(405, "method_not_allowed");
        assert_ne!(response.header("allow"), "", "{method} {path} has no Allow header");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn accepts_a_valid_request_id_of_the_caller(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let anonymous = app.anonymous()?;
    let stored = anonymous.clone().with("x-request-id", "my-own.id_1")?.get("users").await?;
    assert_eq!(stored.problem(401, "unauthorized")["request_id"], "my-own.id_1");
    let long = "x".repeat(129);
    for malformed in ["a b", "<script>", &long] {
        let response = anonymous.clone().with("x-request-id", malformed)?.get("users").await?;
        let id = response.problem(401, "unauthorized")["request_id"].as_str().unwrap_or_default();
        assert!(id.starts_with("req_"), "{id}");
    }
    let fine = anonymous.get("healthz").await?;
    assert!(fine.header("x-request-id").starts_with("req_"));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn registers_an_oauth_client_once(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let client = json!({"provider": "slack_enterprise", "client_id": "9.9", "client_secret": "b"});
    app.home.admin.post("provider-apps", &client).await?.created()?;
    app.home.admin.post("provider-apps", &client).await?.problem(409, "already_exists");
    app.tenant("other").await?.admin.post("provider-apps", &client).await?.created()?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_environment_without_a_provider_app_can_not_link(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    sqlx::query("delete from provider_apps").execute(&app.pool).await?;
    let link = app.home.api.post("link-tokens", &json!({"tenant_id": "a"})).await?;
    link.problem(409, "no_provider_app");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_tenant_with_two_accounts_must_select_one(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    sqlx::query("update integrated_accounts set organization_id = 'E0OTHER'")
        .execute(&app.pool)
        .await?;
    app.link("acme").await?;
    let by_tenant = "users?tenant_id=acme&provider=slack_enterprise";
    app.home.api.get(by_tenant).await?.problem(400, "ambiguous_account");
    let path = format!("users?limit=1&integrated_account_id={account}");
    app.home.api.get(&path).await?.success()?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_nul_characters_everywhere(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    for (path, body) in [
        ("users", r#"{"email": "a@b.c", "title": "x\u0000y"}"#),
        ("users/assign_role", r#"{"user_id": "U1", "roles": [{"id": "Rl01\u0000"}]}"#),
        ("users", r#"{"email": "a@b.c", "custom_fields": {"a\u0000": 1}}"#),
    ] {
        api.send(Method::POST, path, Some((JSON, body))).await?.problem(422, "invalid_body");
    }
    // A backslash that is itself escaped does not begin an escape.
    let harmless = r#"{"email": "a@b.c", "title": "x\\u0000y"}"#;
    api.send(Method::POST, "users", Some((JSON, harmless))).await?.created()?;
    for path in ["users/U1%00", "users?email=%00", "role-assignments/Rl01.U1%00.E1"] {
        api.get(path).await?.problem(400, "invalid_query");
    }
    Ok(())
}
