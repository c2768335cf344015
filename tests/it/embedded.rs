//! The embedded PostgreSQL server: start, stop, and every kind of interruption.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use sqlx::{Connection, PgConnection};
use switchboard::embedded::{Cluster, EmbeddedError, EmbeddedOptions, SearchPaths};
use tempfile::TempDir;

/// Creates a folder for the data that the server's user can reach, whatever `TMPDIR` says.
fn data_dir() -> anyhow::Result<TempDir> {
    let dir = tempfile::Builder::new().prefix("switchboard-test-").tempdir_in("/tmp")?;
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711))?;
    Ok(dir)
}

fn is_root() -> anyhow::Result<bool> {
    Ok(fs::metadata("/proc/self")?.uid() == 0)
}

async fn start(data_dir: &Path) -> Result<Cluster, EmbeddedError> {
    Cluster::start(EmbeddedOptions { data_dir: data_dir.to_owned(), durable: false }).await
}

async fn connect(cluster: &Cluster) -> anyhow::Result<PgConnection> {
    Ok(PgConnection::connect_with(&cluster.connect_options()).await?)
}

async fn query(cluster: &Cluster, question: &'static str) -> anyhow::Result<String> {
    let mut connection = connect(cluster).await?;
    Ok(sqlx::query_scalar(question).fetch_one(&mut connection).await?)
}

async fn insert_row(cluster: &Cluster) -> anyhow::Result<()> {
    let mut connection = connect(cluster).await?;
    let row = "create table note as select 'still here' as text";
    sqlx::raw_sql(row).execute(&mut connection).await?;
    Ok(())
}

async fn read_row(cluster: &Cluster) -> anyhow::Result<String> {
    query(cluster, "select text from note").await
}

fn pid_file(data_dir: &Path) -> PathBuf {
    data_dir.join("postgres/postmaster.pid")
}

/// Returns the process id of the running server.
fn server(data_dir: &Path) -> anyhow::Result<String> {
    let text = fs::read_to_string(pid_file(data_dir))?;
    Ok(text.lines().next().context("an empty pid file")?.to_owned())
}

fn kill_server(process: &str) -> anyhow::Result<()> {
    anyhow::ensure!(Command::new("kill").args(["-KILL", process]).status()?.success());
    Ok(())
}

/// Returns every running process with `needle` in its command line.
fn processes_matching(needle: &str) -> anyhow::Result<Vec<String>> {
    let entries = fs::read_dir("/proc")?.flatten();
    let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    Ok(lines.filter(|line| line.contains(needle)).collect())
}

#[tokio::test]
async fn serves_sql_over_a_socket_only() -> anyhow::Result<()> {
    let dir = data_dir()?;
    let cluster = start(dir.path()).await?;
    let who = "select current_user || ' in ' || current_database()";
    assert_eq!(query(&cluster, who).await?, "switchboard in switchboard");
    assert_eq!(query(&cluster, "show listen_addresses").await?, "");
    assert_eq!(query(&cluster, "show server_encoding").await?, "UTF8");
    assert_eq!(query(&cluster, "show fsync").await?, "off");
    let socket = fs::metadata(dir.path().join("socket"))?;
    assert_eq!(socket.mode() & 0o777, 0o700);
    assert_ne!(fs::metadata(pid_file(dir.path()))?.uid(), 0, "the server is not root");
    cluster.stop().await;
    assert!(!pid_file(dir.path()).exists());
    Ok(())
}

#[tokio::test]
async fn keeps_durable_data_over_a_restart() -> anyhow::Result<()> {
    let dir = data_dir()?;
    let options = EmbeddedOptions { data_dir: dir.path().join("made/for/it"), durable: true };
    let cluster = Cluster::start(options.clone()).await?;
    assert_eq!(query(&cluster, "show fsync").await?, "on");
    insert_row(&cluster).await?;
    cluster.stop().await;
    let cluster = Cluster::start(options).await?;
    assert_eq!(read_row(&cluster).await?, "still here");
    cluster.stop().await;
    Ok(())
}

