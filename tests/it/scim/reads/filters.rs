//! Filters that are passed on to the server.

use std::collections::BTreeSet;

use serde_json::json;
use sqlx::PgPool;

use super::{id_set, ids, linked, set};
use crate::support::scim_server::{ScimOptions, ScimServer, json_response, open_app};

/// Returns the filters that a server received.
fn filters(server: &ScimServer) -> Vec<String> {
    let sent = server.requests();
    sent.iter().filter_map(|request| request.parameter("filter").map(str::to_owned)).collect()
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn filters_are_passed_on_and_their_values_escaped(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let options = ScimOptions { filter_max: 2, ..ScimOptions::default() };
    let (server, api) = linked(&app, "acme", options).await?;
    let users = server.add_users(12);
    let odd = server.add_user(json!({"userName": "a\"b\\c (d) or userName pr & é+",
        "emails": [{"value": "odd+tag@example.com"}]}));
    let group = server.add_group(json!({"displayName": "R&D \"core\"",
        "members": [{"value": users[1]}, {"value": users[2]}]}));
    server.add_group(json!({"displayName": "Sales", "members": [{"value": users[1]}]}));
    let encode =
        |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let name = encode("a\"b\\c (d) or userName pr & é+");
    for (path, expected, filter) in [
        (
            "users?email=user3@example.com".to_owned(),
            vec![&users[3]],
            r#"emails.value eq "user3@example.com""#.to_owned(),
        ),
        (
            "users?email=odd%2Btag@example.com".to_owned(),
            vec![&odd],
            r#"emails.value eq "odd+tag@example.com""#.to_owned(),
        ),
        (
            format!("users?username={name}"),
            vec![&odd],
            "(userName eq \"a\\\"b\\\\c (d) or userName pr & é+\" or userName eq \"a\\\"b\\\\c (d) or username pr & é+\")".to_owned(),
        ),
        (
            "users?status=inactive&username=user4".to_owned(),
            vec![&users[4]],
            "userName eq \"user4\" and active ne true".to_owned(),
        ),
        (
            "users?updated_at[gt]=2026-01-01T00:00:11.5Z".to_owned(),
            vec![&users[11], &odd],
            "meta.lastModified gt \"2026-01-01T00:00:11Z\"".to_owned(),
        ),
        (
            format!("groups?name={}", encode("r&d \"CORE\"")),
            vec![&group],
            r#"(displayName eq "r&d \"CORE\"" or displayName eq "r&d \"core\"")"#.to_owned(),
        ),
        (
            format!("groups?user[id]={}", users[2]),
            vec![&group],
            format!("members.value eq \"{}\"", users[2]),
        ),
    ] {
        for limit in [1, 100] {
            server.forget_requests();
            let found = ids(&api, &format!("{path}&limit={limit}")).await?;
            assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{path}");
            let sent = filters(&server);
            assert!(!sent.is_empty() && sent.iter().all(|sent| *sent == filter), "{path}: {sent:?}");
            let requests = server.requests();
            let counts = requests.iter().filter_map(|request| request.parameter("count"));
            let mut counts = counts.filter_map(|count| count.parse::<u64>().ok());
            assert!(counts.all(|count| count <= 2), "{path}: more than the announced maximum");
        }
    }
    // What SCIM users never are is known without a call.
    server.forget_requests();
    for none in ["status=invited", "status=deleted", "user_type=bot", "role[id]=ws:admin"] {
        assert!(ids(&api, &format!("users?{none}")).await?.is_empty(), "{none}");
    }
    assert!(server.requests().is_empty());
    // A caller's own filter is not replaced.
    let own = format!("users?remote_query[filter]={}", encode("userName sw \"user1\""));
    let found = id_set(&api, &format!("{own}&email=user10@example.com")).await?;
    assert_eq!(found, BTreeSet::from([users[10].clone()]));
    assert!(filters(&server).iter().all(|sent| sent == "userName sw \"user1\""));
    for reserved in ["startIndex", "count", "cursor"] {
        let rejected = api.get(&format!("users?remote_query[{reserved}]=1")).await?;
        rejected.problem(400, "invalid_query");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn filters_find_values_of_other_types(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let (server, api) = linked(&app, "acme", ScimOptions::default()).await?;
    server.add_users(3);
    let odd = server.add_user(json!({"userName": "odd", "active": "False",
        "roles": [{"value": 7}, {"display": "Auditor"}]}));
    for query in ["status=inactive", "role[id]=roles:7", "role[id]=roles:Auditor"] {
        server.forget_requests();
        assert_eq!(
            ids(&api, &format!("users?{query}")).await?,
            std::slice::from_ref(&odd),
            "{query}"
        );
        assert!(!filters(&server).is_empty(), "{query}");
    }
    // A server whose users lack their groups, and that finds no group by its members.
    let members = json!([{ "value": odd }]);
    let group = server.add_group(json!({"displayName": "ws-odd", "members": members}));
    server.rewrite("Users", |body| {
        if let Some(user) = body.as_object_mut() {
            user.remove("groups");
        }
    });
    server.hook(|request| {
        let is_it = request.path == "Groups" && request.parameter("filter").is_some();
        is_it.then(|| json_response(200, &json!({"totalResults": 0, "Resources": []})))
    });
    set(&app, "acme", &json!({"workspaces_from": {"prefix": "ws-"}})).await?;
    let user = api.get(&format!("users/{odd}")).await?.success()?;
    assert_eq!(user["result"]["workspaces"][0]["id"], group, "{user}");
    assert_eq!(ids(&api, &format!("groups?user[id]={odd}")).await?, [group]);
    Ok(())
}
