//! Loop detection for lists that are read page by page: a list that returns to an earlier page has no end.

use sha2::{Digest as _, Sha256};

/// Number of preceding pages that are remembered individually.
const RECENT_PAGES: usize = 8;
/// Maximum number of pages of a list.
const MAX_PAGES: u32 = 100_000;
/// Maximum number of pages of a list that one request reads to its end.
const MAX_PAGES_IN_REQUEST: u32 = 1_000;

/// A list that has no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndlessList {
    /// It returned to an earlier page.
    Repeated,
    /// It has too many pages.
    TooLong,
}

impl EndlessList {
    /// Returns the defect of the list, for the error.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Repeated => "its pages repeat: a cursor or a whole page was returned again",
            Self::TooLong => "it has more pages than are followed",
        }
    }

    /// Whether this is the defect of a list without an end.
    #[must_use]
    pub fn is_reason(defect: &str) -> bool {
        [Self::Repeated, Self::TooLong].into_iter().any(|endless| endless.reason() == defect)
    }
}

/// The pages that a list has had, as digests. Its size does not grow with the list, so that a cursor can hold it: the
/// recent pages, and one checkpoint that is moved whenever the number of pages has doubled, which detects longer loops.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PageHistory {
    pages: u32,
    checkpoint: Option<u64>,
    recent: Vec<u64>,
    /// The digest of the last page's rows, and how often it was repeated in succession.
    rows: Option<(u64, u8)>,
}

impl PageHistory {
    /// Adds the page that `place` is the cursor of.
    ///
    /// # Errors
    ///
    /// `Repeated` when the list had that page, `TooLong` when it has too many pages.
    pub fn visit(&mut self, place: &str) -> Result<(), EndlessList> {
        self.visit_within(place, MAX_PAGES)
    }

    /// Adds a page of a list that one request reads to its end.
    ///
    /// # Errors
    ///
    /// `Repeated` when the list had that page, `TooLong` when it has too many pages for one request.
    pub fn visit_in_request(&mut self, place: &str) -> Result<(), EndlessList> {
        self.visit_within(place, MAX_PAGES_IN_REQUEST)
    }

    fn visit_within(&mut self, place: &str, most: u32) -> Result<(), EndlessList> {
        let place = digest([place]);
        if self.checkpoint == Some(place) || self.recent.contains(&place) {
            return Err(EndlessList::Repeated);
        }
        if self.pages >= most {
            return Err(EndlessList::TooLong);
        }
        self.pages += 1;
        if self.pages.is_power_of_two() {
            self.checkpoint = Some(place);
        }
        if self.recent.len() >= RECENT_PAGES {
            self.recent.remove(0);
        }
        self.recent.push(place);
        Ok(())
    }

    /// Adds the rows of a page, each by a text that identifies it.
    ///
    /// # Errors
    ///
    /// `Repeated` when they are the rows of the preceding page. A single row may come twice: a row inserted before it
    /// moves it to the next page.
    pub fn check_rows<'r>(
        &mut self,
        rows: impl IntoIterator<Item = &'r str>,
    ) -> Result<(), EndlessList> {
        let mut count = 0_usize;
        let rows = digest(rows.into_iter().inspect(|_| count += 1));
        if count == 0 {
            return Ok(());
        }
        let times = match self.rows {
            Some((before, times)) if before == rows => times.saturating_add(1),
            Some(_) | None => 0,
        };
        let may_repeat = u8::from(count == 1);
        self.rows = Some((rows, times));
        if times > may_repeat { Err(EndlessList::Repeated) } else { Ok(()) }
    }

    /// Serializes the history, for a cursor.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let (rows, times) = self.rows.unwrap_or_default();
        let mut bytes = self.pages.to_be_bytes().to_vec();
        bytes.push(times);
        bytes.push(u8::try_from(self.recent.len()).unwrap_or_default());
        for digest in [rows, self.checkpoint.unwrap_or_default()].iter().chain(&self.recent) {
            bytes.extend_from_slice(&digest.to_be_bytes());
        }
        bytes
    }

    /// Reads a history from the start of `bytes`; returns it with the rest.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (pages, bytes) = bytes.split_first_chunk()?;
        let ([times, count], bytes) = bytes.split_first_chunk()?;
        let (rows, bytes) = bytes.split_first_chunk()?;
        let (mark, mut bytes) = bytes.split_first_chunk()?;
        let some =
            |digest: &[u8; 8]| Some(u64::from_be_bytes(*digest)).filter(|digest| *digest != 0);
        let mut recent = Vec::with_capacity((*count).into());
        for _ in 0..*count {
            let (digest, rest) = bytes.split_first_chunk()?;
            recent.push(u64::from_be_bytes(*digest));
            bytes = rest;
        }
        let rows = some(rows).map(|rows| (rows, *times));
        let trail =
            Self { pages: u32::from_be_bytes(*pages), checkpoint: some(mark), recent, rows };
        Some((trail, bytes))
    }
}

