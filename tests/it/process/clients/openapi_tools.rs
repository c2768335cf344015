//! Tools that read the OpenAPI document: a linter, and two generators whose clients tour the demo.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::super::demo::Demo;
use super::super::note;
use super::super::test_dir::TestDir;
use super::{node, python, tour};

const PYTHON_TOUR: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/process/clients/in_python/generated_tour.py");
const TYPESCRIPT_TOUR: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/process/clients/in_node/generated_tour.mts");
/// The versions of November 2026.
const LINTER: &[(&str, &str)] = &[("@redocly/cli", "2.77.0")];
const TYPESCRIPT: &[(&str, &str)] =
    &[("openapi-typescript", "7.13.0"), ("openapi-fetch", "0.17.0"), ("typescript", "5.9.3")];
const PYTHON_GENERATOR: &str = "0.29.1";
/// Settings of the Python generator, which knows neither NDJSON nor CSV.
const SETTINGS: &str = "post_hooks: []\ncontent_type_overrides:\n  application/x-ndjson: application/octet-stream\n  \
     text/csv: application/octet-stream\n";

/// Writes the document into the folder and returns its path.
fn write_document(home: &TestDir) -> anyhow::Result<PathBuf> {
    let path = home.file("openapi.json");
    fs::write(&path, switchboard::http::document().to_json()?)?;
    Ok(path)
}

/// Runs a command and returns its standard output; fails with everything it printed.
fn run(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{command:?}: {text}{errors}");
    Ok(text)
}

#[test]
fn the_linter_finds_nothing_in_the_document() -> anyhow::Result<()> {
    let modules = match node::with("redocly-2.77.0", 20, LINTER)? {
        Ok(modules) => modules,
        Err(reason) => return note(format_args!("skipped: {reason}")),
    };
    let home = TestDir::new()?;
    let document = write_document(&home)?;
    let mut lint = Command::new("node");
    lint.arg(modules.join("@redocly/cli/bin/cli.js"));
    lint.args(["lint", "--extends=recommended", "--format=json", "--max-problems=100"]);
    lint.arg(&document).env("REDOCLY_TELEMETRY", "off").current_dir(home.path());
    // It fails when it finds something; the report says what.
    let output = lint.output()?;
    let report = String::from_utf8_lossy(&output.stdout);
    let report: Value = serde_json::from_str(&report)
        .with_context(|| format!("{report}{}", String::from_utf8_lossy(&output.stderr)))?;
    let problems = report["problems"].as_array().context("the report has no problems")?;
    assert!(problems.is_empty(), "{problems:#?}");
    Ok(())
}

#[tokio::test]
async fn a_generated_python_client_tours_the_demo() -> anyhow::Result<()> {
    let python = match python::with("openapi-python-client", PYTHON_GENERATOR, &[])? {
        Ok(python) => python,
        Err(reason) => return note(format_args!("skipped: {reason}")),
    };
    let home = TestDir::new()?;
    let (document, client) = (write_document(&home)?, home.file("client"));
    fs::write(home.file("settings.yaml"), SETTINGS)?;
    let mut generate = Command::new(&python);
    generate.args(["-m", "openapi_python_client", "generate", "--meta=none", "--fail-on-warning"]);
    generate.arg("--config").arg(home.file("settings.yaml")).arg("--path").arg(&document);
    run(generate.arg("--output-path").arg(&client).current_dir(home.path()))?;
    let models: BTreeSet<String> = fs::read_dir(client.join("models"))?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<anyhow::Result<_>>()?;
    assert!(models.contains("user.py") && models.contains("user_list.py"), "{models:?}");
    // A class for what stands inside of another one is named after it: `UserListResultItem`.
    assert!(!models.iter().any(|name| name.contains("result_item")), "{models:?}");
    let demo = Demo::start(&home, &["--users", "50"]).await?;
    let mut command = Command::new(&python);
    command.args(["-B", PYTHON_TOUR]).args(arguments(&demo)).env("PYTHONPATH", home.path());
    let seen = tour(&mut command)?;
    assert_eq!(
        seen,
        json!({"users": 50, "one_class": true, "created": [true, "Grace Hopper", 1], "deactivated": true,
            "organization": true, "problem": [true, 404], "key": ["Tour", true], "revoked": true}),
    );
    Ok(())
}

#[tokio::test]
async fn a_generated_typescript_client_tours_the_demo() -> anyhow::Result<()> {
    let modules = match node::with("openapi_typescript-7.13.0", 20, TYPESCRIPT)? {
        Ok(modules) => modules,
        Err(reason) => return note(format_args!("skipped: {reason}")),
    };
    let home = TestDir::new()?;
    let document = write_document(&home)?;
    symlink(&modules, home.file("node_modules"))?;
    fs::write(home.file("package.json"), r#"{"type": "module"}"#)?;
    fs::copy(TYPESCRIPT_TOUR, home.file("tour.mts"))?;
    let mut generate = Command::new("node");
    generate.arg(modules.join("openapi-typescript/bin/cli.js")).arg(&document);
    run(generate.arg("-o").arg(home.file("api.ts")))?;
    let types = fs::read_to_string(home.file("api.ts"))?;
    assert_eq!(types.matches(" employee_number?:").count(), 2, "in `User` and `UserInput` only");
    let mut compile = Command::new("node");
    compile.arg(modules.join("typescript/bin/tsc"));
    compile.args(["--strict", "--target", "es2022", "--lib", "es2022,dom", "--module", "nodenext"]);
    run(compile.args(["--skipLibCheck", "tour.mts"]).current_dir(home.path()))?;
    let demo = Demo::start(&home, &["--users", "50"]).await?;
    let mut command = Command::new("node");
    command.arg("tour.mjs").args(arguments(&demo)).current_dir(home.path());
    let seen = tour(&mut command)?;
    assert_eq!(
        seen,
        json!({"users": 50, "same": true, "created": ["Radia Perlman", 1], "deactivated": true,
            "problem": 404, "key": ["Tour", true], "revoked": true}),
    );
    Ok(())
}

fn arguments(demo: &Demo) -> [&str; 4] {
    let report = &demo.report;
    [&report.base_url, &report.api_key, &report.admin_key, &report.integrated_account_id]
}
