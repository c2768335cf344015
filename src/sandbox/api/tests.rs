//! Through the front door: what a client of the provider sees.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use tower::ServiceExt;
use url::Url;

use super::router;
use crate::domain::clock::ManualClock;
use crate::sandbox::org::{Level, OrgLevel, Standing};
use crate::sandbox::{
    App, DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, Fault, FaultKind, Options, Sandbox,
};

const SCOPES: &[&str] = &[
    "admin",
    "admin.users:read",
    "admin.teams:read",
    "admin.roles:read",
    "users:read",
    "users:read.email",
    "team:read",
];
const CALLBACK: &str = "http://127.0.0.1:9/callback";

/// A client with a token.
struct Client {
    sandbox: Sandbox,
    token: String,
}

/// An answer that has been read.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Client {
    fn new(options: Options) -> Self {
        let clock = ManualClock::at(OffsetDateTime::from_unix_timestamp(1_790_000_000).unwrap());
        let sandbox = Sandbox::new(options, Arc::new(clock)).unwrap();
        let token = sandbox.install(DEFAULT_CLIENT_ID, SCOPES).unwrap().access_token;
        Self { sandbox, token }
    }

    fn unlimited(users: usize) -> Self {
        Self::new(Options { users, enforce_limits: false, ..Options::default() })
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = router(self.sandbox.clone()).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn get(&self, path: &str) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let request = Request::get(path).header("authorization", bearer);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let kind = "application/x-www-form-urlencoded";
        let request = Request::post(path).header("content-type", kind);
        self.send(request.body(Body::from(body)).unwrap()).await
    }

    async fn call(&self, method: &str, query: &str) -> Value {
        self.get(&format!("/api/{method}?{query}")).await.json()
    }

    /// All rows of a list, page after page.
    async fn all(&self, method: &str, field: &str, query: &str, limit: usize) -> Vec<Value> {
        let (mut rows, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = self.call(method, &format!("{query}&limit={limit}&cursor={cursor}")).await;
            assert_eq!(page["ok"], true, "{method} {query}: {page}");
            let found = page[field].as_array().unwrap();
            assert!(found.len() <= limit);
            rows.extend(found.iter().cloned());
            let next = page["response_metadata"]["next_cursor"].as_str().unwrap();
            if next.is_empty() {
                return rows;
            }
            assert!(next.ends_with('='));
            cursor = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
        }
    }
}

fn ids(rows: &[Value]) -> BTreeSet<String> {
    let ids: BTreeSet<String> =
        rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), rows.len(), "a row came twice");
    ids
}

