//! Uploaded files of the organization: reserved, received at the upload URL, completed. The content
//! is not stored, only its size and digest.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// Size and digest of an uploaded file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileDigest {
    /// Number of bytes.
    pub size: u64,
    /// SHA-256 in lower-case hexadecimal digits.
    pub sha256: String,
}

/// Upload state of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileStatus {
    /// The upload URL was issued.
    Promised,
    /// The content was received.
    Sent,
    /// The upload was completed; the file is visible.
    Finished,
    /// It was deleted.
    Deleted,
}

/// A file and its upload state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UploadedFile {
    /// `F…`.
    pub id: String,
    /// File name given by the app.
    pub name: String,
    /// Title; the file name if none was given.
    pub title: String,
    /// Id of the user who uploaded it.
    pub user: String,
    /// Announced length in bytes.
    pub length: u64,
    /// Received content.
    pub content: Option<FileDigest>,
    /// Upload state.
    pub stage: FileStatus,
    /// Ids of the channels that it is shared in.
    pub channels: Vec<String>,
    /// Unix seconds.
    pub created: i64,
    #[serde(skip)]
    upload_token: String,
}

/// Reasons why an operation on a file is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileError {
    /// The file does not exist or is in an earlier upload state.
    NotFound,
    /// The file belongs to another user.
    NotOwner,
    /// The file was deleted.
    Deleted,
    /// The received length differs from the announced one.
    LengthMismatch,
}

/// All files, by id.
#[derive(Debug, Default)]
pub(crate) struct Files {
    seed: u64,
    files: BTreeMap<String, UploadedFile>,
}

impl Files {
    /// Returns an empty store; upload tokens are derived from `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Reserves a file. Returns its id and the secret part of its upload URL.
    pub(crate) fn reserve(
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
        let file = UploadedFile {
            id: id.clone(),
            title: name.clone(),
            name,
            user: user.to_owned(),
            length,
            content: None,
            stage: FileStatus::Promised,
            channels: Vec::new(),
            created: now,
            upload_token: ticket.clone(),
        };
        self.files.insert(id.clone(), file);
        (id, ticket)
    }

    /// Stores what was received at an upload URL; each URL works once.
    pub(crate) fn receive(&mut self, ticket: &str, content: FileDigest) -> Result<(), FileError> {
        let mut waiting = self.files.values_mut();
        let file =
            waiting.find(|file| file.upload_token == ticket && file.stage == FileStatus::Promised);
        let file = file.ok_or(FileError::NotFound)?;
        if file.length != content.size {
            return Err(FileError::LengthMismatch);
        }
        file.content = Some(content);
        file.stage = FileStatus::Sent;
        Ok(())
    }

    /// Whether the user may complete the upload of a file.
    pub(crate) fn can_complete(&self, id: &str, user: &str) -> Result<(), FileError> {
        let file = self.files.get(id).filter(|file| file.stage == FileStatus::Sent);
        let file = file.ok_or(FileError::NotFound)?;
        if file.user == user { Ok(()) } else { Err(FileError::NotOwner) }
    }

    /// Completes an upload and returns the file's title.
    pub(crate) fn complete(
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
        file.stage = FileStatus::Finished;
        file.title.clone()
    }

    /// Returns a completed file that belongs to the user or is shared.
    pub(crate) fn find(&self, id: &str, user: &str) -> Result<&UploadedFile, FileError> {
        let file = self.files.get(id).ok_or(FileError::NotFound)?;
        let is_shown = file.user == user || !file.channels.is_empty();
        match file.stage {
            FileStatus::Deleted => Err(FileError::Deleted),
            FileStatus::Finished if is_shown => Ok(file),
            FileStatus::Promised | FileStatus::Sent | FileStatus::Finished => {
                Err(FileError::NotFound)
            }
        }
    }

    /// Deletes a file of the user.
    pub(crate) fn delete(&mut self, id: &str, user: &str) -> Result<(), FileError> {
        if self.find(id, user)?.user != user {
            return Err(FileError::NotOwner);
        }
        if let Some(file) = self.files.get_mut(id) {
            file.stage = FileStatus::Deleted;
        }
        Ok(())
    }

    /// Returns all files, deleted ones included, oldest first.
    pub(crate) fn all(&self) -> impl DoubleEndedIterator<Item = &UploadedFile> {
        self.files.values()
    }
}
