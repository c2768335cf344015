//! The wire between a gateway and the database, which a test can cut, silence, divert and mend.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::Context as _;
use sqlx::PgPool;
use switchboard::config::Config;
use switchboard::store::Deadlines;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A database's name and the one that takes its place, of the same length.
type Divert = Arc<Mutex<Option<(String, String)>>>;

/// A way to the database of a test that is not the direct one.
pub(super) struct Wire {
    folder: tempfile::TempDir,
    port: u16,
    server: PathBuf,
    cut: CancellationToken,
    silence: CancellationToken,
    divert: Divert,
    tasks: TaskTracker,
}

impl Wire {
    /// A wire that works, and the connections over it.
    pub(super) fn to(pool: &PgPool) -> anyhow::Result<(Self, PgPool)> {
        Self::within(pool, Deadlines::default())
    }

    /// The same with other deadlines.
    pub(super) fn within(pool: &PgPool, deadlines: Deadlines) -> anyhow::Result<(Self, PgPool)> {
        let options = (*pool.connect_options()).clone();
        let port = options.get_port();
        let server = options.get_socket().context("the database has no socket")?;
        let server = server.join(format!(".s.PGSQL.{port}"));
        let folder = tempfile::tempdir()?;
        let over = deadlines.pool(5).connect_lazy_with(options.socket(folder.path()));
        let mut wire = Self {
            folder,
            port,
            server,
            cut: CancellationToken::new(),
            silence: CancellationToken::new(),
            divert: Divert::default(),
            tasks: TaskTracker::new(),
        };
        wire.mend()?;
        Ok((wire, over))
    }

    /// Ends every connection and takes no new one.
    pub(super) async fn cut(&mut self) -> anyhow::Result<()> {
        self.cut.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.refuse()
    }

    /// Takes no new connection.
    pub(super) fn refuse(&self) -> anyhow::Result<()> {
        Ok(std::fs::remove_file(self.socket())?)
    }

    /// Moves no byte any more, and closes nothing. New connections are taken and stay silent.
    pub(super) fn silence(&self) {
        self.silence.cancel();
    }

    /// Leads new connections to the database `to` in place of `from`. The others stay where they are.
    pub(super) fn divert(&self, from: &str, to: &str) -> anyhow::Result<()> {
        anyhow::ensure!(from.len() == to.len(), "the message would have another length");
        let mut divert = self.divert.lock().map_err(|_| anyhow::anyhow!("poisoned"))?;
        *divert = Some((from.to_owned(), to.to_owned()));
        Ok(())
    }

    /// Works again, for new connections: those that fell silent stay so.
    pub(super) fn mend(&mut self) -> anyhow::Result<()> {
        (self.cut, self.tasks) = (CancellationToken::new(), TaskTracker::new());
        self.silence = CancellationToken::new();
        // There is none after a cut.
        let _ = std::fs::remove_file(self.socket());
        let listener = UnixListener::bind(self.socket())?;
        let (cut, tasks, server) = (self.cut.clone(), self.tasks.clone(), self.server.clone());
        let (silence, divert) = (self.silence.clone(), Arc::clone(&self.divert));
        self.tasks.spawn(async move {
            while let Some(Ok((near, _))) = cut.run_until_cancelled(listener.accept()).await {
                let divert = divert.lock().ok().and_then(|divert| divert.clone());
                let carrying = carry(near, server.clone(), silence.clone(), divert);
                let cut = cut.clone();
                tasks.spawn(async move { cut.run_until_cancelled(carrying).await });
            }
        });
        Ok(())
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join(format!(".s.PGSQL.{}", self.port))
    }
}

/// Sets a gateway's deadlines.
pub(super) fn set(config: &mut Config, deadlines: Deadlines) {
    config.database.acquire_timeout_s = deadlines.acquire.as_secs_f64();
    config.database.statement_timeout_s = deadlines.statement.as_secs_f64();
    config.database.lock_timeout_s = deadlines.lock.as_secs_f64();
}

async fn carry(
    mut near: UnixStream,
    server: impl AsRef<Path>,
    silence: CancellationToken,
    divert: Option<(String, String)>,
) {
    let Ok(mut far) = UnixStream::connect(server).await else { return };
    let carrying = async {
        if let Some((from, to)) = divert {
            diverted(&mut near, &mut far, &from, &to).await?;
        }
        tokio::io::copy_bidirectional(&mut near, &mut far).await
    };
    if silence.run_until_cancelled(carrying).await.is_none() {
        // Open, until the wire is cut.
        std::future::pending::<()>().await;
    }
}

/// Carries messages until one held the name of the database, and carries another name.
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
        // Before that a client may ask for TLS, which this server declines in a byte.
        far.write_all(&message).await?;
        near.write_u8(far.read_u8().await?).await?;
    }
}