fn s(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[tokio::test]
async fn admin_users_list_pages_through_everybody_exactly_once() {
    let client = Client::unlimited(237);
    let org = client.sandbox.snapshot();
    let mut seen = BTreeSet::new();
    for (query, active) in [("is_active=true", true), ("is_active=false", false)] {
        let rows = client.all("admin.users.list", "users", query, 7).await;
        assert!(rows.iter().all(|row| row["is_active"] == active));
        let wanted: BTreeSet<String> = org
            .people()
            .iter()
            .filter(|one| one.is_active() == active)
            .map(|one| one.id.clone())
            .collect();
        assert_eq!(ids(&rows), wanted);
        seen.extend(wanted);
        for row in rows {
            let (_, person) = org.find(s(&row["id"])).unwrap();
            assert_eq!(row["is_owner"], person.org_level >= OrgLevel::Owner);
            assert_eq!(row["is_restricted"], person.guest().is_some());
            assert_eq!(row["deactivated_ts"], person.deactivated_at());
        }
    }
    assert_eq!(seen.len(), 237);
}

#[tokio::test]
async fn a_workspace_lists_its_members_with_their_level_there() {
    let client = Client::unlimited(200);
    let org = client.sandbox.snapshot();
    for (number, workspace) in org.workspaces.iter().enumerate() {
        let mut wanted = HashSet::new();
        for active in ["true", "false"] {
            let query = format!("team_id={}&is_active={active}", workspace.id);
            let rows = client.all("admin.users.list", "users", &query, 9).await;
            for row in &rows {
                let (index, person) = org.find(s(&row["id"])).unwrap();
                let level = person.membership(number).unwrap().level;
                assert_eq!(row["is_primary_owner"], level == Level::PrimaryOwner);
                assert_eq!(row["is_admin"], level >= Level::Admin);
                assert_eq!(row["is_ultra_restricted"], level == Level::SingleChannelGuest);
                wanted.insert(index);
            }
        }
        assert_eq!(wanted, workspace.members.iter().copied().collect());
        let list = client.call("users.list", &format!("team_id={}", workspace.id)).await;
        assert_eq!(list["members"].as_array().unwrap().len(), workspace.members.len());
    }
    let guests = client.all("admin.users.list", "users", "only_guests=1", 5).await;
    assert!(!guests.is_empty() && guests.iter().all(|row| row["is_restricted"] == true));
}

#[tokio::test]
async fn teams_owners_admins_and_roles_are_those_of_the_organization() {
    let client = Client::unlimited(400);
    let org = client.sandbox.snapshot();
    let teams = client.all("admin.teams.list", "teams", "", 2).await;
    assert_eq!(ids(&teams).len(), 5);
    let team = &org.workspaces[1];
    let query = format!("team_id={}", team.id);
    let owners = client.all("admin.teams.owners.list", "owner_ids", &query, 1).await;
    assert!(owners.contains(&json!(org.person(team.primary_owner).unwrap().id)));
    let admins = client.all("admin.teams.admins.list", "admin_ids", &query, 1).await;
    assert!(!admins.is_empty());
    let info = client.call("admin.teams.settings.info", &query).await;
    assert_eq!(info["team"]["domain"], team.domain);
    for order in ["ASC", "DESC"] {
        let query = format!("sort_dir={order}");
        let rows = client.all("admin.roles.listAssignments", "role_assignments", &query, 4).await;
        assert_eq!(rows.len(), org.roles.len());
        let dates: Vec<i64> = rows.iter().map(|row| row["date_create"].as_i64().unwrap()).collect();
        assert!(dates.is_sorted_by(|a, b| if order == "ASC" { a <= b } else { a >= b }));
    }
}

#[tokio::test]
async fn user_objects_tell_invited_people_and_hide_addresses_without_the_scope() {
    let client = Client::unlimited(200);
    let org = client.sandbox.snapshot();
    let invited = org.people().iter().find(|one| one.standing == Standing::Invited).unwrap();
    let info = client.call("users.info", &format!("user={}&include_locale=1", invited.id)).await;
    assert_eq!(info["user"]["is_invited_user"], true);
    assert_eq!(info["user"]["profile"]["email"], invited.email);
    assert_eq!(info["user"]["enterprise_user"]["enterprise_id"], org.id);
    let email = invited.email.to_uppercase();
    let found = client.call("users.lookupByEmail", &format!("email={email}")).await;
    assert_eq!(found["user"]["id"], invited.id);
    let token = client.sandbox.install(DEFAULT_CLIENT_ID, &["users:read"]).unwrap().access_token;
    let narrow = Client { sandbox: client.sandbox.clone(), token };
    let info = narrow.call("users.info", &format!("user={}", invited.id)).await;
    assert_eq!(info["user"]["profile"].get("email"), None);
    let refused = narrow.call("admin.users.list", "").await;
    assert_eq!(refused["error"], "missing_scope");
    assert_eq!(refused["needed"], "admin.users:read");
    assert_eq!(refused["provided"], "users:read");
}

#[tokio::test]
async fn refusals_have_slacks_codes() {
    let client = Client::unlimited(20);
    for (method, query, error) in [
        ("no.such.method", "", "unknown_method"),
        ("admin.users.list", "team_id=T404", "team_not_found"),
        ("admin.users.list", "limit=0", "invalid_arguments"),
        ("admin.users.list", "is_active=perhaps", "invalid_arguments"),
        ("admin.users.list", "cursor=dXNlcjpVMDYxTkZUVDI%3D", "invalid_cursor"),
        ("admin.teams.list", "limit=1001", "invalid_limit"),
        ("admin.teams.settings.info", "", "invalid_arguments"),
        ("admin.roles.listAssignments", "sort_dir=up", "invalid_sort"),
        ("users.info", "user=U404", "user_not_found"),
        ("users.list", "", "missing_argument"),
        ("users.lookupByEmail", "email=nobody%40nowhere.example", "users_not_found"),
    ] {
        let answer = client.get(&format!("/api/{method}?{query}")).await;
        assert_eq!(
            (answer.status, s(&answer.json()["error"])),
            (StatusCode::OK, error),
            "{method}"
        );
        assert!(!answer.header("x-slack-req-id").is_empty());
    }
    let page = client.call("admin.users.list", "limit=2").await;
    let cursor = s(&page["response_metadata"]["next_cursor"]).replace('=', "%3D");
    let other = client.call("admin.users.list", &format!("is_active=0&cursor={cursor}")).await;
    assert_eq!(other["error"], "invalid_cursor");
    client.sandbox.advance_clock(Duration::minutes(61));
    let late = client.call("admin.users.list", &format!("cursor={cursor}")).await;
    assert_eq!(late["error"], "invalid_cursor");
}

#[tokio::test]
async fn tokens_are_refused_in_slacks_words() {
    let client = Client::unlimited(20);
    let test = client.call("auth.test", "").await;
    assert_eq!(test["is_enterprise_install"], true);
    assert_eq!(test["expires_in"], 43_200);
    let error = async |token: &str| {
        let client = Client { sandbox: client.sandbox.clone(), token: token.to_owned() };
        client.call("auth.test", "").await["error"].as_str().map(str::to_owned)
    };
    assert_eq!(error("xoxp-guess").await.as_deref(), Some("invalid_auth"));
    let nobody = client.post("/api/auth.test", &[]).await.json();
    assert_eq!(nobody["error"], "not_authed");
    let by_form = client.post("/api/auth.test", &[("token", &client.token)]).await.json();
    assert_eq!(by_form["ok"], true);
    let second = client.sandbox.install(DEFAULT_CLIENT_ID, SCOPES).unwrap().access_token;
    let revoked = Client { sandbox: client.sandbox.clone(), token: second.clone() };
    assert_eq!(revoked.call("auth.revoke", "").await["revoked"], true);
    assert_eq!(error(&second).await.as_deref(), Some("token_revoked"));
    client.sandbox.advance_clock(Duration::hours(12));
    assert_eq!(error(&client.token).await.as_deref(), Some("token_expired"));
}

#[tokio::test]
async fn calls_beyond_the_tier_are_429_until_the_time_named() {
    let client = Client::new(Options::default());
    let mut answers = Vec::new();
    for _ in 0..51 {
        answers.push(client.get("/api/admin.users.list?limit=1").await);
    }
    let last = answers.pop().unwrap();
    assert!(answers.iter().all(|answer| answer.status == StatusCode::OK));
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

fn authorize_path(extra: &str) -> String {
    let scopes = SCOPES.join(",");
    format!(
        "/oauth/v2/authorize?client_id={DEFAULT_CLIENT_ID}&user_scope={scopes}\
         &redirect_uri={CALLBACK}&state=st%26te{extra}"
    )
}

async fn decided(client: &Client, path: &str, form: &[(&str, &str)]) -> (String, String) {
    let answer = client.post(path, form).await;
    assert_eq!(answer.status, StatusCode::FOUND, "{}", String::from_utf8_lossy(&answer.body));
    let location = Url::parse(answer.header("location")).unwrap();
    assert!(location.as_str().starts_with(CALLBACK));
    let pairs: Vec<(String, String)> = location.query_pairs().into_owned().collect();
    assert_eq!(pairs[1], ("state".to_owned(), "st&te".to_owned()));
    pairs[0].clone()
}

#[tokio::test]
async fn an_app_is_installed_on_the_organization_and_refreshes_its_token() {
    let client = Client::unlimited(60);
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let path = authorize_path(&format!("&code_challenge={challenge}&code_challenge_method=S256"));
    let page = client.get(&path).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(String::from_utf8(page.body).unwrap().contains("wants to access"));
    let cancelled = decided(&client, &path, &[("decision", "cancel")]).await;
    assert_eq!(cancelled, ("error".to_owned(), "access_denied".to_owned()));
    let form = [("decision", "approve"), ("install", "org")];
    let (name, code) = decided(&client, &path, &form).await;
    assert_eq!(name, "code");
    let secret = [("client_id", DEFAULT_CLIENT_ID), ("client_secret", DEFAULT_CLIENT_SECRET)];
    let code = [("code", code.as_str()), ("redirect_uri", CALLBACK), ("code_verifier", verifier)];
    let form: Vec<(&str, &str)> = secret.into_iter().chain(code).collect();
    let answer = client.post("/api/oauth.v2.access", &form).await.json();
    assert_eq!((&answer["ok"], &answer["team"]), (&json!(true), &Value::Null));
    assert_eq!(answer["is_enterprise_install"], true);
    let user = &answer["authed_user"];
    assert_eq!((&user["token_type"], &user["expires_in"]), (&json!("user"), &json!(43_200)));
    assert_eq!(user["scope"], SCOPES.join(","));
    let again = client.post("/api/oauth.v2.access", &form).await.json();
    assert_eq!(again["error"], "code_already_used");

    let refresh = [("grant_type", "refresh_token"), ("refresh_token", s(&user["refresh_token"]))];
    let form: Vec<(&str, &str)> = secret.into_iter().chain(refresh).collect();
    let next = client.post("/api/oauth.v2.access", &form).await.json();
    assert_eq!((&next["token_type"], &next["id"]), (&json!("user"), &user["id"]));
    assert_ne!(next["refresh_token"], user["refresh_token"]);
    let token = s(&next["access_token"]).to_owned();
    let installed = Client { sandbox: client.sandbox.clone(), token };
    assert_eq!(installed.call("admin.users.list", "").await["ok"], true);
    assert_eq!(client.get("/_sandbox/state").await.json()["refreshes"], 1);
}

#[tokio::test]
async fn a_workspace_install_has_no_power_over_the_organization() {
    let client = Client::unlimited(60);
    let form = [("decision", "approve"), ("install", "workspace")];
    let (_, code) = decided(&client, &authorize_path(""), &form).await;
    let basic = {
        use base64::Engine;
        let both = format!("{DEFAULT_CLIENT_ID}:{DEFAULT_CLIENT_SECRET}");
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(both))
    };
    let request = Request::post("/api/oauth.v2.access")
        .header("authorization", basic)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(format!("code={code}&redirect_uri={CALLBACK}")))
        .unwrap();
    let answer = client.send(request).await.json();
    assert_eq!(answer["is_enterprise_install"], false);
    assert!(s(&answer["team"]["id"]).starts_with('T'));
    let token = s(&answer["authed_user"]["access_token"]).to_owned();
    let installed = Client { sandbox: client.sandbox.clone(), token };
    assert_eq!(installed.call("admin.users.list", "").await["error"], "feature_not_enabled");
    let scim = installed.get("/scim/v2/Users").await;
    assert_eq!(scim.json()["detail"], "non_org_teams_only");
}

