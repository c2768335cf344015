//! The operating system user that runs the server: ourselves, unless we are root, which PostgreSQL rejects.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use super::EmbeddedError;

/// Variables of other PostgreSQL installations that must not reach our server.
const REMOVED_VARIABLES: [&str; 7] =
    ["PGDATA", "PGPORT", "PGHOST", "PGUSER", "PGDATABASE", "PGOPTIONS", "PGTZ"];

/// The user that PostgreSQL packages create for their servers.
const POSTGRES_USER: &str = "postgres";
/// The user that other services of the machine may run as.
const SHARED_USER: &str = "nobody";

/// The operating system user of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum OsUser {
    /// The user that runs us.
    Current,
    /// An unprivileged user, because we are root.
    Unprivileged {
        /// The user's name, for messages.
        name: String,
        /// The user's id.
        uid: u32,
        /// The id of the user's group.
        gid: u32,
    },
}

impl OsUser {
    /// Returns ourselves unless we are root. As root: the owner of the `cluster` if it exists, else `postgres`. Never
    /// [`SHARED_USER`], because the server trusts every process of its own user.
    pub(super) fn choose(cluster: &Path) -> Result<Self, EmbeddedError> {
        // The owner of our own directory in /proc is the effective user.
        let root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
        if !root {
            return Ok(Self::Current);
        }
        let owner = fs::metadata(cluster).ok().map(|folder| (folder.uid(), folder.gid()));
        let passwd = Path::new("/etc/passwd");
        let users = fs::read_to_string(passwd).map_err(EmbeddedError::file("read", passwd))?;
        Self::for_root(owner, &users).ok_or(EmbeddedError::NoUser)
    }

    fn for_root(owner: Option<(u32, u32)>, passwd: &str) -> Option<Self> {
        let (name, uid, gid) = if let Some((uid, gid)) = owner.filter(|(uid, _)| *uid != 0) {
            let known = users(passwd).find(|(_, known, _)| *known == uid);
            (known.map_or_else(|| uid.to_string(), |(name, ..)| name.to_owned()), uid, gid)
        } else {
            let (name, uid, gid) = users(passwd).find(|(name, ..)| *name == POSTGRES_USER)?;
            (name.to_owned(), uid, gid)
        };
        (uid != 0 && name != SHARED_USER).then_some(Self::Unprivileged { name, uid, gid })
    }

    /// Returns the user's name, for messages.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Current => "the user of switchboard",
            Self::Unprivileged { name, .. } => name,
        }
    }

    /// Returns a command that runs `program` as the server's user.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir("/").env("LC_ALL", "C").stdin(Stdio::null());
        for name in REMOVED_VARIABLES {
            command.env_remove(name);
        }
        if let Self::Unprivileged { uid, gid, .. } = self {
            // The standard library gives up root's supplementary groups along with the user.
            command.uid(*uid).gid(*gid);
        }
        command
    }

    /// Makes the server's user the owner of `path`.
    pub(super) fn chown(&self, path: &Path) -> Result<(), EmbeddedError> {
        match self {
            Self::Current => Ok(()),
            Self::Unprivileged { uid, gid, .. } => {
                std::os::unix::fs::chown(path, Some(*uid), Some(*gid))
                    .map_err(EmbeddedError::file("change the owner of", path))
            }
        }
    }

    /// Returns whether `uid` is the server's user or ours.
    pub(super) fn may_own(&self, uid: u32) -> bool {
        match self {
            Self::Current => fs::metadata("/proc/self").map_or(true, |own| own.uid() == uid),
            Self::Unprivileged { uid: server, .. } => uid == *server || uid == 0,
        }
    }

    /// Fails unless the server's user can enter `folder`; the error names the directory that is closed.
    pub(super) async fn check_access(&self, folder: &Path) -> Result<(), EmbeddedError> {
        if *self == Self::Current || self.can_enter(folder).await? {
            return Ok(());
        }
        let mut closed = folder;
        for ancestor in folder.ancestors() {
            if !self.can_enter(ancestor).await? {
                closed = ancestor;
            }
        }
        Err(EmbeddedError::Unreachable { user: self.name().to_owned(), folder: closed.to_owned() })
    }

    /// Tries it instead of reading the permission bits, because access control lists overrule them.
    async fn can_enter(&self, folder: &Path) -> Result<bool, EmbeddedError> {
        let mut shell = self.command("/bin/sh");
        shell.args(["-c", "cd -- \"$1\"", "sh"]).arg(folder).stderr(Stdio::null());
        let status = shell.status().await.map_err(|source| self.cannot_run("/bin/sh", source))?;
        Ok(status.success())
    }

    /// Returns the error for a `program` that this user could not run.
    pub(super) fn cannot_run(
        &self,
        program: impl AsRef<Path>,
        source: std::io::Error,
    ) -> EmbeddedError {
        let program = program.as_ref().to_owned();
        EmbeddedError::Run { program, user: self.name().to_owned(), source }
    }
}

/// Returns name, user id and group id of each line of `/etc/passwd`.
fn users(passwd: &str) -> impl Iterator<Item = (&str, u32, u32)> {
    passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some((name, uid, gid))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n\
        nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n\
        postgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash\n";

    fn other(name: &str, uid: u32, gid: u32) -> OsUser {
        let name = name.to_owned();
        OsUser::Unprivileged { name, uid, gid }
    }

    #[test]
    fn root_runs_the_server_as_postgres() {
        assert_eq!(OsUser::for_root(None, PASSWD), Some(other("postgres", 101, 104)));
    }

    #[test]
    fn root_runs_the_server_as_no_shared_user() {
        let passwd = "nobody:x:99:98::/:/bin/false\n";
        assert_eq!(OsUser::for_root(None, passwd), None);
        assert_eq!(OsUser::for_root(Some((65534, 7)), PASSWD), None);
    }

    #[test]
    fn root_runs_the_server_as_the_owner_of_the_cluster() {
        assert_eq!(OsUser::for_root(Some((101, 7)), PASSWD), Some(other("postgres", 101, 7)));
        assert_eq!(OsUser::for_root(Some((1000, 1000)), PASSWD), Some(other("1000", 1000, 1000)));
    }

    #[test]
    fn root_without_a_postgres_user_runs_no_server() {
        assert_eq!(OsUser::for_root(None, "root:x:0:0::/root:/bin/sh\n"), None);
    }
}
