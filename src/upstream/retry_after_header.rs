//! Parses `Retry-After` (RFC 9110 §10.2.3): seconds, one of the three date forms, or a fraction of seconds, which the
//! RFC does not define and servers send.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue, header};
use time::OffsetDateTime;

/// The maximum pause; a longer one is cut to it.
pub(crate) const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);

/// Returns the pause that a response requests at `now`, [`MAX_RETRY_AFTER`] at most; `None` for no header, zero, a
/// negative number, a date in the past, or a value of another form.
pub(crate) fn retry_after(headers: &HeaderMap, now: OffsetDateTime) -> Option<Duration> {
    retry_after_up_to(headers, now, MAX_RETRY_AFTER)
}

/// Returns the pause that a response requests at `now`, `max` at most; `None` as for [`retry_after`].
pub(crate) fn retry_after_up_to(
    headers: &HeaderMap,
    now: OffsetDateTime,
    max: Duration,
) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER).map(HeaderValue::to_str)?.ok()?.trim();
    let pause = seconds(text, max).or_else(|| until_date(text, now))?.min(max);
    (!pause.is_zero()).then_some(pause)
}

/// Parses digits with an optional fraction. A number out of range is `max`.
fn seconds(text: &str, max: Duration) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number =
        |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let seconds: f64 = text.parse().ok()?;
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(max))
}

fn until_date(text: &str, now: OffsetDateTime) -> Option<Duration> {
    let until = httpdate::parse_http_date(text).ok()?;
    until.duration_since(SystemTime::from(now)).ok()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn reads_seconds_fractions_and_the_three_date_forms() {
        let now = datetime!(1994-11-06 08:49:30 UTC);
        let rows = [
            ("7", Some(7.0)),
            (" 60 ", Some(60.0)),
            ("1.5", Some(1.5)),
            ("0.001", Some(0.001)),
            ("3601", Some(3_600.0)),
            ("3600.5", Some(3_600.0)),
            ("18446744073709551615", Some(3_600.0)),
            ("99999999999999999999999", Some(3_600.0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(7.0)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(7.0)),
            ("Sun Nov  6 08:49:37 1994", Some(7.0)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(3_600.0)),
            ("Sun, 06 Nov 1994 08:49:30 GMT", None),
            ("Sun, 06 Nov 1994 08:49:29 GMT", None),
            ("Thu, 01 Jan 1970 00:00:00 GMT", None),
            ("Sun, 06 Nov 1994 08:49:37", None),
            ("0", None),
            ("0.0", None),
            ("-1", None),
            ("-0.5", None),
            ("+5", None),
            ("1e3", None),
            ("1.", None),
            (".5", None),
            ("1,5", None),
            ("1.5.1", None),
            ("inf", None),
            ("NaN", None),
            ("", None),
            ("soon", None),
        ];
        for (text, seconds) in rows {
            let headers = HeaderMap::from_iter([(header::RETRY_AFTER, text.parse().unwrap())]);
            assert_eq!(
                retry_after(&headers, now),
                seconds.map(Duration::from_secs_f64),
                "{text:?}"
            );
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
        let day = Duration::from_hours(24);
        for (text, seconds) in [("7200", 7_200), ("99999999999999999999999", 86_400)] {
            let headers = HeaderMap::from_iter([(header::RETRY_AFTER, text.parse().unwrap())]);
            let pause = retry_after_up_to(&headers, now, day);
            assert_eq!(pause, Some(Duration::from_secs(seconds)), "{text}");
        }
    }
}
