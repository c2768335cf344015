//! Parameters that servers fail on, and filters that they do not announce.

use anyhow::Context as _;
use serde_json::json;
use sqlx::PgPool;

use super::{JSON, USERS, ids, is_list, linked, server_with_users};
use crate::support::scim_server::{ScimOptions, json_response, open_app};

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_parameter_that_a_server_fails_on_is_left_out(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let rows: [(&'static [&'static str], u16); 5] = [
        (&["count"], 500),
        (&["startIndex"], 500),
        (&["count", "startIndex"], 500),
        (&["count"], 400),
        (&["count"], 501),
    ];
    for (number, (names, status)) in rows.into_iter().enumerate() {
        let row = format!("{names:?} {status}");
        let (server, api, expected) = server_with_users(&app, &format!("t{number}")).await?;
        server.set(|options| options.default_page = 4);
        server.hook(move |request| {
            let fails =
                is_list(request) && names.iter().any(|name| request.parameter(name).is_some());
            let error = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"]});
            fails.then(|| json_response(status, &error))
        });
        let page = api.get("users?limit=3").await?;
        if names.len() == 2 {
            // Without both there is one page of four rows.
            let page = page.success()?;
            let next = page["next_cursor"].as_str().context("no next page")?;
            let rest = api.get(&format!("users?limit=3&next_cursor={next}")).await?;
            let problem = rest.problem(502, "provider_error");
            assert!(problem["detail"].as_str().is_some_and(|text| text.contains("totalResults")));
            continue;
        }
        let page = page.success()?;
        server.forget_requests();
        let next = page["next_cursor"].as_str().context("no next page")?;
        api.get(&format!("users?limit=3&next_cursor={next}")).await?.success()?;
        let sent = server.requests();
        assert!(
            sent.iter().all(|request| names.iter().all(|name| request.parameter(name).is_none())),
            "{row}: the later page knows it: {sent:?}"
        );
        assert_eq!(ids(&api, "users?limit=3").await?, expected, "{row}");
    }
    // A server that fails whatever is sent.
    let (server, api, _) = server_with_users(&app, "down").await?;
    server.respond("Users", 500, JSON, "{}");
    let rejected = api.get("users").await?;
    let problem = rejected.problem(502, "provider_error");
    assert_eq!(problem["provider"]["error"], "http_500");
    assert!(server.calls("GET", "Users") <= 8, "{}", server.calls("GET", "Users"));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn filters_are_right_whatever_a_server_announces(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let rows: &[(&str, bool, Option<bool>, Option<u16>)] = &[
        ("announced", true, None, None),
        ("announced-and-ignored", false, Some(true), None),
        ("there-but-not-announced", true, Some(false), None),
        ("rejected", true, None, Some(400)),
        ("fails", true, None, Some(500)),
    ];
    for (name, has_filter, announced, rejection) in rows.iter().copied() {
        let options = ScimOptions {
            filter: has_filter,
            announced_filter: announced,
            ..ScimOptions::default()
        };
        let (server, api) = linked(&app, name, options).await?;
        let users = server.add_users(USERS);
        server.forget_requests();
        if let Some(status) = rejection {
            server.hook(move |request| {
                let error = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
                    "scimType": "invalidFilter", "status": status.to_string()});
                let is_it = is_list(request) && request.parameter("filter").is_some();
                is_it.then(|| json_response(status, &error))
            });
        }
        for limit in [2, 100] {
            // A server error costs a second of retries.
            if rejection == Some(500) && limit == 2 {
                continue;
            }
            let one = ids(&api, &format!("users?limit={limit}&email=USER3@example.com")).await?;
            assert_eq!(one, [users[3].clone()], "{name}");
            let none = ids(&api, &format!("users?limit={limit}&username=nobody")).await?;
            assert!(none.is_empty(), "{name}: {none:?}");
            let inactive = ids(&api, &format!("users?limit={limit}&status=inactive")).await?;
            assert_eq!(inactive, [users[4].clone()], "{name}");
            let active = ids(&api, &format!("users?limit={limit}&status=active")).await?;
            assert_eq!(active.len(), USERS - 1, "{name}");
            let found = ids(&api, &format!("users?limit={limit}&search=LAST2")).await?;
            assert_eq!(found, [users[2].clone()], "{name}");
        }
        let sent = server.requests().iter().any(|request| request.parameter("filter").is_some());
        assert_eq!(sent, announced.unwrap_or(has_filter), "{name}");
    }
    Ok(())
}
