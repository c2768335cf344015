//! Accounts of SCIM servers by other authors: the checks of every connector, and deletion.

#![expect(clippy::indexing_slicing, reason = "a field that a JSON value does not have is null")]

use std::fs::{self, File};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use serde_json::{Value, json};
use sqlx::PgPool;

use super::super::test_dir::TestDir;
use super::super::{POLL_INTERVAL, START_TIMEOUT, note};
use super::{node, python};
use crate::conformance::connectors::{Subject, check};
use crate::support::scim_server::{link_server, open_app};

const IN_PYTHON: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/process/clients/in_python/scim_server.py");
const IN_NODE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/process/clients/in_node/scim_server.cjs");
/// Versions of November 2026.
const SCIM2_SERVER: (&str, &str) = ("scim2-server", "0.8.3");
const SCIM2_MODELS: &str = "scim2-models==0.12.3";
const SCIMMY: &[(&str, &str)] =
    &[("scimmy", "1.3.5"), ("scimmy-routers", "1.3.2"), ("express", "5.3.0")];
/// Token that the servers accept.
const TOKEN: &str = "scim-server-token";

/// A running server. Dropping it kills it.
struct ScimProcess {
    child: Child,
    base_url: String,
}

impl ScimProcess {
    /// Starts one that prints its base URL; it announces PATCH or not.
    async fn start(home: &TestDir, mut command: Command, has_patch: bool) -> anyhow::Result<Self> {
        let (out, err) = (home.file("server.out"), home.file("server.err"));
        command.args([TOKEN, if has_patch { "true" } else { "false" }]).stdin(Stdio::null());
        let child = command.stdout(File::create(&out)?).stderr(File::create(&err)?).spawn()?;
        let mut server = Self { child, base_url: String::new() };
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let printed = fs::read_to_string(&out)?;
            let whole = printed.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            if let Some(url) = whole.map(str::trim).find(|line| line.starts_with("http://")) {
                url.clone_into(&mut server.base_url);
                return Ok(server);
            }
            let ended = server.child.try_wait()?;
            anyhow::ensure!(
                ended.is_none() && Instant::now() < deadline,
                "the server did not start: {ended:?} {}",
                fs::read_to_string(&err)?
            );
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
}

impl Drop for ScimProcess {
    fn drop(&mut self) {
        // The standard library rejects a signal to a child that was waited for.
        if self.child.kill().is_ok() {
            let _ = self.child.wait();
        }
    }
}

/// Checks a server that is changed by PATCH, and one that is changed by PUT.
async fn check_both(pool: PgPool, name: &str, command: impl Fn() -> Command) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    for has_patch in [true, false] {
        let tenant = format!("{name}-{}", if has_patch { "patch" } else { "put" });
        let home = TestDir::new()?;
        let server = ScimProcess::start(&home, command(), has_patch).await?;
        let account = link_server(&app, &tenant, &server.base_url, TOKEN).await?;
        let subject = Subject::new(&app, &tenant, &account, "roles:admin").await?;
        let (users, api) = (check(&subject).await?, &subject.api);

        let path = format!("integrated-accounts/{account}");
        let settings = json!({"provider_settings": {"delete_user": "delete"}});
        app.home.admin.patch(&path, &settings).await?.success()?;
        for user in &users {
            let removed = api.delete(&format!("users/{user}")).await?.success()?;
            assert_eq!(removed["result"]["status"], "deleted", "{tenant}");
            assert_eq!(api.get(&format!("users/{user}")).await?.status, 404, "{tenant}");
        }
        assert_eq!(api.all("users?limit=3").await?.0, Vec::<Value>::new(), "{tenant}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn scim2_server_is_read_and_changed(pool: PgPool) -> anyhow::Result<()> {
    let python = match python::with(SCIM2_SERVER.0, SCIM2_SERVER.1, &[SCIM2_MODELS])? {
        Ok(python) => python,
        Err(reason) => return note(format_args!("skipped: {reason}")),
    };
    check_both(pool, "scim2-server", || {
        let mut command = Command::new(&python);
        command.args(["-B", IN_PYTHON]);
        command
    })
    .await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn scimmy_is_read_and_changed(pool: PgPool) -> anyhow::Result<()> {
    let modules = match node::with("scimmy-1.3.5", 18, SCIMMY)? {
        Ok(modules) => modules,
        Err(reason) => return note(format_args!("skipped: {reason}")),
    };
    check_both(pool, "scimmy", || {
        let mut command = Command::new("node");
        command.arg(IN_NODE).env("NODE_PATH", &modules);
        command
    })
    .await
}
