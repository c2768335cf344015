//! The public Python client of Truto, with the gateway in Truto's place.

use std::process::Command;

use serde_json::json;

use super::super::demo::Demo;
use super::super::http_client::number;
use super::super::note;
use super::super::test_dir::TestDir;
use super::{python, tour};

const TOUR: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/process/clients/in_python/unified_tour.py");
/// Version of November 2026.
const VERSION: &str = "0.1.6";

#[tokio::test]
async fn trutos_client_works_with_another_base_url() -> anyhow::Result<()> {
    // It declares a newer Python as required, and runs on this one.
    let others = ["--ignore-requires-python"];
    let python = match python::with("truto-python-sdk", VERSION, &others)? {
        Ok(python) => python,
        Err(reason) => return note(format_args!("skipped: {reason}")),
    };
    let home = TestDir::new()?;
    let demo = Demo::start(&home, &["--users", "560"]).await?;
    let state = demo.sandbox_get("state").await?;
    let (users, active) = (number(&state, "/users")?, number(&state, "/active_users")?);
    let report = &demo.report;
    let mut command = Command::new(python);
    let who = [&report.base_url, &report.admin_key, &report.integrated_account_id];
    let seen = tour(command.args(["-B", TOUR]).args(who))?;
    assert!(users >= 500, "{state}");
    assert_eq!(number(&seen, "/users")?, users, "{seen}");
    assert_eq!(number(&seen, "/distinct")?, users);
    assert_eq!(number(&seen, "/inactive")?, users - active);
    assert_eq!(number(&seen, "/workspaces")?, number(&state, "/workspaces")?);
    assert!(number(&seen, "/role_assignments")? > active);
    for (field, value) in [
        ("ping", json!("ok")),
        ("has_remote_data", json!(true)),
        ("made", json!([true, "Ada Lovelace", "member", 1])),
        ("held", json!(["org:member", "ws:admin"])),
        ("by_account_token", json!(5)),
        ("changed", json!("Countess")),
        ("gone", json!("inactive")),
        ("link_tokens", json!([true, true])),
        ("accounts", json!([true])),
        ("context", json!({"plan": "gold"})),
        ("proxied", json!(true)),
        ("environments", json!(1)),
        ("unknown", json!(404)),
    ] {
        assert_eq!(seen[field], value, "{field} of {seen}");
    }
    Ok(())
}