#[tokio::test]
async fn consent_is_refused_before_it_is_asked_for() {
    let client = Client::unlimited(60);
    client.sandbox.register_app(App::new("77.88", "s", "Other"));
    let org = client.sandbox.snapshot();
    let member = org.people().iter().find(|one| one.org_level == OrgLevel::Member).unwrap();
    for (path, error) in [
        (authorize_path("").replace(DEFAULT_CLIENT_ID, "9.9"), "invalid_client_id"),
        (authorize_path("").replace("127.0.0.1", "evil.example"), "bad_redirect_uri"),
        (authorize_path("").replace("user_scope=admin,", "scope=admin,"), "invalid_scope"),
        (authorize_path("").replace("user_scope", "other"), "no_scopes"),
        (authorize_path("&code_challenge=abc"), "invalid_code_challenge"),
    ] {
        let answer = client.get(&path).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(String::from_utf8(answer.body).unwrap().contains(error), "{error}");
    }
    let form = [("decision", "approve"), ("user", member.id.as_str())];
    let answer = client.post(&authorize_path(""), &form).await;
    assert!(String::from_utf8(answer.body).unwrap().contains("not_an_admin"));
}

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
    let wanted = org.people().iter().filter(|one| one.guest() == Some(Level::MultiChannelGuest));
    assert_eq!(guests["totalResults"], wanted.count());
}

