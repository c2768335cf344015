//! The wire between a gateway and the database, which a test can cut and mend.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A way to the database of a test that is not the direct one.
pub(super) struct Wire {
    folder: tempfile::TempDir,
    port: u16,
    server: PathBuf,
    cut: CancellationToken,
    tasks: TaskTracker,
}

impl Wire {
    /// A wire that works, and the connections over it.
    pub(super) fn to(pool: &PgPool) -> anyhow::Result<(Self, PgPool)> {
        let options = (*pool.connect_options()).clone();
        let port = options.get_port();
        let server = options.get_socket().context("the database has no socket")?;
        let server = server.join(format!(".s.PGSQL.{port}"));
        let folder = tempfile::tempdir()?;
        let over = PgPoolOptions::new()
            .max_connections(5)
            .connect_lazy_with(options.socket(folder.path()));
        let mut wire =
            Self { folder, port, server, cut: CancellationToken::new(), tasks: TaskTracker::new() };
        wire.mend()?;
        Ok((wire, over))
    }

    /// Ends every connection and takes no new one.
    pub(super) async fn cut(&mut self) -> anyhow::Result<()> {
        self.cut.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        Ok(std::fs::remove_file(self.socket())?)
    }

    /// Works again.
    pub(super) fn mend(&mut self) -> anyhow::Result<()> {
        (self.cut, self.tasks) = (CancellationToken::new(), TaskTracker::new());
        let listener = UnixListener::bind(self.socket())?;
        let (cut, tasks, server) = (self.cut.clone(), self.tasks.clone(), self.server.clone());
        self.tasks.spawn(async move {
            while let Some(Ok((near, _))) = cut.run_until_cancelled(listener.accept()).await {
                tasks.spawn(carry(near, server.clone(), cut.clone()));
            }
        });
        Ok(())
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join(format!(".s.PGSQL.{}", self.port))
    }
}

async fn carry(mut near: UnixStream, server: impl AsRef<Path>, cut: CancellationToken) {
    let Ok(mut far) = UnixStream::connect(server).await else { return };
    let copying = tokio::io::copy_bidirectional(&mut near, &mut far);
    let _ = cut.run_until_cancelled(copying).await;
}
