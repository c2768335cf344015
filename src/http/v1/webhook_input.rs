//! Checks the settings of a webhook before they are stored.

use axum::http::Uri;
use url::Url;

use crate::domain::patch::ValidationError;
use crate::domain::webhook::EventTypePattern;
use crate::http::problem::Problem;
use crate::upstream::may_be_public;

/// Maximum length of a URL, in bytes.
const MAX_URL_BYTES: usize = 2_048;
/// Maximum number of patterns of types.
const MAX_EVENT_TYPES: usize = 100;
/// Maximum length of a description, in characters.
const MAX_DESCRIPTION_CHARS: usize = 1_000;

/// The check of a request's settings, which collects the validation errors. A setting that is invalid is returned
/// empty; [`SettingsCheck::finish`] then fails.
#[derive(Debug)]
pub(super) struct SettingsCheck {
    allows_private: bool,
    errors: Vec<ValidationError>,
}

impl SettingsCheck {
    /// Begins a check. With `allows_private`, URLs may lead to private addresses and need no TLS.
    pub(super) fn new(allows_private: bool) -> Self {
        Self { allows_private, errors: Vec::new() }
    }

    /// Returns a URL in its normal form.
    pub(super) fn url(&mut self, text: &str) -> String {
        normal_url(text, self.allows_private).unwrap_or_else(|message| {
            self.errors.push(ValidationError::at("/url", message));
            String::new()
        })
    }

    /// Returns the patterns of types without duplicates.
    pub(super) fn event_types(&mut self, texts: &[String]) -> Vec<EventTypePattern> {
        if !(1..=MAX_EVENT_TYPES).contains(&texts.len()) {
            let message = format!("must have 1 to {MAX_EVENT_TYPES} elements");
            self.errors.push(ValidationError::at("/event_types", message));
            return Vec::new();
        }
        let mut patterns: Vec<EventTypePattern> = Vec::with_capacity(texts.len());
        for (index, text) in texts.iter().enumerate() {
            match text.parse() {
                Ok(pattern) if patterns.contains(&pattern) => {}
                Ok(pattern) => patterns.push(pattern),
                Err(error) => {
                    let pointer = format!("/event_types/{index}");
                    self.errors.push(ValidationError::at(pointer, error.to_string()));
                }
            }
        }
        patterns
    }

    /// Returns a description.
    pub(super) fn description(&mut self, text: String) -> String {
        if text.chars().count() > MAX_DESCRIPTION_CHARS {
            let message = format!("must have at most {MAX_DESCRIPTION_CHARS} characters");
            self.errors.push(ValidationError::at("/description", message));
        }
        text
    }

    /// Adds an error of another field.
    pub(super) fn reject(&mut self, pointer: &str, message: &str) {
        self.errors.push(ValidationError::at(pointer, message));
    }

    /// Fails if a setting is invalid.
    pub(super) fn finish(self) -> Result<(), Problem> {
        if self.errors.is_empty() { Ok(()) } else { Err(Problem::invalid(self.errors)) }
    }
}

fn normal_url(text: &str, allows_private: bool) -> Result<String, &'static str> {
    let too_long = "must have at most 2048 bytes";
    if text.len() > MAX_URL_BYTES {
        return Err(too_long);
    }
    let invalid = "must be a URL, such as https://example.com/webhooks";
    let url = Url::parse(text).map_err(|_| invalid)?;
    match url.scheme() {
        "https" => {}
        "http" if allows_private => {}
        _ => return Err("must begin with https://"),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not have credentials");
    }
    if url.fragment().is_some() {
        return Err("must not have a fragment");
    }
    let normal = String::from(url);
    if normal.len() > MAX_URL_BYTES {
        return Err(too_long);
    }
    let uri: Uri = normal.parse().map_err(|_| invalid)?;
    if uri.host().is_none_or(str::is_empty) {
        return Err("must have a host");
    }
    if !allows_private && !may_be_public(&uri) {
        return Err("must not lead to a private address");
    }
    Ok(normal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalizes_urls_and_rejects_those_of_other_kinds() {
        let long = format!("https://example.com/{}", "a".repeat(2_030));
        // Longer than the maximum in its normal form only.
        let growing = format!("https://example.com/{}", "é".repeat(600));
        for wrong in [
            "",
            "example.com",
            "//example.com",
            "ftp://example.com/",
            "http://example.com/",
            "https://",
            "https:///",
            "https://user@example.com/",
            "https://:secret@example.com/",
            "https://example.com/#part",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://127.0.0.1./",
            "https://[::1]:8443/",
            "https://[::ffff:10.0.0.1]/",
            "https://169.254.169.254/latest/meta-data",
            "https://10.0.0.1/",
            long.as_str(),
            growing.as_str(),
        ] {
            assert!(normal_url(wrong, false).is_err(), "{wrong}");
        }
        for (text, normal) in [
            ("https://example.com", "https://example.com/"),
            ("https://EXAMPLE.com:443/a?b=c", "https://example.com/a?b=c"),
            ("https://bücher.example/ä", "https://xn--bcher-kva.example/%C3%A4"),
            ("https://8.8.8.8/", "https://8.8.8.8/"),
            ("https://[2606:4700::1111]/", "https://[2606:4700::1111]/"),
        ] {
            assert_eq!(normal_url(text, false).as_deref(), Ok(normal));
        }
        for private in ["http://127.0.0.1:8080/", "https://[::1]/", "http://hooks.internal/"] {
            assert_eq!(normal_url(private, true).as_deref(), Ok(private));
        }
        assert!(normal_url("ftp://example.com/", true).is_err());
    }

    #[test]
    fn each_invalid_pattern_has_a_pointer() {
        let mut check = SettingsCheck::new(false);
        let texts = ["user.*", "user", "user.*", "nothing.*"].map(str::to_owned);
        assert_eq!(check.event_types(&texts).len(), 1);
        let pointers: Vec<_> = check.errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(pointers, ["/event_types/1", "/event_types/3"]);
        assert!(check.finish().is_err());
    }
}