#[tokio::test]
async fn scim_errors_have_the_shape_of_their_version() {
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

#[tokio::test]
async fn faults_spoil_the_calls_they_are_meant_for() {
    let client = Client::unlimited(30);
    for kind in [
        FaultKind::RateLimited,
        FaultKind::ServerError,
        FaultKind::Html,
        FaultKind::CutBody,
        FaultKind::LostAnswer,
    ] {
        client.sandbox.add_fault(Fault::next("api.test", kind, 1));
        let answer = client.get("/api/api.test").await;
        match kind {
            FaultKind::RateLimited => assert_eq!(answer.header("retry-after"), "1"),
            FaultKind::ServerError => assert_eq!(answer.json()["error"], "internal_error"),
            FaultKind::Html => {
                assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
            }
            FaultKind::CutBody | FaultKind::LostAnswer => assert!(answer.body.is_empty()),
            FaultKind::Latency | FaultKind::Timeout => {}
        }
        assert_eq!(client.get("/api/api.test").await.json()["ok"], true);
    }
    let errors: Vec<Option<String>> =
        client.sandbox.requests(None).requests.into_iter().map(|row| row.error).collect();
    assert_eq!(errors[8].as_deref(), Some("lost_answer"));
}

#[tokio::test]
async fn grants_and_the_clock_outlive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let grants_file = Some(folder.path().join("grants.json"));
    let options = Options { grants_file, users: 20, ..Options::default() };
    let first = Client::new(options.clone());
    first.sandbox.advance_clock(Duration::hours(1));
    let second = Client { token: first.token.clone(), ..Client::new(options) };
    let test = second.call("auth.test", "").await;
    assert_eq!((&test["ok"], &test["expires_in"]), (&json!(true), &json!(43_200 - 3_600)));
    second.sandbox.reset();
    assert_eq!(second.call("auth.test", "").await["ok"], true);
    assert_eq!(second.sandbox.state().users, 20);
    assert!(second.get("/").await.status.is_success());
}
