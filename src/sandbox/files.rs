//! Files of an organization: promised, sent to the address of the promise, and finished. What they hold
//! is not kept: its size and its digest are.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// What was sent for a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Content {
    /// How many bytes.
    pub size: u64,
    /// Their SHA-256, in hexadecimal digits.
    pub sha256: String,
}

/// How far a file has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Its address was given out.
    Promised,
    /// It was sent there.
    Sent,
    /// It is there for whoever may see it.
    Finished,
    /// It was deleted.
    Deleted,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct File {
    /// `F…`.
    pub id: String,
    /// Its name, as the app said.
    pub name: String,
    /// Its title; the name when nobody gave one.
    pub title: String,
    /// Whose it is.
    pub user: String,
    /// How many bytes were promised.
    pub length: u64,
    /// What was sent.
    pub content: Option<Content>,
    /// How far it has come.
    pub stage: Stage,
    /// Where it was shared.
    pub channels: Vec<String>,
    /// Unix seconds.
    pub created: i64,
    #[serde(skip)]
    ticket: String,
}

/// Why something can't be done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoFile {
    /// There is none, or it has not come so far.
    NotFound,
    /// It is somebody else's.
    Foreign,
    /// It was deleted.
    Deleted,
    /// It is not as long as was promised.
    OtherLength,
}

/// All files.
#[derive(Debug, Default)]
pub(crate) struct Files {
    seed: u64,
    files: BTreeMap<String, File>,
}

impl Files {
    /// None yet; the addresses are drawn from `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// A place for a file: its id, and the secret part of the address that takes it.
    pub(crate) fn promise(
        &mut self,
        user: &str,
        name: String,
        length: u64,
        now: i64,
    ) -> (String, String) {
        let number = self.files.len() + 1;
        let id = format!("F0{number:09}");
        let mut hash = Sha256::new();
        hash.update(b"switchboard sandbox upload");
        hash.update(self.seed.to_be_bytes());
        hash.update(id.as_bytes());
        let ticket = URL_SAFE_NO_PAD.encode(hash.finalize());
        let file = File {
            id: id.clone(),
            title: name.clone(),
            name,
            user: user.to_owned(),
            length,
            content: None,
            stage: Stage::Promised,
            channels: Vec::new(),
            created: now,
            ticket: ticket.clone(),
        };
        self.files.insert(id.clone(), file);
        (id, ticket)
    }

    /// Takes what was sent to an address, once.
    pub(crate) fn take(&mut self, ticket: &str, content: Content) -> Result<(), NoFile> {
        let mut waiting = self.files.values_mut();
        let file = waiting.find(|file| file.ticket == ticket && file.stage == Stage::Promised);
        let file = file.ok_or(NoFile::NotFound)?;
        if file.length != content.size {
            return Err(NoFile::OtherLength);
        }
        file.content = Some(content);
        file.stage = Stage::Sent;
        Ok(())
    }

    /// Whether somebody can finish a file that was sent.
    pub(crate) fn can_finish(&self, id: &str, user: &str) -> Result<(), NoFile> {
        let file = self.files.get(id).filter(|file| file.stage == Stage::Sent);
        let file = file.ok_or(NoFile::NotFound)?;
        if file.user == user { Ok(()) } else { Err(NoFile::Foreign) }
    }

    /// Finishes a file that can be finished; gives its title.
    pub(crate) fn finish(
        &mut self,
        id: &str,
        title: Option<String>,
        channels: &[String],
    ) -> String {
        let Some(file) = self.files.get_mut(id) else { return String::new() };
        if let Some(title) = title {
            file.title = title;
        }
        file.channels = channels.to_vec();
        file.stage = Stage::Finished;
        file.title.clone()
    }

    /// A finished file that somebody may see: it is theirs, or was shared.
    pub(crate) fn find(&self, id: &str, user: &str) -> Result<&File, NoFile> {
        let file = self.files.get(id).ok_or(NoFile::NotFound)?;
        let is_shown = file.user == user || !file.channels.is_empty();
        match file.stage {
            Stage::Deleted => Err(NoFile::Deleted),
            Stage::Finished if is_shown => Ok(file),
            Stage::Promised | Stage::Sent | Stage::Finished => Err(NoFile::NotFound),
        }
    }

    /// Deletes somebody's own file.
    pub(crate) fn delete(&mut self, id: &str, user: &str) -> Result<(), NoFile> {
        if self.find(id, user)?.user != user {
            return Err(NoFile::Foreign);
        }
        if let Some(file) = self.files.get_mut(id) {
            file.stage = Stage::Deleted;
        }
        Ok(())
    }

    /// Every file there ever was, the oldest first.
    pub(crate) fn all(&self) -> impl DoubleEndedIterator<Item = &File> {
        self.files.values()
    }
}
