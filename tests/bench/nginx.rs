//! nginx, as the proxy to compare with and as the provider behind both. One worker process, on loopback,
//! in a folder of its own; it ends with its owner.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;

/// Folders for temporary files.
const TEMP_FOLDERS: &str =
    "client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;";

/// A running nginx.
pub(crate) struct Nginx {
    process: Child,
    pub(crate) port: u16,
    _folder: tempfile::TempDir,
}

impl Nginx {
    /// Starts one that returns this JSON body for every path.
    pub(crate) fn responding_with(body: &str) -> anyhow::Result<Self> {
        let location = format!("default_type application/json; return 200 '{body}';");
        Self::start("", &location)
    }

    /// Starts one that proxies to a port with a fixed token.
    pub(crate) fn proxying_to(port: u16) -> anyhow::Result<Self> {
        let upstream = format!(
            "upstream provider {{ server 127.0.0.1:{port}; keepalive 64; keepalive_requests 100000000; }}"
        );
        let location = "proxy_pass http://provider; proxy_http_version 1.1;
            proxy_set_header Connection ''; proxy_set_header Authorization 'Bearer xoxp-fixed';";
        Self::start(&upstream, location)
    }

    fn start(upstream: &str, location: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let user =
            if Command::new("id").arg("-u").output()?.stdout == b"0\n" { "user root;" } else { "" };
        let settings = format!(
            "{user} daemon off; master_process off; worker_processes 1; pid pid; error_log stderr crit;
            events {{ worker_connections 1024; }}
            http {{ access_log off; keepalive_requests 100000000; {TEMP_FOLDERS} {upstream}
              server {{ listen 127.0.0.1:{port}; location / {{ {location} }} }} }}"
        );
        std::fs::write(folder.path().join("nginx.conf"), settings)?;
        let program = ["/usr/sbin/nginx", "nginx"].into_iter();
        let program = program
            .into_iter()
            .find(|path| !path.starts_with('/') || std::fs::exists(path).is_ok_and(|is| is));
        let process = Command::new(program.unwrap_or("nginx"))
            .arg("-p")
            .arg(folder.path())
            .args(["-c", "nginx.conf", "-e", "stderr"])
            .stdin(Stdio::null())
            .spawn()
            .context("nginx can't be run; scripts/setup.sh bench installs it")?;
        let nginx = Self { process, port, _folder: folder };
        let until = Instant::now() + Duration::from_secs(5);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            anyhow::ensure!(Instant::now() < until, "nginx does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(nginx)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It has no data to lose.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
