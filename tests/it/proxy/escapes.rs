//! Paths reach the provider byte for byte; in its headers, addresses lead to the proxy and browser policies are cut.

use anyhow::Context as _;
use sqlx::PgPool;
use url::form_urlencoded;

use super::{method_restrictions, raw, with_provider};

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn valid_paths_pass_byte_for_byte(pool: PgPool) -> anyhow::Result<()> {
    let (app, _, provider) = with_provider(pool).await?;
    let key = method_restrictions::token(&app, &serde_json::json!({"scopes": ["proxy"]})).await?;
    let key = format!("Bearer {key}");
    for path in [
        "scim/v2/Users/a%20b",
        "scim/v2/Users/a+b~c'd(e)*f!g$h&i,j;k=l:m@n",
        "scim/v2/Users/%C3%A9%e4%bd%a0",
        "scim/v2/Users/100%25",
        "scim/v2/Users/%3f%23%26",
        "scim/v2/%55sers/x",
        "scim/v2/Users/",
        "scim/v2/Users/...",
        "scim/v1/Groups/a%2bb",
        "scim/v2/Users?",
        "scim/v2/Users?filter=userName%20eq%20%22a%22&x=?/:@-._~!$'()*+,;=&y=%2f..%5c%0d%0A",
        "scim/v2/Users?a=b?c=d",
    ] {
        let status = raw(&app, &key, &format!("GET /proxy/{path} HTTP/1.1")).await?;
        assert_eq!(status, "HTTP/1.1 200 OK", "{path}");
        let (_, target, _) = provider.seen.borrow().clone().context("no call was sent")?;
        assert_eq!(target, format!("/{path}"));
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rewrites_provider_urls_in_headers_to_the_proxy(pool: PgPool) -> anyhow::Result<()> {
    let (app, client, provider) = with_provider(pool).await?;
    let (own, theirs) = (app.base_url.as_str(), &provider.url);
    let host = theirs.trim_start_matches("http:");
    let rows = [
        (format!("{theirs}/scim/v2/Users/U1"), format!("{own}proxy/scim/v2/Users/U1")),
        (format!("{host}/scim/v2/Users/U1"), format!("{own}proxy/scim/v2/Users/U1")),
        ("/scim/v2/Users/U1?a=%2F#b".to_owned(), format!("{own}proxy/scim/v2/Users/U1?a=%2F#b")),
        ("Users/a%20b".to_owned(), format!("{own}proxy/scim/v2/Users/a%20b")),
        (
            "https://elsewhere.test/scim/v2/x".to_owned(),
            "https://elsewhere.test/scim/v2/x".to_owned(),
        ),
    ];
    for (from, to) in rows {
        for name in ["location", "content-location"] {
            let query =
                form_urlencoded::Serializer::new(String::new()).append_pair(name, &from).finish();
            let response = client.get(&format!("proxy/scim/v2/Says?{query}")).await?;
            assert_eq!((response.status, response.text.as_str()), (201, "said"));
            assert_eq!(response.header(name), to, "{from}");
        }
        let link = format!("<{from}>; rel=\"next\"; title=\"a, b\", <https://e.test/>; rel=x");
        let query =
            form_urlencoded::Serializer::new(String::new()).append_pair("link", &link).finish();
        let response = client.get(&format!("proxy/scim/v2/Says?{query}")).await?;
        let expected = format!("<{to}>; rel=\"next\"; title=\"a, b\", <https://e.test/>; rel=x");
        assert_eq!(response.header("link"), expected);
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn no_browser_policy_header_passes(pool: PgPool) -> anyhow::Result<()> {
    let (_app, client, _provider) = with_provider(pool).await?;
    let rules = [
        "access-control-allow-credentials",
        "access-control-allow-headers",
        "access-control-allow-origin",
        "access-control-expose-headers",
        "access-control-max-age",
        "alt-svc",
        "clear-site-data",
        "content-security-policy-report-only",
        "cross-origin-embedder-policy",
        "cross-origin-opener-policy",
        "cross-origin-resource-policy",
        "document-policy",
        "expect-ct",
        "feature-policy",
        "nel",
        "origin-agent-cluster",
        "origin-trial",
        "permissions-policy",
        "public-key-pins",
        "refresh",
        "report-to",
        "reporting-endpoints",
        "service-worker-allowed",
        "set-cookie",
        "sourcemap",
        "speculation-rules",
        "strict-transport-security",
        "timing-allow-origin",
        "www-authenticate",
        "x-frame-options",
        "x-permitted-cross-domain-policies",
        "x-xss-protection",
        "x-dns-prefetch-control",
        "accept-ch",
    ];
    let mut query = form_urlencoded::Serializer::new(String::new());
    for name in rules.iter().chain(&["x-slack-req-id", "etag", "ratelimit-remaining"]) {
        query.append_pair(name, "theirs");
    }
    // Replaced by the gateway's own.
    for name in
        ["content-security-policy", "referrer-policy", "x-content-type-options", "cache-control"]
    {
        query.append_pair(name, "theirs");
    }
    let response = client.get(&format!("proxy/scim/v2/Says?{}", query.finish())).await?;
    for name in rules {
        assert!(!response.headers.contains_key(name), "{name}: {:?}", response.headers);
    }
    for name in ["x-slack-req-id", "etag", "ratelimit-remaining"] {
        assert_eq!(response.header(name), "theirs", "{name}");
    }
    assert_eq!(
        response.header("content-security-policy"),
        "default-src 'none'; frame-ancestors 'none'"
    );
    assert_eq!(response.header("referrer-policy"), "no-referrer");
    assert_eq!(response.header("x-content-type-options"), "nosniff");
    assert_eq!(response.header("cache-control"), "no-store");
    Ok(())
}
