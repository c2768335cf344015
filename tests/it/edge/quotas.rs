//! What one environment may use of the gateway: beyond it that environment alone is refused.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::{LONG, send};
use crate::support::TestApp;

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_environment_beyond_its_share_is_refused_alone(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| setup.config.server.max_requests = 8).await?;
    let other = app.tenant("other").await?;
    let account = app.link("acme").await?;
    let path = format!("integrated-accounts/{account}/tokens");
    let token = app.home.admin.post(&path, &json!({})).await?.created()?;
    let token = token.pointer("/result/token").and_then(Value::as_str).context("no token")?;
    let head = format!(
        "POST /batch HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
    );
    let mut waiting = Vec::new();
    let refused = async {
        loop {
            // Awaits its body in a place, unless the request below had the last one.
            waiting.push(send(&app.base_url, &head).await?);
            let answer = app.home.api.get("integrated-accounts").await?;
            if answer.status != 200 {
                return anyhow::Ok(answer);
            }
        }
    };
    let refused = tokio::time::timeout(LONG, refused).await.context("never refused")??;
    refused.problem(503, "quota_exceeded");
    assert_eq!(refused.header("retry-after"), "1");
    for _ in 0..4 {
        other.api.get("integrated-accounts").await?.okay()?;
    }
    let metrics = app.nobody()?.get("metrics").await?.text;
    let counted = metrics.lines().find_map(|line| {
        line.strip_prefix("switchboard_quota_refusals_total{quota=\"requests\"} ")
    });
    assert!(counted.is_some_and(|count| count != "0"), "{metrics}");
    drop(waiting);
    let admitted = async {
        while app.home.api.get("integrated-accounts").await?.status != 200 {}
        anyhow::Ok(())
    };
    tokio::time::timeout(LONG, admitted).await.context("never admitted")?
}
