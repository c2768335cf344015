//! When a delivery that failed is attempted again.

use std::time::Duration;

use time::OffsetDateTime;

use crate::domain::entropy::{Entropy, random_bytes};
use crate::domain::webhook::RETRY_PAUSES;

/// Returns the time of the next attempt; `None` after the last one. The number of attempts alone does not make one the
/// last: some are made early, when an endpoint works again.
pub(super) fn next_attempt(
    attempts: i32,
    created_at: OffsetDateTime,
    now: OffsetDateTime,
    entropy: &dyn Entropy,
) -> Option<OffsetDateTime> {
    let made = usize::try_from(attempts).unwrap_or_default();
    let index = made.saturating_sub(1);
    let whole: Duration = RETRY_PAUSES.iter().sum();
    if index >= RETRY_PAUSES.len() && now >= created_at + whole {
        return None;
    }
    let pause = RETRY_PAUSES.get(index).or(RETRY_PAUSES.last())?;
    Some(now + lengthened(*pause, entropy))
}

/// Lengthens a pause by up to a tenth, so that deliveries that failed together are not attempted together.
fn lengthened(pause: Duration, entropy: &dyn Entropy) -> Duration {
    let share = f64::from(u16::from_be_bytes(random_bytes(entropy))) / f64::from(u16::MAX);
    pause.mul_f64(1.0 + share / 10.0)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::domain::entropy::SeededEntropy;

    #[test]
    fn ten_attempts_within_three_days_and_a_few_hours() {
        let entropy = SeededEntropy::new(1);
        let began = datetime!(2026-01-02 03:04:05 UTC);
        let (mut now, mut attempts) = (began, 1);
        while let Some(next) = next_attempt(attempts, began, now, &entropy) {
            let pause = RETRY_PAUSES[usize::try_from(attempts).unwrap() - 1];
            let actual = Duration::try_from(next - now).unwrap();
            assert!(actual >= pause && actual <= pause.mul_f64(1.1), "{attempts}: {actual:?}");
            (now, attempts) = (next, attempts + 1);
        }
        assert_eq!(attempts, 10);
        assert!(now - began >= time::Duration::hours(71), "{now}");
        assert!(now - began <= time::Duration::hours(79), "{now}");
    }

    #[test]
    fn attempts_that_were_made_early_are_not_the_last_ones() {
        let entropy = SeededEntropy::new(1);
        let began = datetime!(2026-01-02 03:04:05 UTC);
        let soon = began + Duration::from_hours(1);
        let next = next_attempt(10, began, soon, &entropy).unwrap();
        assert!(next >= soon + Duration::from_hours(24), "{next}");
        let late = began + Duration::from_hours(72);
        assert_eq!(next_attempt(10, began, late, &entropy), None);
        assert!(next_attempt(9, began, late, &entropy).is_some());
    }
}
