//! Groups and their members, and the user of the credentials.

use serde_json::{Value, json};
use sqlx::PgPool;

use super::linked;
use crate::support::scim_server::{ScimOptions, ScimServer, open_app, raw_response};

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn groups_have_their_members_and_pages_their_limit(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let (server, api) = linked(&app, "acme", ScimOptions::default()).await?;
    let users = server.add_users(25);
    let members: Vec<Value> = users.iter().map(|id| json!({"value": id, "display": id})).collect();
    let group = server.add_group(json!({"displayName": "Everybody", "members": members}));
    let one = api.get(&format!("groups/{group}")).await?.success()?["result"].clone();
    assert_eq!((&one["name"], &one["member_count"]), (&json!("Everybody"), &json!(25)));
    let (rows, pages) = api.all(&format!("groups/{group}/members?limit=10")).await?;
    assert_eq!((rows.len(), pages), (25, 3));
    api.get("groups/nobody").await?.problem(404, "not_found");
    let list = api.get("groups").await?.success()?["result"].clone();
    assert_eq!(list[0], one);
    server.forget_requests();
    let (rows, pages) = api.all("users?limit=10").await?;
    assert_eq!((rows.len(), pages), (25, 3));
    assert_eq!(server.calls("GET", "Users"), 3, "a call a page");
    let remote = api.get("users?limit=1&include_remote_data=true").await?.success()?;
    assert_eq!(remote["result"][0]["remote_data"]["userName"], "user0");

    let (server, api) =
        linked(&app, "none", ScimOptions { groups: false, ..ScimOptions::default() }).await?;
    server.forget_requests();
    for path in ["groups", "groups/g-1", "groups/g-1/members"] {
        api.get(path).await?.problem(501, "unsupported_by_provider");
    }
    assert!(server.requests().is_empty(), "before anything is sent");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_user_of_the_credentials_is_read_where_the_server_tells(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let (server, api) = linked(&app, "without", ScimOptions::default()).await?;
    server.forget_requests();
    api.get("me").await?.problem(501, "unsupported_by_provider");
    assert!(server.requests().is_empty(), "before anything is sent");

    let server = ScimServer::start(ScimOptions::default()).await?;
    let user = server.add_user(json!({"userName": "admin", "roles": ["owner"]}));
    server.set(|options| options.me = Some(user.clone()));
    let account = server.link(&app, "with").await?;
    let api = app.client_for(&account)?;
    let me = api.get("me").await?.success()?["result"].clone();
    assert_eq!((&me["user"]["id"], &me["user"]["username"]), (&json!(user), &json!("admin")));
    assert_eq!(me["user"]["roles"][0]["id"], "roles:owner");
    assert_eq!(
        (&me["is_organization_wide"], &me["url"]),
        (&json!(true), &json!(format!("{}/", server.url)))
    );
    // By a redirect to the resource (RFC 7644 §3.11).
    let location: String = format!("{}/Users/{user}", server.url);
    server.hook(move |request| {
        let headers = [("location", location.as_str())];
        let is_me = request.path == "Me";
        is_me.then(|| raw_response(308, &headers, Vec::new()))
    });
    assert_eq!(api.get("me").await?.success()?["result"]["user"], me["user"]);
    server.respond("Me", 501, &[("content-type", "application/scim+json")], "{}");
    api.get("me").await?.problem(501, "unsupported_by_provider");
    Ok(())
}
