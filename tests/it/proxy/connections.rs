//! The connections to a provider: kept, shared one call after the other, and never one that is at its end.

use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::StreamExt as _;
use http::Method;
use sqlx::PgPool;

use super::provider::{PIECE, PIECES, Provider};
use super::{stalled, with_provider};
use crate::support::{Client, TestApp};

/// Calls, reads the whole answer, and tells its length.
async fn call(client: &Client, kind: &str) -> anyhow::Result<usize> {
    let answer = client.open(Method::GET, &format!("proxy/scim/v2/{kind}"), None).await?;
    assert_eq!(answer.status(), 200);
    Ok(answer.bytes().await?.len())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn calls_one_after_the_other_share_a_connection(pool: PgPool) -> anyhow::Result<()> {
    let (_app, client, provider) = with_provider(pool).await?;
    for _ in 0..5 {
        call(&client, "Fine").await?;
        // Its body passes through piece by piece.
        assert_eq!(call(&client, "Middling").await?, PIECE);
    }
    assert_eq!(provider.connections.load(Ordering::SeqCst), 1);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_connection_that_is_at_its_end_is_not_used_again(pool: PgPool) -> anyhow::Result<()> {
    let (_app, client, provider) = with_provider(pool).await?;
    for _ in 0..3 {
        call(&client, "Closed").await?;
    }
    assert_eq!(provider.connections.load(Ordering::SeqCst), 3);
    let half = client.open(Method::GET, "proxy/scim/v2/Large", None).await?;
    half.bytes_stream().next().await.context("no body")??;
    // The rest of that answer is on its way, or its connection is gone: neither is the next one's.
    assert_eq!(call(&client, "Fine").await?, "fine".len());
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_caller_that_takes_nothing_loses_its_answer(pool: PgPool) -> anyhow::Result<()> {
    let provider = Provider::start().await?;
    let url = provider.url.clone();
    let app = TestApp::with(pool, |setup| {
        setup.config.slack_enterprise.api_url = url;
        setup.config.server.write_timeout_s = 0.05;
    })
    .await?;
    let client = app.linked().await?;
    let answer = client.open(Method::GET, "proxy/scim/v2/Large", None).await?;
    // Longer than the time-out.
    stalled(provider.sent.clone()).await;
    let mut body = answer.bytes_stream();
    let mut length = 0;
    let broken = async {
        while let Some(piece) = body.next().await {
            match piece {
                Ok(piece) => length += piece.len(),
                Err(_) => return true,
            }
        }
        false
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), broken).await?, "all of it came");
    assert!(length < PIECES * PIECE);
    Ok(())
}
