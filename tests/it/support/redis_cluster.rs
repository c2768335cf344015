//! A private Redis Cluster of three nodes on loopback ports.

use std::io::Write as _;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Timeout until the cluster has formed, on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// First and last slot of each node.
const SLOTS: [(u16, u16); 3] = [(0, 5_460), (5_461, 10_922), (10_923, 16_383)];

/// Three nodes, each with a third of the slots. Dropping it ends them.
#[derive(Debug)]
pub(crate) struct RedisCluster {
    nodes: Vec<(Child, TempDir)>,
    ports: Vec<u16>,
}

impl RedisCluster {
    /// Starts one; `None`, with a note, if Redis is not installed.
    pub(crate) async fn start() -> anyhow::Result<Option<Self>> {
        let works = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status();
        if works.is_err() {
            let mut err = std::io::stderr();
            writeln!(err, "limits: skipped: no Redis is installed; run scripts/setup.sh test")?;
            return Ok(None);
        }
        // All bound at the same time, so that no two are the same.
        let free = (0..2 * SLOTS.len()).map(|_| TcpListener::bind(("127.0.0.1", 0)));
        let free = free.collect::<Result<Vec<_>, _>>()?;
        let free: Vec<u16> = free
            .into_iter()
            .map(|it| Ok(it.local_addr()?.port()))
            .collect::<std::io::Result<_>>()?;
        let (ports, buses) = free.split_at(SLOTS.len());
        let mut cluster = Self { nodes: Vec::new(), ports: ports.to_vec() };
        for (port, bus) in ports.iter().zip(buses) {
            let folder = tempfile::tempdir()?;
            let node = Command::new("redis-server")
                .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
                .args(["--cluster-enabled", "yes", "--cluster-port", &bus.to_string()])
                .args(["--save", "", "--appendonly", "no"])
                .current_dir(folder.path())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()?;
            cluster.nodes.push((node, folder));
        }
        cluster.form(buses).await?;
        Ok(Some(cluster))
    }

    /// Returns the URL of one of its nodes.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.ports.first().copied().unwrap_or_default())
    }

    async fn form(&self, buses: &[u16]) -> anyhow::Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        for (number, (port, (first, last))) in self.ports.iter().zip(SLOTS).enumerate() {
            let mut node = node(*port, deadline).await?;
            let mut slots = redis::cmd("CLUSTER");
            slots.arg("ADDSLOTSRANGE").arg(first).arg(last);
            slots.exec_async(&mut node).await?;
            let mut epoch = redis::cmd("CLUSTER");
            epoch.arg("SET-CONFIG-EPOCH").arg(number + 1).exec_async(&mut node).await?;
            for (port, bus) in self.ports.iter().zip(buses).take(number) {
                let mut meet = redis::cmd("CLUSTER");
                meet.arg("MEET")
                    .arg("127.0.0.1")
                    .arg(*port)
                    .arg(*bus)
                    .exec_async(&mut node)
                    .await?;
            }
        }
        for port in &self.ports {
            let mut node = node(*port, deadline).await?;
            loop {
                let info: String = redis::cmd("CLUSTER").arg("INFO").query_async(&mut node).await?;
                if info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3") {
                    break;
                }
                anyhow::ensure!(Instant::now() < deadline, "the cluster does not form: {info}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Ok(())
    }
}

async fn node(port: u16, deadline: Instant) -> anyhow::Result<redis::aio::MultiplexedConnection> {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}/0"))?;
    loop {
        match client.get_multiplexed_async_connection().await {
            Ok(node) => return Ok(node),
            Err(error) => anyhow::ensure!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

impl Drop for RedisCluster {
    fn drop(&mut self) {
        for (node, _) in &mut self.nodes {
            // It may have ended before.
            let _ = node.kill();
            let _ = node.wait();
        }
    }
}
