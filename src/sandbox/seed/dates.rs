//! Reference dates of the generated data.

/// Reference date that all dates are relative to: 2026-06-30, noon UTC.
pub(crate) const REFERENCE_DATE: i64 = 1_782_820_800;
/// Seconds per day.
pub(crate) const SECONDS_PER_DAY: i64 = 86_400;
/// Founding date of the organization, four years earlier.
pub(crate) const FOUNDING_DATE: i64 = REFERENCE_DATE - 1_461 * SECONDS_PER_DAY;
