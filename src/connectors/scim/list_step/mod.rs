//! Decides what follows from a response to a list call: which of its rows are returned, and where the list goes on.
//!
//! `startIndex`, `count` and `totalResults` (RFC 7644 §3.4.2.4) can't be relied on: servers cap `count` or ignore it,
//! ignore `startIndex` or count pages by it, repeat rows, and count wrong. No row is returned twice or lost, and no list
//! is endless; where the rest of the rows can't be reached, that is an error, and where it can't be known whether there
//! are more rows, the end is uncertain.

use std::collections::HashSet;

use super::position::{OmittedParameters, Position, ReadMode, RowDigest};

/// The number of rows to request when all are requested and their number is unknown.
const MAX_WHOLE_LIST: u32 = 10_000;

/// Maximum number of rows that are requested to find out whether pages left rows out.
const MAX_RECOUNT: u32 = 2_000;

/// What the usual largest page sizes of servers (10, 20, 25, 50, …) are multiples of.
const PAGE_SIZE_STEP: usize = 5;

/// What the usual largest sizes of a list without pages (100, 200, 500, 1,000, …) are multiples of.
const LIST_SIZE_STEP: usize = 100;

/// A response to a list call.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListWindow<'r> {
    /// The rows.
    pub(super) rows: &'r [RowDigest],
    /// The total number of rows, as the server counts them.
    pub(super) total: Option<u64>,
    /// Whether there is a list, even if it is empty.
    pub(super) has_list: bool,
    /// The requested number of rows; `None` where `count` was not sent.
    pub(super) count: Option<u32>,
}

impl ListWindow<'_> {
    /// Returns the number of different rows.
    fn different(&self) -> usize {
        self.rows.iter().collect::<HashSet<_>>().len()
    }

    /// Returns the number of rows to request when all are requested.
    fn whole_count(&self) -> u32 {
        let total = self.total.map(|total| u32::try_from(total).unwrap_or(u32::MAX));
        total.unwrap_or(MAX_WHOLE_LIST)
    }
}

/// What follows from a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ListStep {
    /// A page: the indices of the rows to return, and where the next page begins.
    Page {
        /// The rows to return.
        rows: Vec<usize>,
        /// The next page; `None` at the end.
        next: Option<Position>,
    },
    /// The list must be read again from there before there is a page.
    ReadAgain(Position),
    /// The list ends here, and there may be rows that no page has: the server counts more than were returned.
    UncertainEnd {
        /// The number of rows that were returned.
        returned: u64,
    },
}

impl ListStep {
    /// Returns a page without rows.
    fn nothing(next: Option<Position>) -> Self {
        Self::Page { rows: Vec::new(), next }
    }
}

/// Returns what follows from the response to a read at `at`, for a page of at most `limit` rows.
///
/// # Errors
///
/// The defect, when rows can't be reached.
pub(super) fn next_step(
    mut at: Position,
    window: ListWindow<'_>,
    limit: usize,
) -> Result<ListStep, String> {
    match at.mode {
        ReadMode::LastRow => return after_last_row(at, window),
        ReadMode::Recount => return after_recount(at, window, limit),
        ReadMode::EmptyPage if !window.rows.is_empty() => at.mode = ReadMode::Pages,
        ReadMode::Pages | ReadMode::Whole | ReadMode::EmptyPage => {}
    }
    page(at, window, limit)
}

/// Returns what follows from a response that has a page.
fn page(mut at: Position, window: ListWindow<'_>, limit: usize) -> Result<ListStep, String> {
    let Some(first) = window.rows.first() else { return after_no_rows(at, window) };
    let sent = window.rows.len();
    at.ignores_count |= window.count.is_some_and(|count| sent > as_usize(count));
    if at.mode == ReadMode::Pages && at.start > 1 {
        if at.first.as_ref() == Some(first) {
            // `startIndex` is ignored. All rows may have come nevertheless.
            at = at.in_whole_list();
        } else if at.skip == 0 && at.previous.as_ref() == Some(first) && sent > 1 {
            return Ok(ListStep::ReadAgain(whole_list(at, window)));
        }
    }
    if at.skip >= sent {
        return after_old_rows(at, window);
    }
    if at.is_start() {
        at.first = Some(*first);
    }
    let NewRows { rows, end } = new_rows(&at, window.rows, limit);
    let is_repeated = rows.is_empty() && at.skip == 0;
    if is_repeated && at.is_repeated {
        // No new rows for the second time: the server has no others at these indices.
        let is_end = window.total.is_none_or(|total| total <= as_u64(at.consumed()));
        return Ok(if is_end {
            end_of_pages(at, window)
        } else {
            ListStep::ReadAgain(whole_list(at, window))
        });
    }
    let new: Vec<RowDigest> =
        rows.iter().filter_map(|index| window.rows.get(*index)).copied().collect();
    at.remember(&new);
    at.returned = at.returned.saturating_add(as_u64(new.len()));
    let next = if end < sent {
        Some(Position { skip: end, count: window.count, ..at })
    } else {
        after_window(Position { is_repeated, ..at }, window)?
    };
    Ok(ListStep::Page { rows, next })
}

