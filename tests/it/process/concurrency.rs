//! Concurrent calls with an expired token.

use futures_util::future::join_all;

use super::demo::Demo;
use super::http_client::{HttpResponse, number};
use super::note;
use super::test_dir::TestDir;

const USERS: &str = "/users?limit=1";
const PROXY: &str = "/proxy/api/auth.test";

async fn concurrent_calls(demo: &Demo, paths: Vec<&str>) -> anyhow::Result<Vec<HttpResponse>> {
    join_all(paths.into_iter().map(|path| demo.get(path))).await.into_iter().collect()
}

fn succeeded(responses: &[HttpResponse]) -> usize {
    responses.iter().filter(|response| response.status == 200).count()
}

#[tokio::test]
async fn two_hundred_calls_with_an_expired_token_cause_one_refresh() -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let demo = Demo::start(&home, &[]).await?;
    demo.age_tokens().await?;
    let paths = (0..200).map(|number| if number % 2 == 0 { USERS } else { PROXY }).collect();
    let started = std::time::Instant::now();
    let responses = concurrent_calls(&demo, paths).await?;
    let failed: Vec<_> = responses.iter().filter(|response| response.status != 200).collect();
    assert!(failed.is_empty(), "{} of 200, such as {:?}", failed.len(), failed.first());
    assert_eq!(number(&demo.sandbox_get("state").await?, "/refreshes")?, 1);
    note(format_args!("200 calls over a refresh took {:?}", started.elapsed()))
}

#[tokio::test]
async fn at_slacks_real_rate_sixty_calls_wait_for_permits() -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let demo = Demo::start(&home, &["--time-scale", "1"]).await?;
    demo.age_tokens().await?;
    let started = std::time::Instant::now();
    let responses = concurrent_calls(&demo, vec![PROXY; 60]).await?;
    assert_eq!(succeeded(&responses), 60, "{responses:?}");
    assert_eq!(number(&demo.sandbox_get("state").await?, "/refreshes")?, 1);
    note(format_args!("60 calls of auth.test at time scale 1 took {:?}", started.elapsed()))
}

#[tokio::test]
async fn calls_beyond_slacks_real_rate_get_retry_after() -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let demo = Demo::start(&home, &["--time-scale", "1"]).await?;
    // The demo's own run uses the same rate.
    demo.synced().await?;
    let calls_of_run = number(&demo.sandbox_get("requests").await?, "/counts/admin.users.list")?;
    demo.age_tokens().await?;
    let started = std::time::Instant::now();
    let responses = concurrent_calls(&demo, vec![USERS; 200]).await?;
    let good = succeeded(&responses);
    // The tier's burst, and what a wait of 15 s permits at 100 a minute. Up to a burst of it is lost
    // to the old token: by the gateway's own clock, which was not advanced, that one is still valid.
    assert!((20..=60).contains(&good), "{good} succeeded");
    for response in responses.iter().filter(|response| response.status != 200) {
        assert_eq!(response.status, 429, "{response:?}");
        let wait = response.retry_after.as_deref().and_then(|text| text.parse::<u64>().ok());
        assert!(wait.is_some_and(|seconds| (1..=60).contains(&seconds)), "{response:?}");
    }
    let requests = demo.sandbox_get("requests").await?;
    let calls = number(&requests, "/counts/admin.users.list")? - calls_of_run;
    assert!(calls <= 60, "{calls} calls reached the provider");
    assert_eq!(
        requests.get("throttled"),
        Some(&serde_json::json!({})),
        "the provider returned 429"
    );
    assert_eq!(number(&demo.sandbox_get("state").await?, "/refreshes")?, 1);
    let took = started.elapsed();
    note(format_args!(
        "200 lists of users at time scale 1: {good} succeeded, {calls} calls, in {took:?}"
    ))
}
