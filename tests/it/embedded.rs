//! The embedded PostgreSQL server: start, stop, and every way to be interrupted.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use sqlx::{Connection, PgConnection};
use switchboard::embedded::{Cluster, EmbeddedError, Options, Places};
use tempfile::TempDir;

/// A new folder for the data, where the server's user gets at it, whatever `TMPDIR` says.
fn data_dir() -> anyhow::Result<TempDir> {
    let dir = tempfile::Builder::new().prefix("switchboard-test-").tempdir_in("/tmp")?;
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o711))?;
    Ok(dir)
}

fn we_are_root() -> anyhow::Result<bool> {
    Ok(fs::metadata("/proc/self")?.uid() == 0)
}

async fn start(data_dir: &Path) -> Result<Cluster, EmbeddedError> {
    Cluster::start(Options { data_dir: data_dir.to_owned(), durable: false }).await
}

async fn connect(cluster: &Cluster) -> anyhow::Result<PgConnection> {
    Ok(PgConnection::connect_with(&cluster.connect_options()).await?)
}

async fn ask(cluster: &Cluster, question: &'static str) -> anyhow::Result<String> {
    let mut connection = connect(cluster).await?;
    Ok(sqlx::query_scalar(question).fetch_one(&mut connection).await?)
}

async fn leave_a_note(cluster: &Cluster) -> anyhow::Result<()> {
    let mut connection = connect(cluster).await?;
    let note = "create table note as select 'still here' as text";
    sqlx::raw_sql(note).execute(&mut connection).await?;
    Ok(())
}

async fn read_the_note(cluster: &Cluster) -> anyhow::Result<String> {
    ask(cluster, "select text from note").await
}

fn pid_file(data_dir: &Path) -> PathBuf {
    data_dir.join("postgres/postmaster.pid")
}

/// The process id of the running server.
fn server(data_dir: &Path) -> anyhow::Result<String> {
    let text = fs::read_to_string(pid_file(data_dir))?;
    Ok(text.lines().next().context("an empty pid file")?.to_owned())
}

fn kill_outright(process: &str) -> anyhow::Result<()> {
    anyhow::ensure!(Command::new("kill").args(["-KILL", process]).status()?.success());
    Ok(())
}

/// Every living process with `needle` in its command line.
fn processes_about(needle: &str) -> anyhow::Result<Vec<String>> {
    let entries = fs::read_dir("/proc")?.flatten();
    let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    Ok(lines.filter(|line| line.contains(needle)).collect())
}

#[tokio::test]
async fn answers_sql_over_a_socket_and_nothing_else() -> anyhow::Result<()> {
    let dir = data_dir()?;
    let cluster = start(dir.path()).await?;
    let who = "select current_user || ' in ' || current_database()";
    assert_eq!(ask(&cluster, who).await?, "switchboard in switchboard");
    assert_eq!(ask(&cluster, "show listen_addresses").await?, "");
    assert_eq!(ask(&cluster, "show server_encoding").await?, "UTF8");
    assert_eq!(ask(&cluster, "show fsync").await?, "off");
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
    let options = Options { data_dir: dir.path().join("made/for/it"), durable: true };
    let cluster = Cluster::start(options.clone()).await?;
    assert_eq!(ask(&cluster, "show fsync").await?, "on");
    leave_a_note(&cluster).await?;
    cluster.stop().await;
    let cluster = Cluster::start(options).await?;
    assert_eq!(read_the_note(&cluster).await?, "still here");
    cluster.stop().await;
    Ok(())
}

#[tokio::test]
async fn behind_a_closed_folder_the_cluster_lives_elsewhere() -> anyhow::Result<()> {
    if !we_are_root()? {
        return Ok(()); // The server runs as ourselves, who may go where we may.
    }
    let dir = data_dir()?;
    let closed = dir.path().join("closed");
    fs::create_dir(&closed)?;
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700))?;
    let data = closed.join("data");
    let cluster = start(&data).await?;
    leave_a_note(&cluster).await?;
    cluster.stop().await;

    let home = fs::read_link(data.join("postgres.home"))?;
    let cluster = start(&data).await?;
    let note = read_the_note(&cluster).await;
    cluster.stop().await;
    fs::remove_dir_all(&home)?;
    assert_eq!(note?, "still here");
    assert_eq!(fs::metadata(&closed)?.mode() & 0o777, 0o700, "a folder of others was opened");
    Ok(())
}

