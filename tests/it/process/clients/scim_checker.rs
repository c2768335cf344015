//! scim2-tester, a public checker of SCIM servers, against the sandbox.
//!
//! Where Slack deviates from the standard, so does the sandbox. Each such difference is listed in
//! `scim_differences.tsv` with the fact about Slack behind it, and every fact is explained in
//! `docs/sandbox.md`. A finding that is not listed fails the test, and so does a listed difference
//! that is no longer found.

use std::process::Command;

use serde::Deserialize;

use super::super::note;
use super::super::test_dir::TestDir;
use super::sandbox::Sandbox;
use super::{python, tour};

const SCRIPT: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/process/clients/in_python/scim_checker.py");
/// Versions of November 2026.
const CHECKER: (&str, &str) = ("scim2-tester", "0.5.2");
const DEPENDENCIES: &[&str] = &["scim2-client==0.13.2", "scim2-models==0.12.3", "httpx2==2.16.2"];
const DIFFERENCES: &str = include_str!("scim_differences.tsv");
const PAGE: &str = include_str!("../../../../docs/sandbox.md");
/// Minimum number of good results: the checker did not stop early.
const MIN_GOOD_RESULTS: usize = 90;

/// A result of the checker.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Finding {
    status: String,
    check: String,
    resource: Option<String>,
    attribute: Option<String>,
    reason: String,
}

/// A finding that the real Slack has as well. Empty cells match anything.
#[derive(Debug)]
struct Difference {
    /// Name of the explanation in `docs/sandbox.md`.
    fact: &'static str,
    resource: &'static str,
    check: &'static str,
    attribute: &'static str,
    /// Substring of the checker's message.
    message: &'static str,
}

impl Finding {
    fn is_good(&self) -> bool {
        matches!(self.status.as_str(), "SUCCESS" | "COMPLIANT" | "ACCEPTABLE" | "SKIPPED")
    }
}

impl Difference {
    fn explains(&self, finding: &Finding) -> bool {
        self.check == finding.check
            && self.resource == finding.resource.as_deref().unwrap_or_default()
            && self.attribute == finding.attribute.as_deref().unwrap_or_default()
            && finding.reason.contains(self.message)
    }
}

fn differences() -> anyhow::Result<Vec<Difference>> {
    let row = |line: &'static str| {
        let cells: Vec<_> = line.split('\t').collect();
        let [fact, resource, check, attribute, message] = cells[..] else {
            anyhow::bail!("not five cells: {line}");
        };
        Ok(Difference { fact, resource, check, attribute, message })
    };
    DIFFERENCES.lines().skip(1).map(row).collect()
}

#[tokio::test]
async fn a_public_checker_finds_only_slacks_own_deviations() -> anyhow::Result<()> {
    let python = match python::with(CHECKER.0, CHECKER.1, DEPENDENCIES)? {
        Ok(python) => python,
        Err(reason) => return note(format_args!("skipped: {reason}")),
    };
    let home = TestDir::new()?;
    let sandbox = Sandbox::start_with(&home, &["--users", "6", "--workspaces", "1"]).await?;
    let mut command = Command::new(python);
    let found = tour(command.args(["-B", SCRIPT]).args(sandbox.credentials()))?;
    let (good, bad): (Vec<Finding>, Vec<Finding>) =
        serde_json::from_value::<Vec<_>>(found)?.into_iter().partition(Finding::is_good);
    assert!(good.len() >= MIN_GOOD_RESULTS, "only {} good results: {bad:#?}", good.len());
    let known = differences()?;
    let unknown: Vec<_> =
        bad.iter().filter(|one| !known.iter().any(|difference| difference.explains(one))).collect();
    assert!(unknown.is_empty(), "no difference explains {unknown:#?}");
    let removed: Vec<_> =
        known.iter().filter(|difference| !bad.iter().any(|one| difference.explains(one))).collect();
    assert!(removed.is_empty(), "no longer found: {removed:#?}");
    Ok(())
}

#[test]
fn every_difference_is_explained() -> anyhow::Result<()> {
    for difference in differences()? {
        let row = format!("| {} |", difference.fact);
        assert!(PAGE.contains(&row), "docs/sandbox.md has no row {row:?}");
    }
    Ok(())
}
