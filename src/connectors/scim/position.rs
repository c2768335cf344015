//! The start of a page of a SCIM list, as a page token. It has the digests of the rows before it, so that a server that
//! returns rows again is noticed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Number of preceding rows that are remembered.
const MAX_RECENT: usize = 64;

/// A digest of a row's id.
pub(super) type RowDigest = [u8; 6];

/// Returns the digest of a text that identifies a row, the same on every machine.
pub(super) fn digest(text: &str) -> RowDigest {
    let hash: [u8; 32] = Sha256::digest(text).into();
    hash.first_chunk().copied().unwrap_or_default()
}

/// Encodes digests as text.
pub(super) fn encode_digests(digests: &[RowDigest]) -> String {
    URL_SAFE_NO_PAD.encode(digests.as_flattened())
}

/// Decodes digests; those of a malformed text are none.
pub(super) fn decode_digests(text: &str) -> Vec<RowDigest> {
    let bytes = URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
    bytes.as_chunks().0.to_vec()
}

/// How a list is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum ReadMode {
    /// Page by page.
    #[default]
    Pages,
    /// All rows in one response, for a server that ignores `startIndex`.
    Whole,
    /// An empty page again: it may have been empty once only.
    EmptyPage,
    /// The last row again, to find out whether an empty page is the end.
    LastRow,
    /// All rows again, to find out whether pages left rows out that the total counts.
    Recount,
}

/// Parameters of a list call that are left out, because the server fails on them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct OmittedParameters(u8);

impl OmittedParameters {
    /// `filter`.
    pub(super) const FILTER: Self = Self(1);
    /// `attributes` and `excludedAttributes`.
    pub(super) const ATTRIBUTES: Self = Self(2);
    /// `count`.
    pub(super) const COUNT: Self = Self(4);
    /// `startIndex`.
    pub(super) const START: Self = Self(8);

    /// Whether one of these is left out.
    pub(super) fn includes(self, any: Self) -> bool {
        self.0 & any.0 != 0
    }

    /// Returns these and others.
    pub(super) fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }
}

/// The start of a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredPosition", into = "StoredPosition")]
pub(super) struct Position {
    /// The index of the first row of the response to read; SCIM counts from one.
    pub(super) start: u64,
    /// Rows of that response that were returned before.
    pub(super) skip: usize,
    /// The number of rows to request; `None` for the limit of the page.
    pub(super) count: Option<u32>,
    /// The number of rows of a page that is not too large; `None` while none was.
    pub(super) max_count: Option<u32>,
    /// How the list is read.
    pub(super) mode: ReadMode,
    /// Parameters that are left out.
    pub(super) omitted: OmittedParameters,
    /// Whether the server ignores `count`: a response had more rows than were requested.
    pub(super) ignores_count: bool,
    /// The number of different rows that were returned.
    pub(super) returned: u64,
    /// The first row of the list.
    pub(super) first: Option<RowDigest>,
    /// The first row of the response before.
    pub(super) previous: Option<RowDigest>,
    /// Whether the response before had no new rows.
    pub(super) is_repeated: bool,
    /// The rows before the page, the last ones.
    pub(super) recent: Vec<RowDigest>,
}

impl Default for Position {
    fn default() -> Self {
        Self {
            start: 1,
            skip: 0,
            count: None,
            max_count: None,
            mode: ReadMode::Pages,
            omitted: OmittedParameters::default(),
            ignores_count: false,
            returned: 0,
            first: None,
            previous: None,
            is_repeated: false,
            recent: Vec::new(),
        }
    }
}

impl Position {
    /// Whether no row was returned before.
    pub(super) fn is_start(&self) -> bool {
        self.consumed() == 0
    }

    /// Whether a page is read, and neither all rows nor the last one.
    pub(super) fn is_page(&self) -> bool {
        matches!(self.mode, ReadMode::Pages | ReadMode::EmptyPage)
    }

    /// Returns the number of rows before the page.
    pub(super) fn consumed(&self) -> usize {
        usize::try_from(self.start.saturating_sub(1))
            .unwrap_or(usize::MAX)
            .saturating_add(self.skip)
    }

    /// Returns the same place in a response with all rows.
    pub(super) fn in_whole_list(self) -> Self {
        Self { start: 1, skip: self.consumed(), mode: ReadMode::Whole, ..self }
    }

