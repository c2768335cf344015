//! The interface of editors that remove the `token` field from a body, and the rules for its name.

use crate::http::problem::{Problem, ProblemKind};

/// The field's name.
pub(super) const TOKEN_FIELD: &str = "token";
/// Maximum bytes of a field name that may still decode to `token`.
pub(super) const MAX_NAME_BYTES: usize = 1024;
/// Maximum bytes of a token; valid ones are much shorter.
pub(super) const MAX_TOKEN_BYTES: usize = 512;

/// A body whose fields cannot be parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::http::proxy) enum UnreadableFields {
    /// A field name, or the head of a part, is too long.
    #[error("a field name is too long")]
    Name,
    /// The `token` field is too long.
    #[error("the field `token` is too long for a token of this gateway")]
    Token,
    /// The body is not valid JSON.
    #[error("the body is not valid JSON")]
    Json,
}

impl From<UnreadableFields> for Problem {
    fn from(error: UnreadableFields) -> Self {
        let detail =
            "The fields of the body are unreadable. Send the format that `Content-Type` declares.";
        Self::new(ProblemKind::InvalidBody, detail).with_error("", error.to_string())
    }
}

/// Removes the field from a body that arrives in chunks.
pub(super) trait FieldEditor: Send {
    /// Processes a chunk; bytes that are certain to be forwarded are appended to `out`.
    fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), UnreadableFields>;
    /// Processes the end of the body.
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), UnreadableFields>;
    /// Returns the tokens found so far.
    fn found(&self) -> &[String];
}

/// Whether any parser could take a decoded name for the field: some trim spaces, ignore case, or treat the rest as a
/// list key.
pub(super) fn is_token(name: &[u8]) -> bool {
    let name = name.split(|byte| b"[\0".contains(byte)).next().unwrap_or_default();
    name.trim_ascii().eq_ignore_ascii_case(TOKEN_FIELD.as_bytes())
}
