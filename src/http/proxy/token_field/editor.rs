//! What takes the field `token` out of a body, and what counts as one.

use crate::http::problem::{Problem, ProblemKind};

/// The field's name.
pub(super) const TOKEN: &str = "token";
/// The longest name of a field that may still become `token`, escapes included.
pub(super) const LONGEST_NAME: usize = 1024;
/// The longest token that is looked at. Ours are much shorter.
pub(super) const LONGEST_TOKEN: usize = 512;

/// Why a body's fields can't be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::http::proxy) enum Unreadable {
    /// A name, or the head of a part, is longer than any that is looked at.
    #[error("the name of a field is too long")]
    Name,
    /// The field is longer than a token of ours.
    #[error("the field `token` is longer than a token of this gateway")]
    Token,
    /// It is no JSON.
    #[error("the body is not valid JSON")]
    Json,
}

impl From<Unreadable> for Problem {
    fn from(error: Unreadable) -> Self {
        let detail = "The fields of the body can't be read. Send it as its `Content-Type` says.";
        Self::new(ProblemKind::InvalidBody, detail).at("", error.to_string())
    }
}

/// Takes the field out of a body that comes in pieces.
pub(super) trait Editor: Send {
    /// Takes a piece; what is sure to pass goes to `out`.
    fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), Unreadable>;
    /// The body is at its end.
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Unreadable>;
    /// The tokens that were found up to now.
    fn found(&self) -> &[String];
}

/// Whether a name that was decoded is the field's, for any reader: some drop blanks, fold the case, or take what follows for
/// the key of a list.
pub(super) fn is_token(name: &[u8]) -> bool {
    let name = name.split(|byte| b"[\0".contains(byte)).next().unwrap_or_default();
    name.trim_ascii().eq_ignore_ascii_case(TOKEN.as_bytes())
}
