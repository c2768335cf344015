//! Proxy between a gateway and its database that a test can cut, stall, divert and restore.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use sqlx::PgPool;
use switchboard::config::Config;
use switchboard::store::DatabaseTimeouts;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A database's name and its replacement of the same length.
type Divert = Arc<Mutex<Option<(String, String)>>>;

/// A proxy in front of a test's database.
pub(super) struct DbProxy {
    folder: tempfile::TempDir,
    port: u16,
    server: PathBuf,
    cut: CancellationToken,
    stalled: CancellationToken,
    divert: Divert,
    tasks: TaskTracker,
}

impl DbProxy {
    /// Starts one, and connects through it.
    pub(super) fn start(pool: &PgPool) -> anyhow::Result<(Self, PgPool)> {
        Self::with_deadlines(pool, DatabaseTimeouts::default())
    }

    /// Starts one with other deadlines.
    pub(super) fn with_deadlines(
        pool: &PgPool,
        deadlines: DatabaseTimeouts,
    ) -> anyhow::Result<(Self, PgPool)> {
        let options = (*pool.connect_options()).clone();
        let port = options.get_port();
        let server = options.get_socket().context("the database has no socket")?;
        let server = server.join(format!(".s.PGSQL.{port}"));
        let folder = tempfile::tempdir()?;
        let over = deadlines.pool(5).connect_lazy_with(options.socket(folder.path()));
        let mut db_proxy = Self {
            folder,
            port,
            server,
            cut: CancellationToken::new(),
            stalled: CancellationToken::new(),
            divert: Divert::default(),
            tasks: TaskTracker::new(),
        };
        db_proxy.restore()?;
        Ok((db_proxy, over))
    }

    /// Closes every connection and rejects new ones.
    pub(super) async fn cut(&mut self) -> anyhow::Result<()> {
        self.cut.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.refuse()
    }

    /// Rejects new connections.
    pub(super) fn refuse(&self) -> anyhow::Result<()> {
        Ok(std::fs::remove_file(self.socket())?)
    }

    /// Forwards no byte any more, and closes nothing. New connections are accepted and stall.
    pub(super) fn stall(&self) {
        self.stalled.cancel();
    }

    /// Leads new connections to the database `to` instead of `from`. Existing ones stay.
    pub(super) fn divert(&self, from: &str, to: &str) -> anyhow::Result<()> {
        anyhow::ensure!(from.len() == to.len(), "the message would have another length");
        let mut divert = self.divert.lock().map_err(|_| anyhow::anyhow!("poisoned"))?;
        *divert = Some((from.to_owned(), to.to_owned()));
        Ok(())
    }

    /// Works again for new connections: stalled ones stay stalled.
    pub(super) fn restore(&mut self) -> anyhow::Result<()> {
        (self.cut, self.tasks) = (CancellationToken::new(), TaskTracker::new());
        self.stalled = CancellationToken::new();
        // There is none after a cut.
        let _ = std::fs::remove_file(self.socket());
        let listener = UnixListener::bind(self.socket())?;
        let (cut, tasks, server) = (self.cut.clone(), self.tasks.clone(), self.server.clone());
        let (stalled, divert) = (self.stalled.clone(), Arc::clone(&self.divert));
        self.tasks.spawn(async move {
            while let Some(Ok((near, _))) = cut.run_until_cancelled(listener.accept()).await {
                let divert = divert.lock().ok().and_then(|divert| divert.clone());
                let forwarding = forward(near, server.clone(), stalled.clone(), divert);
                let cut = cut.clone();
                tasks.spawn(async move { cut.run_until_cancelled(forwarding).await });
            }
        });
        Ok(())
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join(format!(".s.PGSQL.{}", self.port))
    }
}

/// Sets a gateway's deadlines.
pub(super) fn set(config: &mut Config, deadlines: DatabaseTimeouts) {
    config.database.acquire_timeout_s = deadlines.acquire.as_secs_f64();
    config.database.statement_timeout_s = deadlines.statement.as_secs_f64();
    config.database.lock_timeout_s = deadlines.lock.as_secs_f64();
}

async fn forward(
    mut near: UnixStream,
    server: impl AsRef<Path>,
    stalled: CancellationToken,
    divert: Option<(String, String)>,
) {
    let Ok(mut far) = UnixStream::connect(server).await else { return };
    let forwarding = async {
        if let Some((from, to)) = divert {
            diverted(&mut near, &mut far, &from, &to).await?;
        }
        tokio::io::copy_bidirectional(&mut near, &mut far).await
    };
    if stalled.run_until_cancelled(forwarding).await.is_none() {
        // Open until the proxy is cut.
        std::future::pending::<()>().await;
    }
}

/// Forwards messages until one contains the name of the database, and replaces it.
async fn diverted(
    near: &mut UnixStream,
    far: &mut UnixStream,
    from: &str,
    to: &str,
) -> std::io::Result<()> {
    loop {
        let mut message = vec![0; 4096];
        let length = near.read(&mut message).await?;
        message.truncate(length);
        let at = message.windows(from.len()).position(|part| part == from.as_bytes());
        if let Some(name) = at.and_then(|at| message.get_mut(at..at + to.len())) {
            name.copy_from_slice(to.as_bytes());
            return far.write_all(&message).await;
        }
        // Before that a client may request TLS, which this server declines in one byte.
        far.write_all(&message).await?;
        near.write_u8(far.read_u8().await?).await?;
    }
}