    /// Adds rows to those before the page.
    pub(super) fn remember(&mut self, rows: &[RowDigest]) {
        self.recent.extend_from_slice(rows);
        let surplus = self.recent.len().saturating_sub(MAX_RECENT);
        self.recent.drain(..surplus);
    }
}

/// The form of a position in a page token.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum StoredPosition {
    /// The start index alone, of an earlier version.
    Index(u64),
    /// All of it.
    Full(Box<StoredFields>),
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredFields {
    #[serde(rename = "s")]
    start: u64,
    #[serde(rename = "k", default, skip_serializing_if = "is_default")]
    skip: usize,
    #[serde(rename = "c", default, skip_serializing_if = "is_default")]
    count: Option<u32>,
    #[serde(rename = "x", default, skip_serializing_if = "is_default")]
    max_count: Option<u32>,
    #[serde(rename = "m", default, skip_serializing_if = "is_default")]
    mode: ReadMode,
    #[serde(rename = "o", default, skip_serializing_if = "is_default")]
    omitted: OmittedParameters,
    #[serde(rename = "a", default, skip_serializing_if = "is_default")]
    ignores_count: bool,
    #[serde(rename = "t", default, skip_serializing_if = "is_default")]
    returned: u64,
    #[serde(rename = "f", default, skip_serializing_if = "is_default")]
    first: String,
    #[serde(rename = "p", default, skip_serializing_if = "is_default")]
    previous: String,
    #[serde(rename = "d", default, skip_serializing_if = "is_default")]
    is_repeated: bool,
    #[serde(rename = "r", default, skip_serializing_if = "is_default")]
    recent: String,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl From<StoredPosition> for Position {
    fn from(stored: StoredPosition) -> Self {
        match stored {
            StoredPosition::Index(start) => Self { start: start.max(1), ..Self::default() },
            StoredPosition::Full(fields) => Self {
                start: fields.start.max(1),
                skip: fields.skip,
                count: fields.count,
                max_count: fields.max_count,
                mode: fields.mode,
                omitted: fields.omitted,
                ignores_count: fields.ignores_count,
                returned: fields.returned,
                first: decode_digests(&fields.first).first().copied(),
                previous: decode_digests(&fields.previous).first().copied(),
                is_repeated: fields.is_repeated,
                recent: decode_digests(&fields.recent),
            },
        }
    }
}

impl From<Position> for StoredPosition {
    fn from(at: Position) -> Self {
        Self::Full(Box::new(StoredFields {
            start: at.start,
            skip: at.skip,
            count: at.count,
            max_count: at.max_count,
            mode: at.mode,
            omitted: at.omitted,
            ignores_count: at.ignores_count,
            returned: at.returned,
            first: encode_digests(at.first.as_slice()),
            previous: encode_digests(at.previous.as_slice()),
            is_repeated: at.is_repeated,
            recent: encode_digests(&at.recent),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored_and_read(at: &Position) -> Position {
        serde_json::from_str(&serde_json::to_string(at).unwrap()).unwrap()
    }

    #[test]
    fn a_position_survives_in_a_page_token() {
        let mut at = Position { start: 101, skip: 7, ..Position::default() };
        (at.first, at.previous, at.is_repeated) = (Some(digest("1")), Some(digest("2")), true);
        at.max_count = Some(25);
        at.remember(&["1", "2"].map(digest));
        at.omitted = OmittedParameters::COUNT.with(OmittedParameters::FILTER);
        assert_eq!(stored_and_read(&at), at);
        assert_eq!((at.consumed(), at.is_start()), (107, false));
        let whole = at.clone().in_whole_list();
        assert_eq!(stored_and_read(&whole), whole);
        assert_eq!((whole.consumed(), whole.start), (107, 1));
        assert!(at.omitted.includes(OmittedParameters::COUNT));
        assert!(!at.omitted.includes(OmittedParameters::START));
    }

    #[test]
    fn reads_the_page_tokens_of_earlier_versions() {
        let at: Position = serde_json::from_str("101").unwrap();
        assert_eq!(at, Position { start: 101, ..Position::default() });
    }

    #[test]
    fn the_size_of_a_page_token_is_limited() {
        let mut at = Position::default();
        for number in 0..10_000 {
            at.remember(&[digest(&number.to_string())]);
        }
        assert_eq!(at.recent.last(), Some(&digest("9999")));
        assert!(serde_json::to_string(&at).unwrap().len() < 700);
    }
}
