//! Percentiles of measured values.

/// Returns the median and the 99th percentile.
pub(crate) fn percentiles(values: &[f64]) -> [f64; 2] {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    [50, 99].map(|percent| {
        let index = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        sorted.get(index).copied().unwrap_or_default()
    })
}
