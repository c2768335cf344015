//! Many at once, when the token has just ended.

use futures_util::future::join_all;

use super::demo::Demo;
use super::home::Home;
use super::note;
use super::talk::{Answer, number};

const USERS: &str = "/users?limit=1";
const PROXY: &str = "/proxy/api/auth.test";

async fn all_at_once(demo: &Demo, paths: Vec<&str>) -> anyhow::Result<Vec<Answer>> {
    join_all(paths.into_iter().map(|path| demo.get(path))).await.into_iter().collect()
}

fn succeeded(answers: &[Answer]) -> usize {
    answers.iter().filter(|answer| answer.status == 200).count()
}

#[tokio::test]
async fn two_hundred_calls_with_an_ended_token_cost_one_refresh() -> anyhow::Result<()> {
    let home = Home::new()?;
    let demo = Demo::start(&home, &[]).await?;
    demo.age_tokens().await?;
    let paths = (0..200).map(|number| if number % 2 == 0 { USERS } else { PROXY }).collect();
    let started = std::time::Instant::now();
    let answers = all_at_once(&demo, paths).await?;
    let failed: Vec<_> = answers.iter().filter(|answer| answer.status != 200).collect();
    assert!(failed.is_empty(), "{} of 200, such as {:?}", failed.len(), failed.first());
    assert_eq!(number(&demo.ask_sandbox("state").await?, "/refreshes")?, 1);
    note(format_args!("200 calls over a refresh took {:?}", started.elapsed()))
}

#[tokio::test]
async fn at_slacks_true_pace_sixty_calls_wait_for_their_turn() -> anyhow::Result<()> {
    let home = Home::new()?;
    let demo = Demo::start(&home, &["--time-scale", "1"]).await?;
    demo.age_tokens().await?;
    let started = std::time::Instant::now();
    let answers = all_at_once(&demo, vec![PROXY; 60]).await?;
    assert_eq!(succeeded(&answers), 60, "{answers:?}");
    assert_eq!(number(&demo.ask_sandbox("state").await?, "/refreshes")?, 1);
    note(format_args!("60 calls of auth.test at time scale 1 took {:?}", started.elapsed()))
}

#[tokio::test]
async fn calls_beyond_slacks_true_pace_learn_when_to_come_again() -> anyhow::Result<()> {
    let home = Home::new()?;
    let demo = Demo::start(&home, &["--time-scale", "1"]).await?;
    demo.age_tokens().await?;
    let started = std::time::Instant::now();
    let answers = all_at_once(&demo, vec![USERS; 200]).await?;
    let good = succeeded(&answers);
    // The tier's burst, and what a wait of 15 s gives at 100 a minute. Up to a burst of it is lost
    // to the old token: by the gateway's own clock, which nobody moved, that one is still good.
    assert!((20..=60).contains(&good), "{good} succeeded");
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        assert_eq!(answer.status, 429, "{answer:?}");
        let wait = answer.retry_after.as_deref().and_then(|text| text.parse::<u64>().ok());
        assert!(wait.is_some_and(|seconds| (1..=60).contains(&seconds)), "{answer:?}");
    }
    let requests = demo.ask_sandbox("requests").await?;
    let calls = number(&requests, "/counts/admin.users.list")?;
    assert!(calls <= 60, "{calls} calls reached the provider");
    assert_eq!(
        requests.get("throttled"),
        Some(&serde_json::json!({})),
        "the provider had to say no"
    );
    assert_eq!(number(&demo.ask_sandbox("state").await?, "/refreshes")?, 1);
    let took = started.elapsed();
    note(format_args!(
        "200 lists of users at time scale 1: {good} answered, {calls} calls, in {took:?}"
    ))
}