#[tokio::test]
async fn places_the_cluster_elsewhere_when_the_folder_is_inaccessible() -> anyhow::Result<()> {
    if !is_root()? {
        return Ok(()); // The server runs as the current user, who has access.
    }
    let dir = data_dir()?;
    let closed = dir.path().join("closed");
    fs::create_dir(&closed)?;
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700))?;
    let data = closed.join("data");
    let cluster = start(&data).await?;
    insert_row(&cluster).await?;
    cluster.stop().await;

    let home = fs::read_link(data.join("postgres.home"))?;
    let cluster = start(&data).await?;
    let row = read_row(&cluster).await;
    cluster.stop().await;
    fs::remove_dir_all(&home)?;
    assert_eq!(row?, "still here");
    assert_eq!(fs::metadata(&closed)?.mode() & 0o777, 0o700, "a folder of others was opened");
    Ok(())
}

#[tokio::test]
async fn rejects_a_second_program_on_the_same_data() -> anyhow::Result<()> {
    let dir = data_dir()?;
    let cluster = start(dir.path()).await?;
    let error = start(dir.path()).await.err().context("two at the same time")?;
    assert!(matches!(error, EmbeddedError::InUse { .. }), "{error}");
    let holder = format!("(process {})", std::process::id());
    assert!(error.to_string().contains(&holder), "{error}");
    insert_row(&cluster).await?;
    cluster.stop().await;
    Ok(())
}

#[tokio::test]
async fn dropping_it_stops_the_server_and_the_next_start_waits() -> anyhow::Result<()> {
    let dir = data_dir()?;
    let cluster = start(dir.path()).await?;
    insert_row(&cluster).await?;
    drop(cluster);
    let cluster = start(dir.path()).await?;
    assert_eq!(read_row(&cluster).await?, "still here");
    cluster.stop().await;
    Ok(())
}

#[tokio::test]
async fn reports_a_killed_server_and_recovers_on_start() -> anyhow::Result<()> {
    let dir = data_dir()?;
    let mut cluster = start(dir.path()).await?;
    insert_row(&cluster).await?;
    kill_server(&server(dir.path())?)?;
    let status = tokio::time::timeout(Duration::from_secs(10), cluster.wait_for_exit()).await?;
    assert!(status.is_some_and(|status| !status.success()), "{status:?}");
    cluster.stop().await;
    assert!(pid_file(dir.path()).exists(), "a killed server removes no file");
    let cluster = start(dir.path()).await?;
    assert_eq!(read_row(&cluster).await?, "still here");
    cluster.stop().await;
    Ok(())
}

#[tokio::test]
async fn ignores_a_pid_file_of_another_program() -> anyhow::Result<()> {
    let dir = data_dir()?;
    start(dir.path()).await?.stop().await;
    let owner = fs::metadata(dir.path().join("postgres"))?.uid();
    // Of the same user as the server, or PostgreSQL would detect it itself.
    let mut bystander = Command::new("sleep");
    if is_root()? {
        bystander.uid(owner);
    }
    let mut bystander = bystander.arg("60").spawn()?;
    fs::write(pid_file(dir.path()), format!("{}\n/somewhere\n", bystander.id()))?;
    let started = start(dir.path()).await;
    bystander.kill()?;
    bystander.wait()?;
    started?.stop().await;
    Ok(())
}