/// The rows of a response that were not returned before.
struct NewRows {
    /// Their indices.
    rows: Vec<usize>,
    /// The index of the first one that the page has no room for, or the number of all rows.
    end: usize,
}

/// Returns the first `limit` rows that were not returned before.
fn new_rows(at: &Position, rows: &[RowDigest], limit: usize) -> NewRows {
    let mut seen: HashSet<RowDigest> = at.recent.iter().copied().collect();
    let start = at.skip.max(overlap(&at.recent, rows));
    let mut new = Vec::with_capacity(limit.min(rows.len()));
    for (index, row) in rows.iter().enumerate() {
        if !seen.insert(*row) || index < start {
            continue;
        }
        if new.len() == limit {
            return NewRows { rows: new, end: index };
        }
        new.push(index);
    }
    NewRows { rows: new, end: rows.len() }
}

/// Returns the number of rows at the start of a response that end with the rows before it, in the same order: also those
/// among them that are no longer remembered were returned before.
fn overlap(before: &[RowDigest], rows: &[RowDigest]) -> usize {
    let Some(last) = before.last() else { return 0 };
    let ends = rows.iter().enumerate().filter(|(_, row)| *row == last);
    let mut lengths = ends.map(|(index, _)| index + 1);
    let is_overlap = |length: &usize| {
        let old = before.iter().rev();
        let again = rows.iter().take(*length).rev();
        old.zip(again).all(|(old, again)| old == again)
    };
    lengths.rfind(is_overlap).unwrap_or_default()
}

/// Returns the position of a list in one response with all rows.
fn whole_list(at: Position, window: ListWindow<'_>) -> Position {
    Position { count: Some(window.whole_count()), ..at.in_whole_list() }
}

/// Returns where a list goes on behind a response whose rows were all returned.
fn after_window(at: Position, window: ListWindow<'_>) -> Result<Option<Position>, String> {
    let sent = window.rows.len();
    if at.mode == ReadMode::Whole {
        return after_whole_list(at, window);
    }
    // Rows that occur twice may count once only.
    let behind = at.start.saturating_add(as_u64(window.different()));
    // The total of a full page may be the number of its rows. One that is smaller than the rows so far is wrong: then
    // an empty page is the end.
    let is_full =
        window.count.is_none_or(|count| sent == as_usize(count)) || may_be_capped(&at, window);
    let is_total = |rows| window.total == Some(rows);
    // Pages that overlap had fewer rows than their indices say. Page tokens of earlier versions do not know how many.
    let is_counted = at.first.is_some();
    let is_end = (is_total(at.returned) || (!is_counted && is_total(behind - 1))) && !is_full;
    let previous = window.rows.first().copied();
    let next = || Position { start: behind, skip: 0, count: None, previous, ..at };
    Ok((!is_end).then(next))
}

/// Returns whether the first page may be shorter than requested because the server's pages are: then its total may be
/// the number of its rows as well.
fn may_be_capped(at: &Position, window: ListWindow<'_>) -> bool {
    let sent = window.rows.len();
    at.start == 1
        && window.count.is_some_and(|count| sent < as_usize(count))
        && sent > PAGE_SIZE_STEP
        && sent.is_multiple_of(PAGE_SIZE_STEP)
}

/// Returns where a list goes on behind a response that should have all rows.
fn after_whole_list(at: Position, window: ListWindow<'_>) -> Result<Option<Position>, String> {
    let sent = window.rows.len();
    let reached = sent.max(at.skip);
    let is_complete = if let Some(total) = window.total {
        total <= as_u64(reached)
    } else {
        // A list of a round number of rows may be cut there.
        let is_cut = sent > 0 && sent.is_multiple_of(LIST_SIZE_STEP);
        at.ignores_count || window.count.is_none_or(|count| sent < as_usize(count) && !is_cut)
    };
    if is_complete {
        return Ok(None);
    }
    let wanted = window.whole_count();
    if window.count.is_some_and(|count| count < wanted) {
        return Ok(Some(Position { skip: reached, count: Some(wanted), ..at }));
    }
    let same = format!("`Resources` has the same {sent} rows whatever `startIndex` is");
    match window.total {
        None => Err(format!("{same}, and it may have more: `totalResults` is absent")),
        Some(total) => Err(format!("{same}, although `totalResults` is {total}")),
    }
}

/// Returns what follows from a response whose rows were all returned before.
fn after_old_rows(at: Position, window: ListWindow<'_>) -> Result<ListStep, String> {
    if at.mode == ReadMode::Whole {
        let next = after_whole_list(at, window)?;
        return Ok(next.map_or_else(|| ListStep::nothing(None), ListStep::ReadAgain));
    }
    // Rows were removed meanwhile.
    Ok(ListStep::nothing(after_window(at, window)?))
}

