//! Every Web API method that the sandbox serves, against its page in
//! <https://docs.slack.dev/reference/methods>. `web_methods.tsv` contains the data of those pages: tier,
//! scopes, arguments; its last column is a call that succeeds, `-` where that takes several
//! calls, which the tests of the sandbox contain.

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde_json::Value;

use super::call::Caller;
use super::places::fill;

const TABLE: &str = include_str!("web_methods.tsv");
/// A scope that permits none of the methods.
const UNRELATED_SCOPE: &str = "chat:write";
/// Methods that return a code of their own for missing arguments.
const SPECIFIC_CODES: &[(&str, &str, &str)] = &[
    ("admin.usergroups.addTeams", "team_ids", "no_team_ids_given"),
    ("admin.teams.create", "team_domain", "must_provide_team_domain"),
    ("admin.teams.create", "team_name", "must_provide_team_name"),
    ("usergroups.users.update", "users", "no_users_provided"),
];

/// A row of the table.
struct Method {
    name: &'static str,
    tier: &'static str,
    scopes: Vec<&'static str>,
    required: Vec<&'static str>,
    optional: Vec<&'static str>,
    good: Option<&'static str>,
}

fn methods() -> anyhow::Result<Vec<Method>> {
    let row = |line: &'static str| {
        let mut cells = line.split('\t');
        let mut cell = || cells.next().with_context(|| format!("a cell is missing: {line}"));
        let list = |cell: &'static str| cell.split(',').filter(|one| !one.is_empty()).collect();
        Ok(Method {
            name: cell()?,
            tier: cell()?,
            scopes: list(cell()?),
            required: list(cell()?),
            optional: list(cell()?),
            good: cell().map(|good| Some(good).filter(|good| *good != "-"))?,
        })
    };
    TABLE.lines().skip(1).map(row).collect()
}

fn every_scope() -> anyhow::Result<Vec<&'static str>> {
    let scopes = methods()?.into_iter().flat_map(|method| method.scopes);
    Ok(scopes.collect::<BTreeSet<_>>().into_iter().collect())
}

fn code(response: &Value) -> &str {
    response.get("error").and_then(Value::as_str).unwrap_or_default()
}

fn missing_code(method: &Method, argument: &str) -> &'static str {
    let own = SPECIFIC_CODES.iter().find(|(name, arg, _)| *name == method.name && *arg == argument);
    own.map_or("invalid_arguments", |(_, _, code)| code)
}

fn per_minute(tier: &str) -> Option<u64> {
    match tier {
        "1" => Some(1),
        "2" => Some(20),
        "3" => Some(50),
        "4" => Some(100),
        // Its page documents a rate of its own, or no rate is known.
        _ => None,
    }
}

#[tokio::test]
async fn the_sandbox_serves_the_documented_methods() -> anyhow::Result<()> {
    let served = Caller::new(10)?.get("/_sandbox/methods").await?;
    let served = served.get("methods").and_then(Value::as_array).context("methods")?;
    let mut wrong = Vec::new();
    for method in methods()? {
        let Some(row) = served.iter().find(|row| row["method"] == method.name) else {
            wrong.push(format!("{} is not served", method.name));
            continue;
        };
        let mut expect = |what: &str, holds: bool| {
            if !holds {
                wrong.push(format!("{}: {what}: {row}", method.name));
            }
        };
        let names = |field: &str| -> BTreeSet<&str> {
            row[field].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
        };
        expect("required", names("required") == method.required.iter().copied().collect());
        expect("optional", names("optional") == method.optional.iter().copied().collect());
        let pace = per_minute(method.tier);
        expect("tier", pace.is_none_or(|pace| row["per_minute"] == pace));
        expect("scopes", names("scopes") == method.scopes.iter().copied().collect());
    }
    let known: BTreeSet<&str> = methods()?.iter().map(|method| method.name).collect();
    for row in served {
        let name = row["method"].as_str().unwrap_or_default();
        if !known.contains(name) {
            wrong.push(format!("{name} is not in the table"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[tokio::test]
async fn a_call_without_the_scope_names_the_required_scope() -> anyhow::Result<()> {
    let caller = Caller::new(50)?;
    let token = caller.token(&[UNRELATED_SCOPE])?;
    for method in methods()?.iter().filter(|method| !method.scopes.is_empty()) {
        let name = method.name;
        let response = caller.web(&token, name, &[]).await?;
        assert_eq!(code(&response), "missing_scope", "{name}: {response}");
        let needed = response["needed"].as_str().unwrap_or_default();
        let documented = needed.split(',').all(|scope| method.scopes.contains(&scope));
        assert!(documented && !needed.is_empty(), "{name}: {response}");
        assert_eq!(response["provided"], UNRELATED_SCOPE, "{name}");
        let response = caller.web("xoxp-nobody-knows-this", name, &[]).await?;
        assert_eq!(code(&response), "invalid_auth", "{name}: {response}");
    }
    Ok(())
}

#[tokio::test]
async fn names_every_missing_argument() -> anyhow::Result<()> {
    let caller = Caller::new(50)?;
    let token = caller.token(&every_scope()?)?;
    for method in methods()?.iter().filter(|method| !method.required.is_empty()) {
        let name = method.name;
        let empty = caller.web(&token, name, &[]).await?;
        assert_eq!(empty["ok"], false, "{name}: {empty}");
        let Some(good) = method.good else { continue };
        let args = fill(&caller, &token, good).await.with_context(|| name.to_owned())?;
        for missing in &method.required {
            let rest: Vec<_> = args.iter().filter(|(name, _)| name != missing).cloned().collect();
            let response = caller.web(&token, name, &rest).await?;
            let wanted = missing_code(method, missing);
            assert_eq!(code(&response), wanted, "{name} without {missing}: {response}");
            if wanted == "invalid_arguments" {
                let output = response.pointer("/response_metadata/messages").map(Value::to_string);
                let output = output.unwrap_or_default();
                assert!(output.contains(missing), "{name} without {missing}: {output}");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_valid_call_succeeds() -> anyhow::Result<()> {
    for method in methods()? {
        let Some(good) = method.good else { continue };
        let caller = Caller::new(200)?;
        let token = caller.token(&every_scope()?)?;
        let args = fill(&caller, &token, good).await.with_context(|| method.name.to_owned())?;
        let response = caller.web(&token, method.name, &args).await?;
        assert_eq!(response["ok"], true, "{} {args:?}: {response}", method.name);
    }
    Ok(())
}
