//! The public checker of SCIM 2.0 servers, `scim2-tester`, against the sandbox. What it finds fault
//! with is Slack's own way, or ours to mend: `scim_differences.tsv` is the list of Slack's ways, and
//! `docs/sandbox.md` explains them.

use std::process::Command;

use anyhow::Context as _;
use serde_json::Value;

use super::super::home::Home;
use super::super::note;
use super::super::talk::{number, text};
use super::sandbox::Sandbox;
use super::{python, tour};

/// The versions of November 2026.
const CHECKER: (&str, &str) = ("scim2-tester", "0.5.2");
const BESIDE: &[&str] = &["scim2-client==0.13.2", "scim2-models==0.12.3", "httpx2==2.16.2"];
const SCRIPT: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/process/clients/in_python/scim_check.py");
const DIFFERENCES: &str = include_str!("scim_differences.tsv");
/// The checker makes so many checks that hold, at the least.
const HOLDING: usize = 55;

#[tokio::test]
async fn the_scim_checker_finds_slacks_own_ways_and_nothing_else() -> anyhow::Result<()> {
    let python = match python::with(CHECKER.0, CHECKER.1, BESIDE)? {
        Ok(python) => python,
        Err(reason) => return note(format_args!("skipped: {reason}")),
    };
    let home = Home::new()?;
    let sandbox = Sandbox::start(&home).await?;
    let mut command = Command::new(python);
    let report = tour(command.args(["-B", SCRIPT]).args(sandbox.introduction()))?;
    let faults = report.pointer("/faults").and_then(Value::as_array).context("faults")?;
    let mut strange = Vec::new();
    for fault in faults {
        let (resource, reason) = (text(fault, "/resource")?, text(fault, "/reason")?);
        let known = DIFFERENCES.lines().skip(1).any(|line| {
            let mut cells = line.split('\t');
            cells.next() == Some(&*resource)
                && cells.next().is_some_and(|part| reason.contains(part))
        });
        if !known {
            strange.push(fault.to_string());
        }
    }
    assert!(strange.is_empty(), "{}", strange.join("\n"));
    let checks = number(&report, "/checks")?;
    let holding = usize::try_from(checks)?.saturating_sub(faults.len());
    assert!(holding >= HOLDING, "only {holding} of {checks} checks hold");
    Ok(())
}
