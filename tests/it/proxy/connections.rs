//! Connections to a provider: reused sequentially, and never after their end.

use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::StreamExt as _;
use http::Method;
use sqlx::PgPool;

use super::provider::{CHUNK, CHUNKS, Provider};
use super::{stalled, with_provider};
use crate::support::{Client, TestApp};

/// Calls, reads the whole response, and returns its length.
async fn call(client: &Client, kind: &str) -> anyhow::Result<usize> {
    let response = client.open(Method::GET, &format!("proxy/scim/v2/{kind}"), None).await?;
    assert_eq!(response.status(), 200);
    Ok(response.bytes().await?.len())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn sequential_calls_reuse_a_connection(pool: PgPool) -> anyhow::Result<()> {
    let (_app, client, provider) = with_provider(pool).await?;
    for _ in 0..5 {
        call(&client, "Fine").await?;
        // Its body is streamed.
        assert_eq!(call(&client, "Middling").await?, CHUNK);
    }
    assert_eq!(provider.connections.load(Ordering::SeqCst), 1);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn does_not_reuse_a_closing_connection(pool: PgPool) -> anyhow::Result<()> {
    let (_app, client, provider) = with_provider(pool).await?;
    for _ in 0..3 {
        call(&client, "Closed").await?;
    }
    assert_eq!(provider.connections.load(Ordering::SeqCst), 3);
    let half = client.open(Method::GET, "proxy/scim/v2/Large", None).await?;
    half.bytes_stream().next().await.context("no body")??;
    // The rest of that response is in flight, or its connection is closed: the next call gets neither.
    assert_eq!(call(&client, "Fine").await?, "fine".len());
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn cuts_off_a_caller_that_reads_nothing(pool: PgPool) -> anyhow::Result<()> {
    let provider = Provider::start().await?;
    let url = provider.url.clone();
    let app = TestApp::with(pool, |setup| {
        setup.config.slack_enterprise.api_url = url;
        setup.config.server.write_timeout_s = 0.05;
    })
    .await?;
    let client = app.linked_client().await?;
    let response = client.open(Method::GET, "proxy/scim/v2/Large", None).await?;
    // Longer than the time-out.
    stalled(provider.sent.clone()).await;
    let mut body = response.bytes_stream();
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
    assert!(tokio::time::timeout(Duration::from_secs(20), broken).await?, "all of it arrived");
    assert!(length < CHUNKS * CHUNK);
    Ok(())
}