/// Returns what follows from a response without rows.
fn after_no_rows(at: Position, window: ListWindow<'_>) -> Result<ListStep, String> {
    let Some(total) = window.total else {
        return if window.has_list {
            Ok(ListStep::nothing(None))
        } else {
            Err("it has neither `Resources` nor `totalResults`".to_owned())
        };
    };
    if total <= as_u64(at.consumed()) {
        return Ok(end_of_pages(at, window));
    }
    // The total may be wrong, but so may be the page: the page again decides, and then the row before it.
    let is_behind_rows = at.is_page() && at.start > 1 && at.skip == 0;
    if !window.has_list || !is_behind_rows || at.omitted.includes(OmittedParameters::START) {
        return Err(missing_rows(total, at.start));
    }
    Ok(ListStep::ReadAgain(if at.mode == ReadMode::EmptyPage {
        Position { start: at.start - 1, count: Some(1), mode: ReadMode::LastRow, ..at }
    } else {
        Position { mode: ReadMode::EmptyPage, ..at }
    }))
}

/// Returns the end of a list, if the row before an empty page is there.
fn after_last_row(at: Position, window: ListWindow<'_>) -> Result<ListStep, String> {
    match window.rows.first() {
        Some(row) if at.recent.contains(row) => Ok(end_of_pages(at, window)),
        Some(_) | None => Err(missing_rows(window.total.unwrap_or_default(), at.start + 1)),
    }
}

/// Returns the end of the pages; first a read of all rows, where the server counts more than were returned. By
/// `startIndex`, a server may count pages, or from zero: it is left out.
fn end_of_pages(at: Position, window: ListWindow<'_>) -> ListStep {
    let lacks_rows = window.total.is_some_and(|total| total > at.returned);
    // Page tokens of earlier versions do not know how many rows were returned.
    if !lacks_rows || at.mode == ReadMode::Whole || at.first.is_none() {
        return ListStep::nothing(None);
    }
    if at.returned >= u64::from(MAX_RECOUNT) {
        return ListStep::UncertainEnd { returned: at.returned };
    }
    let count = Some(window.whole_count().min(MAX_RECOUNT));
    let omitted = at.omitted.with(OmittedParameters::START);
    ListStep::ReadAgain(Position { mode: ReadMode::Recount, count, skip: 0, omitted, ..at })
}

/// Returns what follows from a read of all rows after the end of the pages: the rows that no page had, or the end.
fn after_recount(at: Position, window: ListWindow<'_>, limit: usize) -> Result<ListStep, String> {
    let (sent, different) = (window.rows.len(), window.different());
    if as_u64(different) <= at.returned {
        // A total may count rows that occur twice.
        let has_all = window.total.is_some_and(|total| total <= as_u64(sent));
        let is_same_number = as_u64(different) == at.returned;
        let is_certain = has_all || (is_same_number && !may_be_cut(&at, window));
        let uncertain = ListStep::UncertainEnd { returned: at.returned };
        return Ok(if is_certain { ListStep::nothing(None) } else { uncertain });
    }
    // The pages had the rows from their first one on.
    let start = window.rows.iter().position(|row| at.first.as_ref() == Some(row));
    let returned = usize::try_from(at.returned).unwrap_or(usize::MAX);
    let end = start.map(|start| start.saturating_add(returned));
    let old = end.and_then(|end| window.rows.get(..end)).unwrap_or_default();
    let is_same = |(one, other): (&RowDigest, &RowDigest)| one == other;
    let (Some(start), Some(end)) = (start, end.filter(|_| sent == different && !old.is_empty()))
    else {
        return Err(other_rows(different, at.returned));
    };
    if start > limit || !at.recent.iter().rev().zip(old.iter().rev()).all(is_same) {
        return Err(other_rows(different, at.returned));
    }
    let whole = Position { start: 1, skip: end, count: window.count, mode: ReadMode::Whole, ..at };
    if start == 0 {
        return page(whole, window, limit);
    }
    let (mut next, rows) = (whole, window.rows.get(..start).unwrap_or_default());
    next.remember(rows);
    next.returned = next.returned.saturating_add(as_u64(start));
    Ok(ListStep::Page { rows: (0..start).collect(), next: (end < sent).then_some(next) })
}

/// Whether a read of all rows may have been cut by the server's largest page size: the pages end there as well.
fn may_be_cut(at: &Position, window: ListWindow<'_>) -> bool {
    let sent = window.rows.len();
    let is_full = window.count.is_some_and(|count| sent >= as_usize(count));
    let is_one_page = at.previous.is_none() || at.previous == at.first;
    let step = if is_one_page { PAGE_SIZE_STEP } else { LIST_SIZE_STEP };
    is_full || (sent.is_multiple_of(step) && !at.ignores_count)
}

fn other_rows(different: usize, returned: u64) -> String {
    format!(
        "`Resources` has {different} rows without `startIndex`, and its pages had {returned} others"
    )
}

fn missing_rows(total: u64, start: u64) -> String {
    format!(
        "`Resources` has no rows, although `totalResults` is {total} and the page begins at {start}"
    )
}

fn as_u64(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

fn as_usize(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