#[tokio::test]
async fn recreates_an_unfinished_cluster() -> anyhow::Result<()> {
    let dir = data_dir()?;
    let unfinished = dir.path().join("postgres.new-0123456789abcdef");
    fs::create_dir(&unfinished)?;
    fs::write(unfinished.join("PG_VERSION"), "15\n")?;
    let cluster = start(dir.path()).await?;
    assert!(!unfinished.exists());
    cluster.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_long_path_puts_the_socket_elsewhere() -> anyhow::Result<()> {
    let dir = data_dir()?;
    let long = dir.path().join("x".repeat(120));
    let cluster = start(&long).await?;
    let socket = cluster.connect_options().get_socket().context("no socket")?.clone();
    assert!(socket.starts_with("/tmp"), "{}", socket.display());
    assert_eq!(fs::metadata(&socket)?.mode() & 0o777, 0o700);
    insert_row(&cluster).await?;
    cluster.stop().await;
    assert!(!socket.exists());
    Ok(())
}

#[tokio::test]
async fn missing_programs_are_explained() -> anyhow::Result<()> {
    let dir = data_dir()?;
    let places = SearchPaths { versioned: vec![dir.path().join("none")], path: None };
    let options = EmbeddedOptions { data_dir: dir.path().join("data"), durable: false };
    let error = Cluster::start_with(options, &places).await.err().context("it started")?;
    assert!(matches!(error, EmbeddedError::NotInstalled { .. }), "{error}");
    assert!(error.to_string().contains("scripts/setup.sh"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_cluster_of_another_version_is_explained_and_left_alone() -> anyhow::Result<()> {
    let dir = data_dir()?;
    let cluster = dir.path().join("postgres");
    fs::create_dir(&cluster)?;
    fs::write(cluster.join("PG_VERSION"), "11\n")?;
    let error = start(dir.path()).await.err().context("it started")?;
    assert!(matches!(error, EmbeddedError::OtherVersion { cluster: 11, .. }), "{error}");
    assert_eq!(fs::read_dir(&cluster)?.count(), 1);
    Ok(())
}

#[tokio::test]
async fn quotes_the_output_of_a_server_that_does_not_start() -> anyhow::Result<()> {
    let dir = data_dir()?;
    start(dir.path()).await?.stop().await;
    fs::write(dir.path().join("postgres/postgresql.conf"), "no_such_setting = 1\n")?;
    let error = start(dir.path()).await.err().context("it started")?;
    assert!(matches!(error, EmbeddedError::Exited { .. }), "{error}");
    assert!(error.to_string().contains("no_such_setting"), "{error}");
    Ok(())
}

const HOLD: &str = "SWITCHBOARD_TEST_HOLD";

/// Not a test of its own: the program that the next one kills.
#[tokio::test]
#[ignore = "run by `killing_the_program_stops_the_server`"]
async fn runs_a_server_until_it_is_killed() -> anyhow::Result<()> {
    use std::io::Write;

    let dir = std::env::var_os(HOLD).context("no folder given")?;
    let cluster = start(Path::new(&dir)).await?;
    insert_row(&cluster).await?;
    writeln!(std::io::stderr(), "ready")?;
    std::future::pending::<()>().await;
    Ok(())
}

#[tokio::test]
async fn killing_the_program_stops_the_server() -> anyhow::Result<()> {
    let dir = data_dir()?;
    let name = "runs_a_server_until_it_is_killed";
    let mut program = Command::new(std::env::current_exe()?)
        .args([&format!("embedded::{name}"), "--exact", "--ignored", "--nocapture"])
        .env(HOLD, dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut output = BufReader::new(program.stderr.take().context("no pipe")?).lines();
    anyhow::ensure!(output.any(|line| line.is_ok_and(|line| line == "ready")), "it did not start");
    let needle = dir.path().join("postgres").display().to_string();
    assert!(!processes_matching(&needle)?.is_empty());
    program.kill()?;
    program.wait()?;
    let deadline = Instant::now() + Duration::from_secs(10);
    while !processes_matching(&needle)?.is_empty() {
        anyhow::ensure!(Instant::now() < deadline, "{:?}", processes_matching(&needle)?);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let cluster = start(dir.path()).await?;
    assert_eq!(read_row(&cluster).await?, "still here");
    cluster.stop().await;
    Ok(())
}