#[tokio::test]
async fn a_second_program_on_the_same_data_is_refused() -> anyhow::Result<()> {
    let dir = data_dir()?;
    let cluster = start(dir.path()).await?;
    let error = start(dir.path()).await.err().context("two at once")?;
    assert!(matches!(error, EmbeddedError::InUse { .. }), "{error}");
    let holder = format!("(process {})", std::process::id());
    assert!(error.to_string().contains(&holder), "{error}");
    leave_a_note(&cluster).await?;
    cluster.stop().await;
    Ok(())
}

#[tokio::test]
async fn dropping_it_ends_the_server_and_the_next_start_waits() -> anyhow::Result<()> {
    let dir = data_dir()?;
    let cluster = start(dir.path()).await?;
    leave_a_note(&cluster).await?;
    drop(cluster);
    let cluster = start(dir.path()).await?;
    assert_eq!(read_the_note(&cluster).await?, "still here");
    cluster.stop().await;
    Ok(())
}

#[tokio::test]
async fn the_death_of_the_server_is_told_and_mended_by_a_start() -> anyhow::Result<()> {
    let dir = data_dir()?;
    let mut cluster = start(dir.path()).await?;
    leave_a_note(&cluster).await?;
    kill_outright(&server(dir.path())?)?;
    let status = tokio::time::timeout(Duration::from_secs(10), cluster.ended()).await?;
    assert!(status.is_some_and(|status| !status.success()), "{status:?}");
    cluster.stop().await;
    assert!(pid_file(dir.path()).exists(), "a killed server tidies nothing");
    let cluster = start(dir.path()).await?;
    assert_eq!(read_the_note(&cluster).await?, "still here");
    cluster.stop().await;
    Ok(())
}

#[tokio::test]
async fn a_pid_file_that_names_another_program_does_not_matter() -> anyhow::Result<()> {
    let dir = data_dir()?;
    start(dir.path()).await?.stop().await;
    let owner = fs::metadata(dir.path().join("postgres"))?.uid();
    // Of the same user as the server, or PostgreSQL would see through it by itself.
    let mut bystander = Command::new("sleep");
    if we_are_root()? {
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
async fn an_unfinished_cluster_is_made_anew() -> anyhow::Result<()> {
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
    leave_a_note(&cluster).await?;
    cluster.stop().await;
    assert!(!socket.exists());
    Ok(())
}

#[tokio::test]
async fn missing_programs_are_explained() -> anyhow::Result<()> {
    let dir = data_dir()?;
    let places = Places { versioned: vec![dir.path().join("none")], path: None };
    let options = Options { data_dir: dir.path().join("data"), durable: false };
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
async fn a_server_that_does_not_start_is_quoted() -> anyhow::Result<()> {
    let dir = data_dir()?;
    start(dir.path()).await?.stop().await;
    fs::write(dir.path().join("postgres/postgresql.conf"), "no_such_setting = 1\n")?;
    let error = start(dir.path()).await.err().context("it started")?;
    assert!(matches!(error, EmbeddedError::Ended { .. }), "{error}");
    assert!(error.to_string().contains("no_such_setting"), "{error}");
    Ok(())
}

const HOLD: &str = "SWITCHBOARD_TEST_HOLD";

/// Not a test of its own: the program that the next one kills.
#[tokio::test]
#[ignore = "run by `killing_our_program_ends_the_server`"]
async fn holds_a_server_until_it_is_killed() -> anyhow::Result<()> {
    use std::io::Write;

    let dir = std::env::var_os(HOLD).context("no folder given")?;
    let cluster = start(Path::new(&dir)).await?;
    leave_a_note(&cluster).await?;
    writeln!(std::io::stderr(), "ready")?;
    std::future::pending::<()>().await;
    Ok(())
}

#[tokio::test]
async fn killing_our_program_ends_the_server() -> anyhow::Result<()> {
    let dir = data_dir()?;
    let name = "holds_a_server_until_it_is_killed";
    let mut program = Command::new(std::env::current_exe()?)
        .args([&format!("embedded::{name}"), "--exact", "--ignored", "--nocapture"])
        .env(HOLD, dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut said = BufReader::new(program.stderr.take().context("no pipe")?).lines();
    anyhow::ensure!(said.any(|line| line.is_ok_and(|line| line == "ready")), "it did not start");
    let needle = dir.path().join("postgres").display().to_string();
    assert!(!processes_about(&needle)?.is_empty());
    program.kill()?;
    program.wait()?;
    let deadline = Instant::now() + Duration::from_secs(10);
    while !processes_about(&needle)?.is_empty() {
        anyhow::ensure!(Instant::now() < deadline, "{:?}", processes_about(&needle)?);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let cluster = start(dir.path()).await?;
    assert_eq!(read_the_note(&cluster).await?, "still here");
    cluster.stop().await;
    Ok(())
}
