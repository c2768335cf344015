//! A private `PgBouncer` in front of a test's database.

use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use tempfile::TempDir;

/// Timeout of a start, on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(15);
const PORT: u16 = 6432;
/// Debian installs it outside of the usual `PATH`.
const PROGRAMS: [&str; 2] = ["pgbouncer", "/usr/sbin/pgbouncer"];

/// A running `PgBouncer`. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct PgBouncer {
    folder: TempDir,
    child: Child,
    to: PgConnectOptions,
}

impl PgBouncer {
    /// Starts one with that `pool_mode`; `None`, with a note, if it is not installed.
    pub(crate) async fn start(pool: &PgPool, mode: &str) -> anyhow::Result<Option<Self>> {
        let works = |program: &&str| {
            Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok()
        };
        let Some(program) = PROGRAMS.into_iter().find(works) else {
            let mut err = std::io::stderr();
            writeln!(err, "feed: skipped: no PgBouncer is installed; run scripts/setup.sh test")?;
            return Ok(None);
        };
        // Not $TMPDIR: a socket's path has to be short.
        let folder = tempfile::Builder::new().prefix("switchboard-bouncer.").tempdir_in("/tmp")?;
        let to = (*pool.connect_options()).clone();
        let socket = to.get_socket().context("the database has no socket")?.display();
        let at = folder.path();
        let settings = format!(
            "[databases]\n* = host={socket} port={} user={}\n[pgbouncer]\nlisten_port = {PORT}\n\
             unix_socket_dir = {}\nauth_type = any\npool_mode = {mode}\ndefault_pool_size = 20\n\
             ignore_startup_parameters = extra_float_digits\n",
            to.get_port(),
            to.get_username(),
            at.display(),
        );
        let file = at.join("pgbouncer.ini");
        std::fs::write(&file, settings)?;
        let owner = std::fs::metadata(to.get_socket().context("the database has no socket")?)?;
        std::fs::set_permissions(at, std::os::unix::fs::PermissionsExt::from_mode(0o777))?;
        // It refuses to run as root. The database's owner can reach the database's socket.
        let mut command =
            Command::new(if rustix::process::getuid().is_root() { "setpriv" } else { "env" });
        if rustix::process::getuid().is_root() {
            let (user, group) = (owner.uid(), owner.gid());
            command
                .args([format!("--reuid={user}"), format!("--regid={group}")])
                .arg("--clear-groups");
        }
        let child = command
            .arg(program)
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let bouncer = Self { folder, child, to };
        let socket = bouncer.folder.path().join(format!(".s.PGSQL.{PORT}"));
        let deadline = Instant::now() + START_TIMEOUT;
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            anyhow::ensure!(Instant::now() < deadline, "PgBouncer does not start");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(Some(bouncer))
    }

    /// Returns the options to connect through it.
    pub(crate) fn connect_options(&self) -> PgConnectOptions {
        self.to.clone().socket(self.folder.path()).port(PORT)
    }

    /// Returns the same as a URL.
    pub(crate) fn url(&self) -> String {
        let user = self.to.get_username();
        let database = self.to.get_database().unwrap_or_default();
        let folder = self.folder.path().display().to_string().replace('/', "%2F");
        format!("postgres://{user}@localhost:{PORT}/{database}?host={folder}")
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        // It may have ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
