//! The pages for people: the index, the reference, the problems, and what a browser gets at an unknown path.
use anyhow::Context as _;
use serde_json::json;
use sqlx::PgPool;
use switchboard::http::problem::ProblemKind;

use crate::support::{Browser, TestApp, link_url};

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_index_links_every_operation_to_the_reference(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let anonymous = app.anonymous()?;
    let (index, overview) = (anonymous.get("").await?, anonymous.get("docs").await?);
    assert!(index.text.contains("Slack Enterprise Grid, SCIM 2.0."), "{}", index.text);
    let links: Vec<&str> = index.text.split("href=\"/docs/").skip(1).collect();
    let document = anonymous.get("openapi.json").await?.success()?;
    let paths = document["paths"].as_object().context("no paths")?;
    let operations = paths.values().filter_map(|item| Some(item.as_object()?.len()));
    assert_eq!(links.len(), operations.sum::<usize>());
    for link in links {
        let (link, _) = link.split_once('"').context("no end")?;
        let (tag, anchor) = link.split_once('#').context("no anchor")?;
        let id = format!("id=\"{anchor}\"");
        assert!(anonymous.get(&format!("docs/{tag}")).await?.text.contains(&id), "{link}");
        // Links to the overview, which once had all operations, lead to the list of operations.
        assert!(overview.text.contains(&format!("<li {id}><a href=\"/docs/{link}\">")), "{link}");
    }
    Ok(())
}

/// Returns a page without its code, where backticks belong to values.
fn without_code(text: &str) -> String {
    let parts = text.split("<code").enumerate().map(|(number, part)| match number {
        0 => part,
        _ => part.split_once("</code>").map_or("", |(_, rest)| rest),
    });
    parts.collect()
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn no_page_shows_markup_as_text(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let problems = ProblemKind::ALL.iter().map(|kind| format!("problems/{}", kind.name()));
    let pages = ["", "docs", "docs/users", "docs/policies", "docs/reconciliations", "problems"];
    for path in pages.map(str::to_owned).into_iter().chain(problems) {
        let page = app.anonymous()?.get(&path).await?;
        assert_eq!(page.status, 200, "{path}");
        assert!(!without_code(&page.text).contains('`'), "/{path} has a backtick");
        assert!(page.text.contains(r#"<link rel="icon" href="data:image"#), "/{path} has no icon");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_browser_gets_a_page_at_an_unknown_path(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let accepted = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let browser = app.anonymous()?.with("accept", accepted)?;
    for path in ["nothing/here", "problems/nothing"] {
        let page = browser.get(path).await?;
        assert_eq!((page.status, page.header("content-type")), (404, "text/html; charset=utf-8"));
        assert!(page.text.contains("Page not found"), "{path}: {}", page.text);
        for accepted in ["*/*", "application/json"] {
            let client = app.anonymous()?.with("accept", accepted)?;
            client.get(path).await?.problem(404, "route_not_found");
        }
        app.anonymous()?.get(path).await?.problem(404, "route_not_found");
    }
    // The error of a call that exists has one format.
    browser.get("users").await?.problem(401, "unauthorized");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_consent_page_lists_each_permission_once(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let link = link_url(&app.home, &json!({"tenant_id": "acme"})).await?;
    let page = Browser::new()?.get(&link).await?;
    let (_, list) = page.text.split_once("<ul class=\"scopes\">").context("no list")?;
    let (list, _) = list.split_once("</ul>").context("no end")?;
    let descriptions = list.split("<span>").skip(1).filter_map(|row| row.split_once("</span>"));
    let mut descriptions: Vec<&str> = descriptions.map(|(text, _)| text).collect();
    let count = format!(": {}</summary>", descriptions.len());
    assert!(page.text.contains(&count), "{count}: {}", page.text);
    assert!(list.contains("admin.teams:read") && list.contains("team:read"), "{list}");
    descriptions.sort_unstable();
    let listed = descriptions.len();
    descriptions.dedup();
    assert_eq!(descriptions.len(), listed, "{descriptions:?}");
    Ok(())
}
