//! Who runs the server: ourselves, unless we are root, which PostgreSQL refuses.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use super::EmbeddedError;

/// Settings of somebody else's server that must not reach ours.
const FOREIGN: [&str; 7] =
    ["PGDATA", "PGPORT", "PGHOST", "PGUSER", "PGDATABASE", "PGOPTIONS", "PGTZ"];

/// The user whom packages of PostgreSQL make for its servers.
const OWN: &str = "postgres";
/// The user whom any other service of the machine may run as.
const SHARED: &str = "nobody";

/// The user whom the server runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Account {
    /// Whoever runs us.
    Ourselves,
    /// An unprivileged user, as we are root.
    Other {
        /// The user's name, for messages.
        name: String,
        /// The user's id.
        uid: u32,
        /// The id of the user's group.
        gid: u32,
    },
}

impl Account {
    /// Ourselves as an ordinary user. As root: the owner of the `cluster` if there is one already, else `postgres`.
    /// Never [`SHARED`]: the server trusts whoever connects as its own user.
    pub(super) fn choose(cluster: &Path) -> Result<Self, EmbeddedError> {
        // The owner of our own folder in /proc is the user that we act as.
        let root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
        if !root {
            return Ok(Self::Ourselves);
        }
        let owner = fs::metadata(cluster).ok().map(|folder| (folder.uid(), folder.gid()));
        let passwd = Path::new("/etc/passwd");
        let users = fs::read_to_string(passwd).map_err(EmbeddedError::file("read", passwd))?;
        Self::for_root(owner, &users).ok_or(EmbeddedError::NoAccount)
    }

    fn for_root(owner: Option<(u32, u32)>, passwd: &str) -> Option<Self> {
        let (name, uid, gid) = if let Some((uid, gid)) = owner.filter(|(uid, _)| *uid != 0) {
            let known = users(passwd).find(|(_, known, _)| *known == uid);
            (known.map_or_else(|| uid.to_string(), |(name, ..)| name.to_owned()), uid, gid)
        } else {
            let (name, uid, gid) = users(passwd).find(|(name, ..)| *name == OWN)?;
            (name.to_owned(), uid, gid)
        };
        (uid != 0 && name != SHARED).then_some(Self::Other { name, uid, gid })
    }

    /// The user's name, for messages.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Ourselves => "who runs switchboard",
            Self::Other { name, .. } => name,
        }
    }

    /// `program`, to be run by the server's user.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir("/").env("LC_ALL", "C").stdin(Stdio::null());
        for name in FOREIGN {
            command.env_remove(name);
        }
        if let Self::Other { uid, gid, .. } = self {
            // The standard library gives up root's supplementary groups along with the user.
            command.uid(*uid).gid(*gid);
        }
        command
    }

    /// Makes the server's user the owner of `path`.
    pub(super) fn give(&self, path: &Path) -> Result<(), EmbeddedError> {
        match self {
            Self::Ourselves => Ok(()),
            Self::Other { uid, gid, .. } => std::os::unix::fs::chown(path, Some(*uid), Some(*gid))
                .map_err(EmbeddedError::file("change the owner of", path)),
        }
    }

    /// Whether `uid` is the server's user, or we, who may hand it over.
    pub(super) fn may_own(&self, uid: u32) -> bool {
        match self {
            Self::Ourselves => fs::metadata("/proc/self").map_or(true, |own| own.uid() == uid),
            Self::Other { uid: server, .. } => uid == *server || uid == 0,
        }
    }

    /// Fails unless the server's user can get to `folder`, naming what is in the way.
    pub(super) async fn reach(&self, folder: &Path) -> Result<(), EmbeddedError> {
        if *self == Self::Ourselves || self.can_enter(folder).await? {
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

    /// Tried rather than read from the permission bits, which access control lists overrule.
    async fn can_enter(&self, folder: &Path) -> Result<bool, EmbeddedError> {
        let mut shell = self.command("/bin/sh");
        shell.args(["-c", "cd -- \"$1\"", "sh"]).arg(folder).stderr(Stdio::null());
        let status = shell.status().await.map_err(|source| self.cannot_run("/bin/sh", source))?;
        Ok(status.success())
    }

    /// The error for a `program` that this user could not run.
    pub(super) fn cannot_run(
        &self,
        program: impl AsRef<Path>,
        source: std::io::Error,
    ) -> EmbeddedError {
        let program = program.as_ref().to_owned();
        EmbeddedError::Run { program, user: self.name().to_owned(), source }
    }
}

/// Name, user id and group id of each line of `/etc/passwd`.
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

    fn other(name: &str, uid: u32, gid: u32) -> Account {
        let name = name.to_owned();
        Account::Other { name, uid, gid }
    }

    #[test]
    fn root_hands_over_to_postgres() {
        assert_eq!(Account::for_root(None, PASSWD), Some(other("postgres", 101, 104)));
    }

    #[test]
    fn root_hands_over_to_no_user_that_other_services_have() {
        let passwd = "nobody:x:99:98::/:/bin/false\n";
        assert_eq!(Account::for_root(None, passwd), None);
        assert_eq!(Account::for_root(Some((65534, 7)), PASSWD), None);
    }

    #[test]
    fn root_leaves_a_cluster_with_its_owner() {
        assert_eq!(Account::for_root(Some((101, 7)), PASSWD), Some(other("postgres", 101, 7)));
        assert_eq!(Account::for_root(Some((1000, 1000)), PASSWD), Some(other("1000", 1000, 1000)));
    }

    #[test]
    fn root_alone_has_nobody_to_run_the_server() {
        assert_eq!(Account::for_root(None, "root:x:0:0::/root:/bin/sh\n"), None);
    }
}
