//! Properties of any input and any list: what is written is read back, and pagination returns each row
//! once while the organization changes.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};
use sqlx::PgPool;
use switchboard::sandbox::org::Person;

use crate::support::TestApp;

/// Fields that are one line of text, at the provider and here.
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

fn generate<T>(runner: &mut TestRunner, strategy: impl Strategy<Value = T>) -> anyhow::Result<T> {
    let tree = strategy.new_tree(runner).map_err(|reason| anyhow::anyhow!("{reason}"))?;
    Ok(tree.current())
}

/// Generates some of the lines with texts: letters of several alphabets, spaces only inside.
fn lines() -> impl Strategy<Value = BTreeMap<&'static str, String>> {
    let text = "[A-Za-zäößéçñøåЖ字0-9]([A-Za-zäößéçñøåЖ字0-9 .'&-]{0,20}[A-Za-z0-9])?";
    proptest::collection::btree_map(proptest::sample::select(&LINES), text, 0..LINES.len())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn written_users_are_read_back(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let mut runner = TestRunner::deterministic();
    for number in 0..24 {
        let mut request = generate(&mut runner, lines())?;
        // The provider derives a name for a user without one.
        request.entry("first_name").or_insert_with(|| "Ada".to_owned());
        request.entry("last_name").or_insert_with(|| "Lovelace".to_owned());
        let mut body: Map<String, Value> =
            request.iter().map(|(name, text)| ((*name).to_owned(), text.as_str().into())).collect();
        body.insert("email".to_owned(), format!("person{number}@example.com").into());
        let issued = api.post("users", &Value::Object(body)).await?.created()?;
        let path = format!("users/{}", issued["result"]["id"].as_str().context("no id")?);
        let mut expected = request;
        for _ in 0..2 {
            let read = api.get(&path).await?.success()?["result"].clone();
            assert_eq!(read["emails"][0]["email"], format!("person{number}@example.com"));
            for name in LINES {
                let value = expected.get(name).map(String::as_str);
                assert_eq!(read[name].as_str(), value, "{name} of {read} after {expected:?}");
            }
            let change = generate(&mut runner, lines())?;
            api.patch(&path, &json!(change)).await?.success()?;
            expected.extend(change);
        }
    }
    Ok(())
}

/// Each filter as a query, and its predicate.
type Case = (&'static str, fn(&Person) -> bool);

const CASES: [Case; 6] = [
    ("", |_| true),
    ("status=active", Person::is_active),
    ("status=inactive", |person| !person.is_active()),
    ("user_type=bot", Person::is_bot),
    ("role[id]=ws:member", |person| {
        let is_member = |one: &switchboard::sandbox::org::WorkspaceMembership| {
            one.level == switchboard::sandbox::org::WorkspaceLevel::Member
        };
        person.is_active() && !person.is_bot() && person.memberships.iter().any(is_member)
    }),
    ("updated_at[gt]=2020-01-01T00:00:00Z", |_| true),
];

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn pagination_returns_each_row_once_during_changes(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let mut runner = TestRunner::deterministic();
    for round in 0..12_usize {
        let (query, admits) = generate(&mut runner, proptest::sample::select(&CASES))?;
        let limit = generate(&mut runner, 3_usize..90)?;
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
            let page = api.get(&path).await?.success()?;
            for row in page["result"].as_array().context("no rows")? {
                let id = row["id"].as_str().context("no id")?.to_owned();
                *seen.entry(id).or_insert(0_usize) += 1;
            }
            match page["next_cursor"].as_str() {
                Some(next) => path = format!("{first}&next_cursor={next}"),
                None => break,
            }
            // A new user and a changed one, neither of which the list contains.
            if page_number < 3 {
                let email = format!("new{round}x{page_number}@example.com");
                api.post("users", &json!({ "email": email })).await?.created()?;
                let other = org.people().iter().find(|one| !admits(one) && !one.is_bot());
                if let Some(other) = other {
                    let title = json!({"title": format!("Title {round}")});
                    api.patch(&format!("users/{}", other.id), &title).await?.success()?;
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
async fn twenty_thousand_users_cost_one_call_per_page(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| setup.sandbox.users = 20_000).await?;
    let api = app.linked_client().await?;
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
