//! The limits of uploads: size, time, rows.

use std::fmt::Write as _;

use serde_json::json;
use sqlx::PgPool;
use tokio::io::AsyncWriteExt as _;

use super::{CSV, NDJSON};
use crate::edge::{first, send};
use crate::sync::SyncedApp;

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_upload_has_its_own_maximum_size(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::with(pool, json!({}), |setup| {
        setup.config.server.max_body_bytes = 10_000;
        setup.config.server.max_upload_bytes = 100_000;
    })
    .await?;
    synced.synced().await?;
    let rows = |count: usize| {
        (0..count).fold("email,name\n".to_owned(), |mut text, number| {
            // Writing into a `String` can't fail.
            let _ = writeln!(text, "person{number:06}@example.com,Person with a name");
            text
        })
    };
    let accepted = synced.upload("", CSV, &rows(1_500)).await?;
    assert_eq!(accepted.status, 202, "{}", accepted.text);
    assert_eq!(synced.staged().await?.len(), 1_500);
    let refused = synced.upload("", CSV, &rows(3_000)).await?;
    let detail = &refused.problem(413, "body_too_large")["detail"];
    assert!(detail.to_string().contains("max_upload_bytes"), "{detail}");
    assert_eq!(synced.staged().await?.len(), 1_500, "none of the rest stays");
    // A list in a JSON body has the maximum of all JSON bodies.
    let users: Vec<_> = (0..500).map(|n| json!({"email": format!("p{n}@example.com")})).collect();
    let body = json!({"desired": {"users": users}});
    synced.api.post("reconciliations", &body).await?.problem(413, "body_too_large");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_upload_that_pauses_or_takes_too_long_is_refused(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::with(pool, json!({}), |setup| {
        setup.config.server.body_timeout_s = 0.3;
    })
    .await?;
    synced.synced().await?;
    let token = synced.token_text(&synced.account, json!(["write"])).await?;
    let request = format!(
        "POST /reconciliations HTTP/1.1\r\nHost: a\r\n\
         Authorization: Bearer {token}\r\nContent-Type: {NDJSON}\r\nContent-Length: 1000\r\n\r\n\
         {{\"email\": \"ada@example.com\"}}\n{{"
    );
    let mut stream = send(&synced.app.base_url, &request).await?;
    let response = first(&mut stream).await?;
    assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
    assert!(response.contains("paused for more than 0.3 s"), "{response}");
    assert_eq!(synced.staged().await?, []);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_upload_has_a_maximum_time(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::with(pool, json!({}), |setup| {
        setup.config.server.upload_timeout_s = 0.3;
    })
    .await?;
    synced.synced().await?;
    let token = synced.token_text(&synced.account, json!(["write"])).await?;
    let request = format!(
        "POST /reconciliations HTTP/1.1\r\nHost: a\r\n\
         Authorization: Bearer {token}\r\nContent-Type: {NDJSON}\r\nContent-Length: 1000\r\n\r\n\
         {{\"email\": \"ada@example.com\"}}\n"
    );
    let mut stream = send(&synced.app.base_url, &request).await?;
    let response = first(&mut stream).await?;
    assert!(response.starts_with("HTTP/1.1 408 "), "{response}");
    assert!(response.contains("was not received within 0.3 s"), "{response}");
    assert_eq!(synced.staged().await?, []);
    Ok(())
}

/// Number of people of a large upload.
const MANY: usize = 30_000;

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_large_upload_is_stored_while_it_arrives(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let token = synced.token_text(&synced.account, json!(["write"])).await?;
    let count = async || -> anyhow::Result<i64> {
        let query = "select count(*) from reconciliation_rows";
        Ok(sqlx::query_scalar(query).fetch_one(&synced.app.pool).await?)
    };
    for (kind, head, before) in [(CSV, "email\n", 0), (NDJSON, "", MANY)] {
        let mut body = head.to_owned();
        for number in 0..MANY {
            match kind {
                CSV => writeln!(body, "p{number}@example.com")?,
                _ => writeln!(body, "{{\"email\":\"p{number}@example.com\"}}")?,
            }
        }
        let (begin, end) = body.split_at(body.len() / 2);
        let request = format!(
            "POST /reconciliations HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: {kind}\r\nContent-Length: {}\r\n\r\n{begin}",
            body.len()
        );
        let mut stream = send(&synced.app.base_url, &request).await?;
        // The rest is sent when rows of the beginning are stored, unless the upload is refused before.
        let stored = async {
            while count().await? == i64::try_from(before)? {
                tokio::task::yield_now().await;
            }
            anyhow::Ok(())
        };
        tokio::select! {
            stored = stored => stored?,
            refused = first(&mut stream) => anyhow::bail!("refused: {}", refused?),
        }
        stream.write_all(end.as_bytes()).await?;
        let response = first(&mut stream).await?;
        assert!(response.starts_with("HTTP/1.1 202 "), "{response}");
        assert_eq!(count().await?, i64::try_from(before + MANY)?);
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn every_row_of_a_large_upload_is_stored_once(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let mut lines = String::new();
    for number in 0..20_000 {
        let person = json!({"email": format!("person{number}@example.com"), "department": "Sales"});
        writeln!(lines, "{person}")?;
    }
    let accepted = synced.upload("", NDJSON, &lines).await?;
    assert_eq!(accepted.status, 202, "{}", accepted.text);
    let staged = synced.staged().await?;
    assert_eq!(staged.len(), 20_000);
    for (number, (row, key, _)) in (1..).zip(&staged) {
        assert_eq!((*row, key), (number, &format!("person{}@example.com", number - 1)));
    }
    Ok(())
}
