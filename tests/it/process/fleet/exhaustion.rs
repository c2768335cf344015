//! A hostile tenant with valid keys tries all that could exhaust a gateway, at the same time: large pages of its own
//! server, bodies that stall, long names, calls that wait, expressions without end, keyed batches, wrong keys. Another
//! tenant's calls beside it all succeed, and the memory stays below what the shipped files give.

use std::fs;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::Response;
use futures_util::future::{join_all, try_join_all};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::runtime::Builder;
use url::form_urlencoded::Serializer;

use super::super::http_client::{Client, text};
use super::super::processes::descendants;
use super::super::program::{Program, release, run};
use super::super::test_dir::TestDir;
use super::super::{POLL_INTERVAL, note};
use super::{Caller, Fleet};
use crate::support::Browser;

/// How long the attack goes on.
const ATTACK: Duration = Duration::from_mins(1);
/// How long the other tenant is measured without it.
const ALONE: Duration = Duration::from_secs(5);
/// The memory that the shipped files give a gateway and its workers, in KiB.
const MEMORY_KIB: u64 = 384 * 1024;
/// The address space of the gateway, in KiB: its memory, and what the allocator reserves and does not use. Where it is
/// used up, no thread can be started.
const ADDRESS_SPACE_KIB: u64 = 4 * 1024 * 1024;
/// Calls of the other tenant at the same time.
const GOOD_CALLERS: usize = 2;
/// So many times slower than alone may the other tenant's calls be. Held against the program of a release: one for
/// tests takes fifty times the processor time for a large page, on a machine that runs other tests beside it.
const SLOWER: u32 = 3;
/// The pace of each hostile caller: what is tried is what it holds on to, not how busy a machine can be.
const PACE: Duration = Duration::from_millis(50);
/// Environment variable with what the process of the other tenant is given.
const OTHER_TENANT: &str = "SWITCHBOARD_TEST_OTHER_TENANT";
/// Memory without end.
const EXPRESSION: &str = "$pad('x', 1000000000)";

/// Runs on a thread of its own and of low priority: callers and servers are other machines, which take no processor
/// time from the gateway.
fn apart<T: Send + 'static>(
    work: impl Future<Output = anyhow::Result<T>> + Send + 'static,
) -> JoinHandle<anyhow::Result<T>> {
    std::thread::spawn(|| {
        let _ = rustix::process::nice(19);
        Builder::new_current_thread().enable_all().build()?.block_on(work)
    })
}

