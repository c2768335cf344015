//! Lists of servers that page and count in their own ways.

use anyhow::Context as _;
use serde_json::{Map, Value, json};
use sqlx::PgPool;

use super::{
    JSON, ids, linked, list_by, rows_of, server_with_users, set_total, with_total, without_total,
};
use crate::support::TestApp;
use crate::support::scim_server::{ScimOptions, ScimServer, open_app};

/// A behaviour: its name, and how a server gets it.
type Row = (&'static str, fn(&ScimServer));
/// A behaviour, and what the problem names.
type Fault = (&'static str, fn(&ScimServer), &'static str);

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn every_row_comes_once_however_a_server_pages_and_counts(
    pool: PgPool,
) -> anyhow::Result<()> {
    let rows: &[Row] = &[
        ("total-missing", |server| set_total(server, |_, _| Value::Null)),
        ("total-text", |server| set_total(server, |real, _| real.to_string().into())),
        ("total-word", |server| set_total(server, |_, _| "many".into())),
        ("total-large", |server| set_total(server, |real, _| (real + 3).into())),
        ("total-small", |server| set_total(server, |_, _| 1.into())),
        ("total-of-page", |server| {
            set_total(server, |real, sent| if sent == 3 { 3.into() } else { real.into() });
        }),
        ("capped", |server| server.set(|options| options.max_page = Some(2))),
        ("capped-without-total", |server| {
            server.set(|options| options.max_page = Some(2));
            set_total(server, |_, _| Value::Null);
        }),
        ("count-ignored", |server| {
            list_by(server, with_total, |all, start, _| all.into_iter().skip(start - 1).collect());
        }),
        ("start-is-a-page", |server| {
            list_by(server, with_total, |all, start, count| {
                all.into_iter().skip((start - 1) * count).take(count).collect()
            });
        }),
        ("start-ignored", |server| server.set(|options| options.ignores_start_index = true)),
        ("both-ignored", |server| list_by(server, with_total, |all, _, _| all)),
        ("both-ignored-without-total", |server| list_by(server, without_total, |all, _, _| all)),
        ("bare-list", |server| list_by(server, |all, _| all.into(), |all, _, _| all)),
        ("row-twice-in-a-page", |server| {
            server.rewrite("Users", |body| {
                if let Some(rows) = rows_of(body) {
                    rows.extend(rows.first().cloned());
                }
            });
        }),
        ("last-row-again", |server| {
            list_by(server, with_total, |all, start, count| {
                let from = start.saturating_sub(if start > 1 { 2 } else { 1 });
                all.into_iter().skip(from).take(count).collect()
            });
        }),
    ];
    let app = open_app(pool).await?;
    for (name, behave) in rows {
        let (server, api, expected) = server_with_users(&app, name).await?;
        behave(&server);
        for limit in [1, 3, 100] {
            let path = format!("users?limit={limit}");
            let found = ids(&api, &path).await.with_context(|| format!("{name}, {limit}"))?;
            assert_eq!(found, expected, "{name} with a limit of {limit}");
        }
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rows_that_can_not_be_reached_are_a_problem_and_never_an_empty_list(
    pool: PgPool,
) -> anyhow::Result<()> {
    fn set(server: &ScimServer, change: fn(&mut Map<String, Value>)) {
        server.rewrite("Users", move |body| {
            if let Some(list) = body.as_object_mut().filter(|list| list.contains_key("Resources")) {
                change(list);
            }
        });
    }
    let rows: &[Fault] = &[
        ("absent", |server| set(server, |list| drop(list.remove("Resources"))), "Resources"),
        (
            "null",
            |server| set(server, |list| drop(list.insert("Resources".to_owned(), Value::Null))),
            "Resources",
        ),
        (
            "empty",
            |server| set(server, |list| drop(list.insert("Resources".to_owned(), json!([])))),
            "Resources",
        ),
        (
            "text",
            |server| set(server, |list| drop(list.insert("Resources".to_owned(), "x".into()))),
            "Resources",
        ),
        ("nothing", |server| set(server, Map::clear), "totalResults"),
        (
            "same-page",
            |server| {
                server.set(|options| {
                    options.ignores_start_index = true;
                    options.max_page = Some(3);
                });
            },
            "startIndex",
        ),
        (
            "no-ids",
            |server| {
                server.rewrite("Users", |body| {
                    for row in rows_of(body).into_iter().flatten() {
                        row["id"] = Value::Null;
                    }
                });
            },
            "`Resources[0].id` is absent",
        ),
    ];
    let app = open_app(pool).await?;
    for (name, behave, expected) in rows {
        let (server, api, _) = server_with_users(&app, name).await?;
        behave(&server);
        let mut path = "users?limit=3".to_owned();
        let problem = loop {
            let page = api.get(&path).await?;
            if page.status != 200 {
                break page;
            }
            let next = page.body["next_cursor"].as_str().with_context(|| page.text.clone())?;
            path = format!("users?limit=3&next_cursor={next}");
        };
        let problem = problem.problem(502, "provider_error");
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(expected), "{name}: {detail}");
    }
    // A directory without users is empty.
    let (server, api) = linked(&app, "nobody", ScimOptions::default()).await?;
    for body in [json!({"totalResults": 0}), json!({"Resources": []})] {
        server.respond("Users", 200, JSON, body.to_string());
        assert_eq!(api.get("users").await?.success()?["result_count"], 0, "{body}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn fewer_rows_are_requested_where_a_page_is_too_large(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| {
        setup.config.upstream.allow_private_addresses = true;
        setup.config.upstream.max_named_response_bytes = 65_536;
        (setup.sandbox.users, setup.sandbox.workspaces) = (5, 1);
    })
    .await?;
    let (server, api) = linked(&app, "acme", ScimOptions::default()).await?;
    let user = |number: usize| json!({"userName": number.to_string(), "title": "x".repeat(4_000)});
    let expected: Vec<String> = (0..40).map(|number| server.add_user(user(number))).collect();
    server.forget_requests();
    assert_eq!(ids(&api, "users?limit=100").await?, expected);
    // 100, 50 and 25 rows are too large; later pages know it.
    assert_eq!(server.calls("GET", "Users"), 7);
    Ok(())
}
