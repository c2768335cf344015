//! Three gateways behind nginx on one PostgreSQL and one Redis are restarted one after the other, and no request
//! fails.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::Context as _;
use futures_util::future::join_all;
use reqwest::Method;
use sqlx::PgPool;

use super::super::test_dir::TestDir;
use super::super::{POLL_INTERVAL, START_TIMEOUT, note};
use super::{Caller, Fleet};
use crate::support::RedisServer;

/// Substring of the metrics of a gateway that has forwarded a call.
const FORWARDED_CALL: &str = "switchboard_http_requests_total{route=\"/proxy/{*path}\"";
/// Concurrent callers.
const CALLERS: usize = 8;

/// nginx with the settings of docs/operations, in front of these gateways.
struct Nginx {
    process: Child,
    url: String,
}

impl Nginx {
    /// Starts it; returns `None` where nginx is not installed.
    fn in_front_of(home: &TestDir, fleet: &Fleet) -> anyhow::Result<Option<Self>> {
        let Some(program) = ["/usr/sbin/nginx", "/usr/bin/nginx"]
            .into_iter()
            .find(|path| std::fs::exists(path).unwrap_or_default())
        else {
            return Ok(None);
        };
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let addresses = fleet.gateways.iter().map(|(_, url)| url.trim_start_matches("http://"));
        let servers = addresses.map(|one| format!("server {one} max_fails=1 fail_timeout=1s;"));
        let servers = servers.collect::<Vec<_>>().join("\n");
        let settings = include_str!("../../../../docs/operations/compose/nginx.conf")
            .replace("server gateway:8080 resolve max_fails=1 fail_timeout=5s;", &servers)
            .replace("resolver 127.0.0.11 valid=5s ipv6=off;", "")
            .replace("listen 8080;", &format!("listen 127.0.0.1:{port};"))
            .replace("/run/nginx.pid", "nginx.pid")
            .replace("access_log /dev/stdout plain;", "access_log off;")
            .replace(
                "worker_processes auto;",
                "worker_processes 1; daemon off; master_process off;",
            );
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temporary = temporary.map(|kind| format!("{kind}_temp_path {kind};")).join("\n");
        let settings = settings.replace("http {", &format!("http {{\n{temporary}"));
        std::fs::write(home.file("nginx.conf"), settings)?;
        let process = Command::new(program)
            .arg("-p")
            .arg(home.path())
            .args(["-c", "nginx.conf", "-e", "stderr"])
            .stdin(Stdio::null())
            .spawn()
            .context("nginx can't be run")?;
        Ok(Some(Self { process, url: format!("http://127.0.0.1:{port}") }))
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It has no data to lose.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Fleet {
    /// Restarts a gateway and waits until nginx forwards requests to it again, as an operator does.
    async fn restart_and_wait(&mut self, home: &TestDir, gateway: usize) -> anyhow::Result<()> {
        self.restart(home, gateway).await?;
        let (_, url) = self.gateways.get(gateway).context("no such gateway")?;
        let deadline = Instant::now() + START_TIMEOUT;
        while !self.caller.client.read(&format!("{url}/metrics")).await?.contains(FORWARDED_CALL) {
            anyhow::ensure!(Instant::now() < deadline, "it gets no work");
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        Ok(())
    }
}

impl Caller {
    /// Calls through nginx, reads and writes alternately, until stopped; returns the number of calls, and the failures.
    async fn load(&self, url: &str, stop: &AtomicBool) -> anyhow::Result<(usize, Vec<String>)> {
        let (mut calls, mut failed) = (0, Vec::new());
        while !stop.load(Ordering::Relaxed) {
            for (method, path) in [
                (Method::GET, "/proxy/api/auth.test"),
                (Method::GET, "/users?limit=1"),
                (Method::POST, "/proxy/api/auth.test"),
            ] {
                match self.send(url, method.clone(), path, None).await {
                    Ok(response) if response.status == 200 => {}
                    Ok(response) => failed.push(format!("{method} {path}: {response:?}")),
                    Err(error) => failed.push(format!("{method} {path}: {error:#}")),
                }
                calls += 1;
            }
        }
        Ok((calls, failed))
    }
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn no_request_fails_during_a_rolling_restart(pool: PgPool) -> anyhow::Result<()> {
    let Some(redis) = RedisServer::start().await? else {
        return note(format_args!("no Redis server is here"));
    };
    let home = TestDir::new()?;
    let limits = format!("backend = \"redis\"\nredis_url = \"{}\"\n", redis.url());
    let mut fleet = Fleet::with_limits(&home, &pool, 3, 60, &limits).await?;
    let Some(nginx) = Nginx::in_front_of(&home, &fleet)? else {
        return note(format_args!("no nginx is here"));
    };
    let deadline = Instant::now() + START_TIMEOUT;
    while fleet.caller.send(&nginx.url, Method::GET, "/healthz", None).await.is_err() {
        anyhow::ensure!(Instant::now() < deadline, "nginx does not respond");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    let caller = fleet.caller.clone();
    let stop = AtomicBool::new(false);
    let load = join_all((0..CALLERS).map(|_| caller.load(&nginx.url, &stop)));
    let restarts = async {
        let mut result = Ok(());
        for gateway in 0..3 {
            result = fleet.restart_and_wait(&home, gateway).await;
            if result.is_err() {
                break;
            }
        }
        stop.store(true, Ordering::Relaxed);
        result
    };
    let (load, restarted) = tokio::join!(load, restarts);
    restarted?;
    let mut calls = 0;
    for one in load {
        let (created, failed) = one?;
        assert!(failed.is_empty(), "{failed:#?}");
        calls += created;
    }
    assert!(calls > 100, "{calls} calls are no load");
    Ok(())
}
