//! Customers connect their directory in Chromium, through our browser SDK and another gateway's.

use std::process::Command;

use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::embedded::Cluster;

use super::super::demo::Demo;
use super::super::http_client::text;
use super::super::note;
use super::super::test_dir::TestDir;
use super::{node, python, succeed, tour};
use crate::support::Browser;

const TOUR: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/process/clients/in_python/link_browser.py");
/// Versions of November 2026.
const PLAYWRIGHT: &str = "1.65.2";
const TRUTO_SDK: (&str, &str) = ("@truto/truto-link-sdk", "1.1.30");

fn is_account(seen: &Value) -> bool {
    let id = seen.pointer("/done/integrated_account_id").and_then(Value::as_str);
    id.is_some_and(|id| id.starts_with("acc_"))
}

/// Creates what needs time or another organization: an expired link, and an account of another organization than the
/// one that will approve.
async fn prepare(home: &TestDir, demo: &Demo) -> anyhow::Result<(String, String)> {
    let body = json!({"tenant_id": "expired"});
    let expired = text(&demo.post("/link-tokens", &body).await?.ok()?, "/result/link_url")?;
    let body = json!({"tenant_id": "elsewhere"});
    let link = text(&demo.post("/link-tokens", &body).await?.ok()?, "/result/link_url")?;
    Browser::new()?.complete_link(&link.parse()?).await?;
    let accounts = demo.get("/integrated-accounts?tenant_id=elsewhere").await?.ok()?;
    let elsewhere = text(&accounts, "/result/0/id")?;
    let database = PgPool::connect_with(Cluster::running(&home.data())?).await?;
    for change in [
        "update link_tokens set expires_at = now() - interval '1 s' where tenant_id = 'expired'",
        "update integrated_accounts set organization_id = 'E0OTHER', organization_name = 'Other Works'
         where tenant_id = 'elsewhere'",
    ] {
        sqlx::query(change).execute(&database).await?;
    }
    database.close().await;
    Ok((expired, elsewhere))
}

#[tokio::test]
async fn customers_connect_in_a_real_browser() -> anyhow::Result<()> {
    if let Err(reason) = succeed(Command::new("chromium").arg("--version")) {
        return note(format_args!("skipped: chromium does not work: {reason}"));
    }
    let python = match python::with("playwright", PLAYWRIGHT, &[])? {
        Ok(python) => python,
        Err(reason) => return note(format_args!("skipped: {reason}")),
    };
    let theirs = node::with("their-link-sdk", 18, &[TRUTO_SDK])?;
    let home = TestDir::new()?;
    let demo = Demo::start_on_data(&home).await?;
    let report = &demo.report;
    let (expired, elsewhere) = prepare(&home, &demo).await?;
    let who = [&report.base_url, &report.api_key, &report.admin_key, &report.environment_id];
    let who = who.into_iter().chain([&report.sandbox_url, &expired, &elsewhere]);
    let mut command = Command::new(python);
    command.args(["-B", TOUR]).args(who);
    match &theirs {
        Ok(modules) => {
            command.arg("--truto").arg(modules.join(TRUTO_SDK.0).join("dist/main.js"));
        }
        Err(reason) => note(format_args!("without the other gateway's SDK: {reason}"))?,
    }
    if let Some(folder) = std::env::var_os("SWITCHBOARD_PICTURES") {
        command.arg("--pictures").arg(folder);
    }
    let seen = tour(&mut command)?;
    let ways = ["popup", "again", "less", "form_popup", "form_iframe", "frame", "cut", "drop_in"];
    for way in ways {
        assert!(is_account(&seen[way]), "{way} of {seen}");
    }
    for (way, code) in [
        ("refused", "refused"),
        ("closed", "closed"),
        ("spent", "used"),
        ("expired", "expired"),
        ("elsewhere", "other_organization"),
        ("down", "provider_unavailable"),
    ] {
        assert_eq!(seen[way], json!({"error": code, "name": "LinkError"}), "{seen}");
    }
    assert_eq!(
        seen.pointer("/less/done/missing_scopes"),
        Some(&json!(["auditlogs:read"])),
        "{seen}"
    );
    for way in ["window", "form_redirect"] {
        assert_eq!(seen[way], json!({"done": true}), "{way} of {seen}");
    }
    assert_eq!(seen["forged"], json!({"untouched": true, "forged": false}));
    assert_eq!(seen["foreign"], json!([]), "a page that is not listed received the result");
    assert_eq!(seen["drop_in_closed"]["error"], "closed");
    if theirs.is_ok() {
        assert!(is_account(&seen["theirs"]), "{seen}");
        assert_eq!(seen["theirs_closed"]["error"], "closed");
    }
    assert_eq!(seen["policy"], json!([]), "a page ran into its own policy");
    Ok(())
}
