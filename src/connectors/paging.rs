//! The guard of every list that is followed over its pages: one that comes back to where it was has no end.

use sha2::{Digest as _, Sha256};

/// So many places before this one are remembered one by one.
const RECENT: usize = 8;
/// No list is longer, in pages.
const MOST_PAGES: u32 = 100_000;
/// Nor is one that a single request reads to its end.
const MOST_WITHIN_REQUEST: u32 = 1_000;

/// A list that has no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endless {
    /// It came back to a page that it had.
    Repeated,
    /// It has more pages than any list.
    TooLong,
}

impl Endless {
    /// What is odd about the list.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Repeated => "its pages repeat: a cursor or a whole page came again",
            Self::TooLong => "it has more pages than are followed",
        }
    }
}

/// Where a list has been. Its size does not grow with the list, so that a cursor can hold it: the last places, and one
/// that is moved up whenever the number of pages has doubled, which finds longer circles.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trail {
    pages: u32,
    mark: Option<u64>,
    recent: Vec<u64>,
    /// The rows of the last page, and how often they came one after the other.
    rows: Option<(u64, u8)>,
}

impl Trail {
    /// Goes on to a place.
    ///
    /// # Errors
    ///
    /// When the list has been there, or is too long.
    pub fn step(&mut self, place: &str) -> Result<(), Endless> {
        self.step_within(place, MOST_PAGES)
    }

    /// The same for a list that one request reads to its end.
    ///
    /// # Errors
    ///
    /// When the list has been there, or is too long for that.
    pub fn step_in_request(&mut self, place: &str) -> Result<(), Endless> {
        self.step_within(place, MOST_WITHIN_REQUEST)
    }

    fn step_within(&mut self, place: &str, most: u32) -> Result<(), Endless> {
        let place = digest([place]);
        if self.mark == Some(place) || self.recent.contains(&place) {
            return Err(Endless::Repeated);
        }
        if self.pages >= most {
            return Err(Endless::TooLong);
        }
        self.pages += 1;
        if self.pages.is_power_of_two() {
            self.mark = Some(place);
        }
        if self.recent.len() >= RECENT {
            self.recent.remove(0);
        }
        self.recent.push(place);
        Ok(())
    }

    /// Takes the rows of a page, each by what tells it from the others.
    ///
    /// # Errors
    ///
    /// When they are those of the page before. A single row may come twice: one that was added in front of it moves it
    /// to the next page.
    pub fn rows<'r>(&mut self, rows: impl IntoIterator<Item = &'r str>) -> Result<(), Endless> {
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
        if times > may_repeat { Err(Endless::Repeated) } else { Ok(()) }
    }

    /// As bytes, for a cursor.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let (rows, times) = self.rows.unwrap_or_default();
        let mut bytes = self.pages.to_be_bytes().to_vec();
        bytes.push(times);
        bytes.push(u8::try_from(self.recent.len()).unwrap_or_default());
        for digest in [rows, self.mark.unwrap_or_default()].iter().chain(&self.recent) {
            bytes.extend_from_slice(&digest.to_be_bytes());
        }
        bytes
    }

    /// The trail at the beginning of these bytes, and what is behind it.
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
        let trail = Self { pages: u32::from_be_bytes(*pages), mark: some(mark), recent, rows };
        Some((trail, bytes))
    }
}

/// A digest of texts, the same on every machine; never 0.
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

/// What a page of SCIM says of its place in the list (RFC 7644 §3.4.2.4).
#[derive(Debug, Clone, Copy)]
pub(super) struct ScimPage {
    /// The index that was requested.
    pub(super) start: u64,
    /// How many rows came; `None` when there was no list.
    pub(super) rows: Option<usize>,
    /// How many rows the whole list has, by the server's own word.
    pub(super) total: Option<u64>,
}

impl ScimPage {
    /// Where the next page begins; `None` at the end.
    ///
    /// # Errors
    ///
    /// What is odd, when the rows that the server announces are not there.
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
            // A total that is smaller than what was seen is wrong: the end is the page without rows.
            (_, Some(total)) if behind > total && behind - 1 <= total => Ok(None),
            (_, Some(_) | None) => Ok(Some(behind)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(places: impl IntoIterator<Item = String>) -> Option<usize> {
        let mut trail = Trail::default();
        places.into_iter().position(|place| {
            let (read, rest) = Trail::from_bytes(&trail.to_bytes()).map_or_else(
                || (Trail::default(), usize::MAX),
                |(trail, rest)| (trail, rest.len()),
            );
            assert_eq!((&read, rest), (&trail, 0));
            trail.step(&place).is_err()
        })
    }

    #[test]
    fn detects_a_circle_of_any_length() {
        for length in [1, 2, 3, 8, 9, 100] {
            let places = (0..1_000).map(|page| (page % length).to_string());
            let found = walk(places);
            if length <= RECENT {
                assert_eq!(found, Some(length), "at the first repetition");
            } else {
                assert!(found.is_some_and(|at| at <= 3 * length), "{length}: {found:?}");
            }
        }
        assert_eq!(walk((0..2_000).map(|page| page.to_string())), None);
    }

    #[test]
    fn rejects_a_list_without_an_end() {
        let mut trail = Trail::default();
        let end = (0..2_000).map(|page| trail.step_in_request(&page.to_string()));
        let end = end.take_while(Result::is_ok).count();
        assert_eq!(end, 1_000);
    }

    #[test]
    fn detects_a_page_that_comes_again() {
        let mut trail = Trail::default();
        assert_eq!(trail.rows(["a", "b"]), Ok(()));
        assert_eq!(trail.rows([]), Ok(()));
        assert_eq!(trail.rows(["ab"]), Ok(()));
        assert_eq!(trail.rows(["ab"]), Ok(()), "a row that moved");
        assert_eq!(trail.rows(["ab"]), Err(Endless::Repeated));
        assert_eq!(trail.rows(["a", "b"]), Ok(()));
        assert_eq!(trail.rows(["a", "b"]), Err(Endless::Repeated));
    }

    #[test]
    fn scim_goes_on_until_all_rows_were_seen() {
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
