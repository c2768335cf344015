//! The dates that everything made up is told from.

/// The day that all dates are counted back from: 2026-06-30, noon.
pub(crate) const ANCHOR: i64 = 1_782_820_800;
/// Seconds of a day.
pub(crate) const DAY: i64 = 86_400;
/// The organization's first day, four years before.
pub(crate) const FOUNDED: i64 = ANCHOR - 1_461 * DAY;