/// A customer's server: its first list of people is small, others are as large as they may be, and its groups never
/// come.
fn hostile_server() -> anyhow::Result<String> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    listener.set_nonblocking(true)?;
    let url = format!("http://{}/scim/v2", listener.local_addr()?);
    // As large as it may be. A program for tests takes fifty times as long for a page.
    let numbers = if release().is_some() { 3_900_000 } else { 390_000 };
    // Never copied: a thread of low priority that maps memory holds up the others of its process.
    let large =
        Bytes::from(format!(r#"{{"totalResults":1,"Resources":[[{}1]]}}"#, "1,".repeat(numbers)));
    let small = Bytes::from_static(br#"{"totalResults":0,"Resources":[]}"#);
    let response = move |request: Request| {
        let (large, small) = (large.clone(), small.clone());
        async move {
            let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
            if path.contains("Groups") {
                std::future::pending::<()>().await;
            }
            let is_trial = query.split('&').any(|pair| pair == "count=1" || pair == "count=20");
            Response::new(Body::from(if is_trial { small } else { large }))
        }
    };
    let router = Router::new().fallback(response);
    apart(async move { Ok(axum::serve(TcpListener::from_std(listener)?, router).await?) });
    Ok(url)
}

/// The hostile tenant, with keys of an environment of its own and an account at its own server.
async fn hostile_tenant(home: &TestDir, fleet: &Fleet) -> anyhow::Result<Caller> {
    let create = ["keys", "create", "--environment", "hostile", "--scopes", super::SCOPES];
    let made = run(home, &[&create[..], &["--config", &fleet.config]].concat()).await?;
    anyhow::ensure!(made.code == Some(0), "{made:?}");
    let key = made.stdout.trim().to_owned();
    let mut caller = Caller { client: fleet.caller.client.clone(), key, account: String::new() };
    let gateway = &fleet.gateways.first().context("no gateway")?.1;
    let wish = json!({"tenant_id": "hostile", "provider": "scim"});
    let link = caller.send(gateway, Method::POST, "/link-tokens", Some(&wish)).await?.ok()?;
    let mut form = Serializer::new(String::new());
    let server = hostile_server()?;
    form.extend_pairs([("provider", "scim"), ("base_url", &server), ("token", "secret-token")]);
    let page = text(&link, "/result/link_url")?.parse()?;
    let page = Browser::new()?.post(&page, &form.finish()).await?;
    anyhow::ensure!(page.status == 200, "{}", page.text);
    let accounts = caller.send(gateway, Method::GET, "/integrated-accounts", None).await?.ok()?;
    caller.account = text(&accounts, "/result/0/id")?;
    Ok(caller)
}

/// The next idempotency key.
static KEY: AtomicUsize = AtomicUsize::new(0);

/// The attack, until it is over.
#[derive(Clone)]
struct Attack {
    caller: Caller,
    gateway: String,
    is_over: Arc<AtomicBool>,
}

impl Attack {
    fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed)
    }

    /// The same request again and again; `body` makes each one's.
    async fn repeat(
        &self,
        method: Method,
        path: impl Fn(usize) -> String,
        body: impl Fn(usize) -> Option<Value>,
    ) -> anyhow::Result<()> {
        let (mut number, mut pace) = (0, tokio::time::interval(PACE));
        while self.goes_on() {
            pace.tick().await;
            number += 1;
            let body = body(number);
            let (method, path) = (method.clone(), path(number));
            let Caller { client, key, account } = &self.caller;
            let bearer = format!("Bearer {key}");
            let once = format!("once-{}", KEY.fetch_add(1, Ordering::Relaxed));
            let headers = [
                ("authorization", &*bearer),
                ("x-integrated-account-id", &**account),
                ("idempotency-key", &*once),
            ];
            let url = format!("{}{path}", self.gateway);
            let response = client.send(method, &url, &headers, body.as_ref()).await;
            // A connection may be closed; the response is no panic.
            if let Ok(response) = response {
                anyhow::ensure!(response.status != 500, "{path}: {response:?}");
            }
        }
        Ok(())
    }

    /// A request whose body never comes, and another one when that is over.
    async fn stall(&self) -> anyhow::Result<()> {
        let address = self.gateway.trim_start_matches("http://");
        let mut pace = tokio::time::interval(PACE);
        while self.goes_on() {
            pace.tick().await;
            let Ok(mut stream) = TcpStream::connect(address).await else { continue };
            let head = format!(
                "POST /users HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\
                 Content-Type: application/json\r\nContent-Length: 900000\r\n\r\n{{",
                self.caller.key
            );
            if stream.write_all(head.as_bytes()).await.is_err() {
                continue;
            }
            let mut response = [0; 64];
            tokio::select! {
                _ = stream.read(&mut response) => {}
                () = self.over() => {}
            }
        }
        Ok(())
    }

    async fn over(&self) {
        while self.goes_on() {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Keys that this gateway did not issue.
    async fn guess(&self) -> anyhow::Result<()> {
        let key = "sb_live_v1_nobody".to_owned();
        let caller = Caller { key, ..self.caller.clone() };
        let guess = Self { caller, ..self.clone() };
        guess.repeat(Method::GET, |_| "/users".to_owned(), |_| None).await
    }

    /// All of it.
    async fn run(&self) -> anyhow::Result<()> {
        let large = |_| "/users?limit=1000&include_remote_data=true".to_owned();
        let long = |number: usize| format!("/proxy/scim/v2/{number}{}", "x".repeat(4_000));
        let waits = |_| "/groups?limit=10".to_owned();
        let preview = |_| Some(json!({"expression": EXPRESSION}));
        let batch = |number: usize| {
            // What changes nothing is read anew each time; the key is the search's.
            let query = json!({"limit": "1000", "include_remote_data": "true",
                "search": format!("{}{number}", "y".repeat(2_000))});
            let one = json!({"method": "GET", "path": "/users", "query": query});
            Some(json!({"operations": vec![one; 100], "concurrency": 16}))
        };
        let none = |_| None;
        let get = || Method::GET;
        let large = (0..8).map(|_| self.repeat(get(), large, none));
        let long = (0..4).map(|_| self.repeat(get(), long, none));
        let waiting = (0..200).map(|_| self.repeat(get(), waits, none));
        let expressions =
            (0..4).map(|_| self.repeat(Method::POST, |_| "/mappings/preview".to_owned(), preview));
        let batches = (0..4).map(|_| self.repeat(Method::POST, |_| "/batch".to_owned(), batch));
        let stalled = (0..200).map(|_| self.stall());
        let guesses = (0..2).map(|_| self.guess());
        tokio::try_join!(
            try_join_all(large),
            try_join_all(long),
            try_join_all(waiting),
            try_join_all(expressions),
            try_join_all(batches),
            try_join_all(stalled),
            try_join_all(guesses),
        )?;
        Ok(())
    }
}

/// Not a test of its own: the process of the other tenant.
#[tokio::test]
#[ignore = "run by `a_tenant_that_tries_everything_takes_nothing_from_another`"]
async fn calls_as_the_other_tenant() -> anyhow::Result<()> {
    let given = std::env::var_os(OTHER_TENANT).context("nothing is given")?;
    let given: Value = serde_json::from_slice(given.as_encoded_bytes())?;
    let (key, account) = (text(&given, "/key")?, text(&given, "/account")?);
    let caller = Caller { client: Client::new()?, key, account };
    let seconds = given.get("seconds").and_then(Value::as_u64).context("no length")?;
    let gateway = text(&given, "/gateway")?;
    let took = calls(&caller, &gateway, Duration::from_secs(seconds)).await?;
    let (count, p99) = (took.len(), p99(took));
    let line = json!({"count": count, "p99_s": p99.as_secs_f64()});
    writeln!(std::io::stderr(), "{line}")?;
    Ok(())
}

/// Calls as the other tenant for so long, in a process of its own, which shares no memory with the attack. Returns the
/// number of calls, and what 99 of 100 are as fast as.
async fn other_tenant(fleet: &Fleet, length: Duration) -> anyhow::Result<(u64, Duration)> {
    let gateway = &fleet.gateways.first().context("no gateway")?.1;
    let Caller { key, account, .. } = &fleet.caller;
    let seconds = length.as_secs();
    let given = json!({"gateway": gateway, "key": key, "account": account, "seconds": seconds});
    let name = "process::fleet::exhaustion::calls_as_the_other_tenant";
    let output = Command::new(std::env::current_exe()?)
        .args([name, "--exact", "--ignored", "--nocapture"])
        .env(OTHER_TENANT, given.to_string())
        .kill_on_drop(true)
        .output()
        .await?;
    let printed = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{printed}");
    let line = printed.lines().find_map(|line| serde_json::from_str::<Value>(line).ok());
    let line = line.with_context(|| format!("no result: {printed}"))?;
    let count = line.get("count").and_then(Value::as_u64).context("no count")?;
    let p99 = line.get("p99_s").and_then(Value::as_f64).context("no time")?;
    Ok((count, Duration::try_from_secs_f64(p99)?))
}

/// Calls of a tenant for so long; gives how long each took.
async fn calls(caller: &Caller, gateway: &str, length: Duration) -> anyhow::Result<Vec<Duration>> {
    let end = Instant::now() + length;
    let one = async || {
        let mut took = Vec::new();
        while Instant::now() < end {
            let began = Instant::now();
            let page = caller.send(gateway, Method::GET, "/users?limit=20", None).await?;
            anyhow::ensure!(page.status == 200, "{page:?}");
            took.push(began.elapsed());
        }
        anyhow::Ok(took)
    };
    let took: Vec<Vec<Duration>> =
        join_all((0..GOOD_CALLERS).map(|_| one())).await.into_iter().collect::<Result<_, _>>()?;
    Ok(took.concat())
}

/// What 99 of 100 calls are as fast as.
fn p99(mut took: Vec<Duration>) -> Duration {
    took.sort_unstable();
    let at = (took.len() * 99 / 100).min(took.len().saturating_sub(1));
    took.get(at).copied().unwrap_or_default()
}

/// The memory of a process and of all that it started, in KiB.
fn memory(pid: u32) -> anyhow::Result<u64> {
    let workers = descendants(pid)?.into_iter().map(|process| process.pid);
    let resident = |pid: u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().trim_end_matches(" kB").parse::<u64>().ok()
    };
    Ok(workers.chain([pid]).filter_map(resident).sum())
}

/// The errors in a log.
fn errors(log: &str) -> String {
    let errors = log.lines().filter(|line| line.contains("ERROR") || line.contains("panicked"));
    errors.take(20).collect::<Vec<_>>().join("\n")
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_tenant_that_tries_everything_takes_nothing_from_another(
    pool: PgPool,
) -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let inside = "[upstream]\nallow_private_addresses = true\n";
    let start = |arguments: &[&str]| Program::start_limited(&home, arguments, ADDRESS_SPACE_KIB);
    let fleet = Fleet::launch(&home, &pool, (1, 60), inside, start).await?;
    let caller = hostile_tenant(&home, &fleet).await?;
    let (program, gateway) = fleet.gateways.first().context("no gateway")?;
    let (_, alone) = other_tenant(&fleet, ALONE).await?;
    let is_over = Arc::new(AtomicBool::new(false));
    let attack = Attack { caller, gateway: gateway.clone(), is_over: Arc::clone(&is_over) };
    let hostile = attack.clone();
    let hostile = apart(async move { hostile.run().await });
    let good = async {
        let took = other_tenant(&fleet, ATTACK).await;
        is_over.store(true, Ordering::Relaxed);
        took
    };
    let (watch, pid) = (attack.clone(), program.pid());
    let watch = apart(async move {
        let mut most = 0;
        while watch.goes_on() {
            most = most.max(memory(pid)?);
            tokio::time::sleep(POLL_INTERVAL * 10).await;
        }
        Ok(most)
    });
    let (count, beside) = good.await?;
    let (ended, most) = tokio::task::spawn_blocking(|| (hostile.join(), watch.join())).await?;
    let panicked = |_| anyhow::anyhow!("the attack panicked");
    ended.map_err(panicked)?.with_context(|| errors(&program.stderr().unwrap_or_default()))?;
    let most = most.map_err(panicked)??;
    note(format_args!(
        "{count} calls beside the attack: 99 of 100 within {beside:?}, alone {alone:?}; {} MiB",
        most / 1024
    ))?;
    assert!(count > 0, "no call of the other tenant");
    assert!(most < MEMORY_KIB, "{} MiB", most / 1024);
    if release().is_some() {
        assert!(beside < alone * SLOWER, "{beside:?} beside the attack, {alone:?} alone");
    }
    Ok(())
}
