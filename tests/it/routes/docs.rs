//! `/docs`: the API reference, page by page: links, headers, size, and the code samples.

use std::collections::BTreeSet;
use std::process::Stdio;

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::support::{Client, TestApp};

/// The size of a page as it is sent to browsers, at most.
const MAX_COMPRESSED_BYTES: usize = 150 * 1024;
/// Accepts every sample in Python, or names the first that is none.
const CHECK_PYTHON: &str =
    "import ast, json, sys\nfor code in json.load(sys.stdin): ast.parse(code)";
/// Accepts every sample in TypeScript, which is JavaScript with `await`, or names the first that is none.
const CHECK_TYPESCRIPT: &str = "const Body = (async () => {}).constructor;
    for (const code of JSON.parse(require('fs').readFileSync(0))) new Body(code);";

/// Returns the pages of the tags, by their path.
async fn tag_pages(client: &Client) -> anyhow::Result<Vec<(String, String)>> {
    let document = client.get("openapi.json").await?.success()?;
    let mut pages = Vec::new();
    for tag in document.get("tags").and_then(Value::as_array).context("no tags")? {
        let name = tag["name"].as_str().context("no name")?;
        let path = format!("docs/{}", name.to_lowercase().replace(' ', "-"));
        let page = client.get(&path).await?;
        assert_eq!((page.status, page.header("content-type")), (200, "text/html; charset=utf-8"));
        pages.push((path, page.text));
    }
    Ok(pages)
}

/// Returns the values of an attribute on a page.
fn values<'t>(text: &'t str, attribute: &str) -> Vec<&'t str> {
    let parts = text.split(attribute).skip(1);
    parts.filter_map(|part| part.split_once('"')).map(|(value, _)| value).collect()
}

