//! What holds for any wish and any list: what is written is read back, and paging gives each thing
//! once while the organization changes elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};
use sqlx::PgPool;
use switchboard::sandbox::org::Person;

use crate::support::TestApp;

/// The fields that are one line of text, at the provider as with us.
const LINES: [&str; 8] = [
    "first_name",
    "last_name",
    "title",
    "department",
    "division",
    "organization",
    "cost_center",
    "employee_number",
];

fn draw<T>(runner: &mut TestRunner, strategy: impl Strategy<Value = T>) -> anyhow::Result<T> {
    let tree = strategy.new_tree(runner).map_err(|reason| anyhow::anyhow!("{reason}"))?;
    Ok(tree.current())
}

/// Some of the lines, each with a text: letters of several alphabets, spaces only inside.
fn lines() -> impl Strategy<Value = BTreeMap<&'static str, String>> {
    let text = "[A-Za-zäößéçñøåЖ字0-9]([A-Za-zäößéçñøåЖ字0-9 .'&-]{0,20}[A-Za-z0-9])?";
    proptest::collection::btree_map(proptest::sample::select(&LINES), text, 0..LINES.len())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn what_is_written_is_read_back(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked().await?;
    let mut runner = TestRunner::deterministic();
    for number in 0..24 {
        let mut wish = draw(&mut runner, lines())?;
        // The provider names somebody who has no name at all.
        wish.entry("first_name").or_insert_with(|| "Ada".to_owned());
        wish.entry("last_name").or_insert_with(|| "Lovelace".to_owned());
        let mut body: Map<String, Value> =
            wish.iter().map(|(name, text)| ((*name).to_owned(), text.as_str().into())).collect();
        body.insert("email".to_owned(), format!("person{number}@example.com").into());
        let made = api.post("users", &Value::Object(body)).await?.created()?;
        let path = format!("users/{}", made["result"]["id"].as_str().context("no id")?);
        let mut expected = wish;
        for _ in 0..2 {
            let read = api.get(&path).await?.okay()?["result"].clone();
            assert_eq!(read["emails"][0]["email"], format!("person{number}@example.com"));
            for name in LINES {
                let value = expected.get(name).map(String::as_str);
                assert_eq!(read[name].as_str(), value, "{name} of {read} after {expected:?}");
            }
            let change = draw(&mut runner, lines())?;
            api.patch(&path, &json!(change)).await?.okay()?;
            expected.extend(change);
        }
    }
    Ok(())
}

/// Each filter as a query, and whom it admits.
type Case = (&'static str, fn(&Person) -> bool);

const CASES: [Case; 6] = [
    ("", |_| true),
    ("status=active", Person::is_active),
    ("status=inactive", |person| !person.is_active()),
    ("user_type=bot", Person::is_bot),
    ("role[id]=ws:member", |person| {
        let is_member = |one: &switchboard::sandbox::org::Membership| {
            one.level == switchboard::sandbox::org::Level::Member
        };
        person.is_active() && !person.is_bot() && person.memberships.iter().any(is_member)
    }),
    ("updated_at[gt]=2020-01-01T00:00:00Z", |_| true),
];

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn paging_gives_each_once_while_others_come_and_go(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked().await?;
    let mut runner = TestRunner::deterministic();
    for round in 0..12_usize {
        let (query, admits) = draw(&mut runner, proptest::sample::select(&CASES))?;
        let limit = draw(&mut runner, 3_usize..90)?;
        let org = app.sandbox.snapshot();
        let mut wanted: BTreeSet<String> = org
            .people()
            .iter()
            .filter(|person| admits(person))
            .map(|person| person.id.clone())
            .collect();
        let first = format!("users?limit={limit}&{query}");
        let (mut seen, mut path, mut page_number) = (BTreeMap::new(), first.clone(), 0_usize);
        loop {
            let page = api.get(&path).await?.okay()?;
            for row in page["result"].as_array().context("no rows")? {
                let id = row["id"].as_str().context("no id")?.to_owned();
                *seen.entry(id).or_insert(0_usize) += 1;
            }
            match page["next_cursor"].as_str() {
                Some(next) => path = format!("{first}&next_cursor={next}"),
                None => break,
            }
            // Somebody new, and somebody else changed: nobody whom this list is about.
            if page_number < 3 {
                let email = format!("new{round}x{page_number}@example.com");
                api.post("users", &json!({ "email": email })).await?.created()?;
                let other = org.people().iter().find(|one| !admits(one) && !one.is_bot());
                if let Some(other) = other {
                    let title = json!({"title": format!("Title {round}")});
                    api.patch(&format!("users/{}", other.id), &title).await?.okay()?;
                }
            }
            page_number += 1;
        }
        wanted.retain(|id| seen.get(id) != Some(&1));
        assert!(wanted.is_empty(), "{query} by {limit}: not once {wanted:?}");
        let twice: Vec<_> = seen.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "{query} by {limit}: {twice:?}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn twenty_thousand_users_cost_their_pages_and_no_more(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| setup.sandbox.users = 20_000).await?;
    let api = app.linked().await?;
    let (active, all) = app.sandbox.with_org(|org| {
        let active = org.people().iter().filter(|person| person.is_active()).count();
        (active, org.people().len())
    });
    let before: u64 = app.sandbox.requests(None).counts.values().sum();
    let (rows, _) = api.all("users?limit=1000").await?;
    assert_eq!(rows.len(), all);
    let after: u64 = app.sandbox.requests(None).counts.values().sum();
    let pages = active.div_ceil(1000) + (all - active).div_ceil(1000);
    assert!(after - before <= pages as u64 + 2, "{} calls for {pages} pages", after - before);
    Ok(())
}