/// Returns a digest of texts, the same on every machine and never 0.
fn digest<'t>(texts: impl IntoIterator<Item = &'t str>) -> u64 {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text.len().to_be_bytes());
        hash.update(text);
    }
    let hash: [u8; 32] = hash.finalize().into();
    let first = hash.first_chunk().copied().unwrap_or_default();
    u64::from_be_bytes(first).max(1)
}

/// The pagination of a SCIM page (RFC 7644 §3.4.2.4).
#[derive(Debug, Clone, Copy)]
pub(super) struct ScimPage {
    /// The requested start index.
    pub(super) start: u64,
    /// The number of rows; `None` without a list.
    pub(super) rows: Option<usize>,
    /// The total number of rows, as stated by the server.
    pub(super) total: Option<u64>,
}

impl ScimPage {
    /// Returns the start index of the next page; `None` at the end.
    ///
    /// # Errors
    ///
    /// The defect, when announced rows are missing.
    pub(super) fn next(self) -> Result<Option<u64>, String> {
        let Self { start, rows, total } = self;
        let here = u64::try_from(rows.unwrap_or_default()).unwrap_or(u64::MAX);
        let behind = start.saturating_add(here);
        match (here, total) {
            (0, None) if rows.is_none() => {
                Err("it has neither `Resources` nor `totalResults`".to_owned())
            }
            (0, Some(total)) if total >= start => Err(format!(
                "`Resources` has no rows, although `totalResults` is {total} and the page begins at {start}"
            )),
            (0, _) => Ok(None),
            // A total smaller than the rows seen is wrong: then an empty page is the end.
            (_, Some(total)) if behind > total && behind - 1 <= total => Ok(None),
            (_, Some(_) | None) => Ok(Some(behind)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(places: impl IntoIterator<Item = String>) -> Option<usize> {
        let mut trail = PageHistory::default();
        places.into_iter().position(|place| {
            let (read, rest) = PageHistory::from_bytes(&trail.to_bytes()).map_or_else(
                || (PageHistory::default(), usize::MAX),
                |(trail, rest)| (trail, rest.len()),
            );
            assert_eq!((&read, rest), (&trail, 0));
            trail.visit(&place).is_err()
        })
    }

    #[test]
    fn detects_a_loop_of_any_length() {
        for length in [1, 2, 3, 8, 9, 100] {
            let places = (0..1_000).map(|page| (page % length).to_string());
            let found = walk(places);
            if length <= RECENT_PAGES {
                assert_eq!(found, Some(length), "at the first repetition");
            } else {
                assert!(found.is_some_and(|at| at <= 3 * length), "{length}: {found:?}");
            }
        }
        assert_eq!(walk((0..2_000).map(|page| page.to_string())), None);
    }

    #[test]
    fn rejects_a_list_without_an_end() {
        let mut trail = PageHistory::default();
        let end = (0..2_000).map(|page| trail.visit_in_request(&page.to_string()));
        let end = end.take_while(Result::is_ok).count();
        assert_eq!(end, 1_000);
    }

    #[test]
    fn detects_a_repeated_page() {
        let mut trail = PageHistory::default();
        assert_eq!(trail.check_rows(["a", "b"]), Ok(()));
        assert_eq!(trail.check_rows([]), Ok(()));
        assert_eq!(trail.check_rows(["ab"]), Ok(()));
        assert_eq!(trail.check_rows(["ab"]), Ok(()), "a row that moved");
        assert_eq!(trail.check_rows(["ab"]), Err(EndlessList::Repeated));
        assert_eq!(trail.check_rows(["a", "b"]), Ok(()));
        assert_eq!(trail.check_rows(["a", "b"]), Err(EndlessList::Repeated));
    }

    #[test]
    fn scim_pages_end_after_the_last_row() {
        let next = |start, rows, total| ScimPage { start, rows, total }.next();
        let rows = [
            (1, Some(2), Some(5), Ok(Some(3))),
            (5, Some(1), Some(5), Ok(None)),
            (1, Some(2), None, Ok(Some(3))),
            (3, Some(0), None, Ok(None)),
            (1, Some(2), Some(0), Ok(Some(3))),
            (3, Some(0), Some(0), Ok(None)),
            (1, None, Some(0), Ok(None)),
            (6, None, Some(5), Ok(None)),
        ];
        for (start, sent, total, expected) in rows {
            assert_eq!(next(start, sent, total), expected, "{start} {sent:?} {total:?}");
        }
        for (start, sent, total) in [(1, Some(0), Some(5)), (1, None, Some(5)), (1, None, None)] {
            assert!(next(start, sent, total).is_err(), "{start} {sent:?} {total:?}");
        }
    }
}
