//! Renders times, ages and numbers. Times are in UTC, with their age.

use maud::{Markup, html};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime, UtcOffset};

/// The clock that ages are relative to.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct Now(pub(in crate::http) OffsetDateTime);

impl Now {
    /// Renders a time with its age.
    pub(in crate::http) fn when(self, at: OffsetDateTime) -> Markup {
        html! {
            time datetime=(rfc3339(at)) { (utc(at)) } " "
            span.age { (self.age(at)) }
        }
    }

    /// Renders a time with its age, or why there is none.
    pub(in crate::http) fn when_or(self, at: Option<OffsetDateTime>, absent: &str) -> Markup {
        at.map_or_else(|| html! { span.quiet { (absent) } }, |at| self.when(at))
    }

    /// Renders the age of a time; the time itself is its title.
    pub(in crate::http) fn short(self, at: Option<OffsetDateTime>, absent: &str) -> Markup {
        let Some(at) = at else { return html! { span.quiet { (absent) } } };
        html! { time datetime=(rfc3339(at)) title=(utc(at)) { (self.age(at)) } }
    }

    /// Renders how long something lasts that began at a time; the time itself is its title.
    pub(in crate::http) fn lasting(self, since: Option<OffsetDateTime>) -> Markup {
        let Some(since) = since else { return html! {} };
        let length = span((self.0 - since).max(Duration::ZERO));
        html! { "for " time datetime=(rfc3339(since)) title=(utc(since)) { (length) } }
    }

    /// Returns the age of a time, such as `3 h ago`, or `in 3 h`.
    pub(in crate::http) fn age(self, at: OffsetDateTime) -> String {
        let age = self.0 - at;
        if age.is_negative() {
            return format!("in {}", span(-age));
        }
        if age < Duration::seconds(10) {
            "just now".to_owned()
        } else {
            format!("{} ago", span(age))
        }
    }
}

/// Returns a duration in its largest unit.
pub(in crate::http) fn span(duration: Duration) -> String {
    let seconds = duration.whole_seconds();
    match seconds {
        ..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h", seconds / 3_600),
        172_800..5_184_000 => format!("{} days", seconds / 86_400),
        5_184_000..63_072_000 => format!("{} months", seconds / 2_592_000),
        _ => format!("{} years", seconds / 31_536_000),
    }
}

/// Returns a time in UTC, to the minute.
pub(in crate::http) fn utc(at: OffsetDateTime) -> String {
    let at = at.to_offset(UtcOffset::UTC);
    let month = at.month().to_string();
    let month = month.get(..3).unwrap_or_default();
    format!("{} {month} {} {:02}:{:02} UTC", at.day(), at.year(), at.hour(), at.minute())
}

/// Returns a time for a machine.
pub(in crate::http) fn rfc3339(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_default()
}

/// Returns a number with separators.
pub(in crate::http) fn number(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if value < 0 {
        text.push('−');
    }
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Returns a number with its noun, such as `1 person` or `1,204 people`.
pub(in crate::http) fn count(value: i64, one: &str, many: &str) -> String {
    format!("{} {}", number(value), if value == 1 { one } else { many })
}

/// Returns a name of the API as words: `role_assignments` as `role assignments`.
pub(in crate::http) fn words(name: &str) -> String {
    name.replace(['_', '.'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_their_largest_unit() {
        let cases = [
            (0, "0 s"),
            (59, "59 s"),
            (61, "1 min"),
            (7_199, "1 h"),
            (172_799, "47 h"),
            (172_800, "2 days"),
            (5_184_000, "2 months"),
            (63_072_000, "2 years"),
        ];
        for (seconds, text) in cases {
            assert_eq!(span(Duration::seconds(seconds)), text);
        }
    }

    #[test]
    fn numbers_have_separators() {
        let cases =
            [(0, "0"), (999, "999"), (1_204, "1,204"), (100_000, "100,000"), (-1_000, "−1,000")];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
    }
}