/// Returns the text of a part of a page.
fn plain(markup: &str) -> String {
    let texts = markup.split('<').enumerate().filter_map(|(number, part)| match number {
        0 => Some(part),
        _ => part.split_once('>').map(|(_, text)| text),
    });
    let text: String = texts.collect();
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

/// Returns the samples of a page in a language.
fn samples(text: &str, language: &str) -> Vec<String> {
    let panels = text.split("<div class=\"sample\"").skip(1);
    let start = format!("data-language=\"{language}\">");
    let of_language = panels.filter(|panel| {
        panel.split_once('>').is_some_and(|(tag, _)| format!("{tag}>").ends_with(&start))
    });
    let code = of_language.filter_map(|panel| panel.split_once("<pre>")?.1.split_once("</pre>"));
    code.map(|(code, _)| plain(code)).collect()
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn each_operation_is_on_the_page_of_its_tag(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let anonymous = app.anonymous()?;
    let pages = tag_pages(&anonymous).await?;
    let document = anonymous.get("openapi.json").await?.success()?;
    for (path, item) in document["paths"].as_object().context("no paths")? {
        for (method, operation) in item.as_object().context("no methods")? {
            let tag = operation["tags"][0].as_str().context("no tag")?;
            let page = format!("docs/{}", tag.to_lowercase().replace(' ', "-"));
            let (_, text) = pages.iter().find(|(path, _)| *path == page).context(page)?;
            let title = format!("{}</span> <code>{path}</code></p>", method.to_uppercase());
            assert!(text.contains(&title), "{method} {path} is not on the page");
            let scope = operation["security"][0]["key"][0].as_str();
            let scope = scope.map(|scope| format!("the scope <code>{scope}</code>"));
            assert!(scope.is_none_or(|scope| text.contains(&scope)), "{method} {path}");
            // Every page lists every operation, with what the search finds it by.
            for (name, text) in &pages {
                assert!(
                    text.contains(&format!("data-words=\"{method} {path}")),
                    "{path} in {name}"
                );
            }
        }
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn every_link_and_label_of_the_reference_has_its_target(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let anonymous = app.anonymous()?;
    let mut pages = tag_pages(&anonymous).await?;
    pages.push(("docs".to_owned(), anonymous.get("docs").await?.text));
    let mut links = BTreeSet::new();
    for (path, text) in &pages {
        let all = values(text, " id=\"");
        let ids: BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!(ids.len(), all.len(), "{path} has an id twice");
        for attribute in [" href=\"#", " aria-labelledby=\"", " aria-controls=\"", " for=\""] {
            for target in values(text, attribute) {
                assert!(ids.contains(target), "{path}: {attribute}{target}");
            }
        }
        links.extend(values(text, " href=\"/").into_iter().map(str::to_owned));
    }
    assert!(links.iter().any(|link| link.starts_with("problems/")), "{links:?}");
    for link in links {
        let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
        if let Some((_, text)) = pages.iter().find(|(name, _)| name == path) {
            assert!(anchor.is_empty() || text.contains(&format!(" id=\"{anchor}\"")), "{link}");
        } else {
            let status = anonymous.get(path).await?.status;
            assert!(status < 400, "{link}: {status}");
        }
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn pages_of_the_reference_have_a_strict_policy_and_no_field_with_a_name(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let anonymous = app.anonymous()?;
    let mut paths: Vec<String> =
        tag_pages(&anonymous).await?.into_iter().map(|(path, _)| path).collect();
    paths.push("docs".to_owned());
    for path in paths {
        let page = anonymous.get(&path).await?;
        let policy = page.header("content-security-policy");
        for directive in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "form-action 'none'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.split("; ").any(|one| one == directive), "{directive} of {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
        assert_eq!(page.header("x-frame-options"), "DENY");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("referrer-policy"), "no-referrer");
        for inline in [" style=", "<style", " onclick=", " onload=", "javascript:"] {
            assert!(!page.text.contains(inline), "{path} has {inline}");
        }
        let scripts = page.text.matches("<script").count();
        assert_eq!((scripts, page.text.matches("<script src=\"/docs/docs.js?v=").count()), (1, 1));
        // What is typed can't get into an address.
        assert_eq!(page.text.matches(" name=\"").count(), 2, "{path}: only the two of <meta>");
        assert!(!page.text.contains("<form action"), "{path}");
    }
    for path in ["docs/nothing", "docs/Users"] {
        anonymous.get(path).await?.problem(404, "route_not_found");
        let browser = app.anonymous()?.with("accept", "text/html")?;
        assert!(browser.get(path).await?.text.contains("Page not found"), "{path}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn pages_of_the_reference_are_small_cached_and_the_same_on_each_gateway(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let anonymous = app.anonymous()?;
    let (other, _state) = app.second_gateway(&app.config).await?;
    let mut pages = tag_pages(&anonymous).await?;
    pages.push(("docs".to_owned(), anonymous.get("docs").await?.text));
    let overview = pages.last().map(|(_, text)| text.clone()).context("no page")?;
    for attribute in ["<link rel=\"stylesheet\" href=\"/", "<script src=\"/"] {
        let path = (*values(&overview, attribute).first().context("no asset")?).to_owned();
        let asset = anonymous.get(&path).await?;
        assert!(asset.header("cache-control").ends_with("immutable"), "{path}");
        pages.push((path, asset.text));
    }
    for path in ["openapi.json", "console/console.css", "console/console.js"] {
        pages.push((path.to_owned(), anonymous.get(path).await?.text));
    }
    let zipped = anonymous.clone().with("accept-encoding", "br;q=1.0, gzip;q=0.8")?;
    let refused = anonymous.clone().with("accept-encoding", "gzip;q=0")?;
    for (path, text) in &pages {
        let compressed = zipped.open(http::Method::GET, path, None).await?;
        let header = |name: &str| compressed.headers().get(name).and_then(|one| one.to_str().ok());
        assert_eq!(header("content-encoding"), Some("gzip"), "{path}");
        assert_eq!(header("vary"), Some("accept-encoding"), "{path}");
        let tag = header("etag").context("no tag")?.to_owned();
        let size = compressed.bytes().await?.len();
        assert!(size <= MAX_COMPRESSED_BYTES, "{path}: {size} bytes");
        let whole = refused.get(path).await?;
        assert_eq!((&whole.text, whole.header("etag")), (text, tag.as_str()), "{path}");
        assert!(!whole.headers.contains_key("content-encoding"), "{path}");
        let known = anonymous.clone().with("if-none-match", &format!("\"other\", {tag}"))?;
        let unchanged = known.get(path).await?;
        assert_eq!((unchanged.status, unchanged.text.as_str()), (304, ""), "{path}");
        assert_eq!(unchanged.header("etag"), tag, "{path}");
        assert_eq!(known.at(other.clone()).get(path).await?.status, 304, "{path}");
    }
    Ok(())
}

/// Runs a program with a JSON text as its input; returns why it failed, and `None` if it is not installed.
async fn run_with(
    program: &str,
    arguments: &[&str],
    input: &Value,
) -> anyhow::Result<Option<String>> {
    let command = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let Ok(mut child) = command else { return Ok(None) };
    let mut stdin = child.stdin.take().context("no input")?;
    stdin.write_all(input.to_string().as_bytes()).await?;
    drop(stdin);
    let ran = child.wait_with_output().await?;
    let message = String::from_utf8_lossy(&ran.stderr).into_owned();
    Ok(Some(if ran.status.success() { String::new() } else { format!("failed: {message}") }))
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn every_sample_is_valid_in_its_language(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let pages = tag_pages(&app.anonymous()?).await?;
    let operations: usize =
        pages.iter().map(|(_, text)| text.matches("<section class=\"operation\"").count()).sum();
    assert!(operations > 100, "{operations}");
    for (language, program, arguments) in [
        ("python", "python3", ["-c", CHECK_PYTHON]),
        ("typescript", "node", ["-e", CHECK_TYPESCRIPT]),
    ] {
        let all: Vec<String> = pages.iter().flat_map(|(_, text)| samples(text, language)).collect();
        assert_eq!(all.len(), operations, "{language}");
        let failure = run_with(program, &arguments, &all.into()).await?;
        assert_eq!(failure.unwrap_or_default(), "", "{language}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_curl_samples_succeed_as_they_are_printed(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("first").await?;
    let body = json!({"name": "curl", "scopes": ["read", "write", "admin"]});
    let key = app.home.admin.post("api-keys", &body).await?.created()?;
    let key = key["result"]["key"].as_str().context("no key")?;
    let pages = tag_pages(&app.anonymous()?).await?;
    let curl: Vec<String> = pages.iter().flat_map(|(_, text)| samples(text, "curl")).collect();
    for start in [
        "curl \"$BASE/users?limit=100\"",
        "curl \"$BASE/roles?limit=100\"",
        "curl \"$BASE/workspaces?limit=100\"",
        "curl \"$BASE/me\"",
        "curl \"$BASE/providers\"",
        "curl \"$BASE/integrated-accounts",
        "curl \"$BASE/healthz\"",
        "curl -X POST \"$BASE/users\"",
        "curl -X POST \"$BASE/workspaces\"",
        "curl -X POST \"$BASE/mappings\"",
        "curl -X POST \"$BASE/webhooks\"",
        "curl -X POST \"$BASE/link-tokens\"",
    ] {
        let sample = curl.iter().find(|sample| sample.starts_with(start)).context(start)?;
        let base = app.base_url.as_str().trim_end_matches('/');
        let ran = Command::new("sh")
            .args(["-c", &sample.replacen("curl", "curl -sS --fail-with-body", 1)])
            .envs([("BASE", base), ("KEY", key), ("ACCOUNT", account.as_str())])
            .env("NO_PROXY", "127.0.0.1")
            .kill_on_drop(true)
            .output()
            .await?;
        let message = String::from_utf8_lossy(&ran.stderr);
        let body = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success(), "{sample}\n{message}\n{body}");
        serde_json::from_str::<Value>(&body).with_context(|| format!("{sample}: {body}"))?;
    }
    Ok(())
}
