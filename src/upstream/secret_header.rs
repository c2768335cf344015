//! Headers that hold a secret. Their memory is wiped when the last copy goes.

use std::fmt::{self, Write as _};

use bytes::Bytes;
use http::HeaderValue;
use zeroize::Zeroizing;

use crate::vault::secret::AccessToken;

/// A token as the header `authorization` has it; `None` when it can't stand in a header.
pub(super) fn bearer(token: &AccessToken) -> Option<HeaderValue> {
    secret_header(&format_args!("Bearer {}", token.expose_secret()))
}

/// A header with a secret, whose memory is wiped when the last copy goes; `None` for what can't stand in one.
pub(super) fn secret_header(text: &fmt::Arguments<'_>) -> Option<HeaderValue> {
    let mut length = Length(0);
    write!(length, "{text}").ok()?;
    // With all of its room from the start: what grows leaves copies behind.
    let mut line = Zeroizing::new(String::with_capacity(length.0));
    write!(line, "{text}").ok()?;
    let line = Bytes::from_owner(Line(line));
    let mut value = HeaderValue::from_maybe_shared(line).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// How long a text is.
struct Length(usize);

impl fmt::Write for Length {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.0 += part.len();
        Ok(())
    }
}

/// Text that is wiped when the last that shares it goes.
pub(super) struct Line(pub(super) Zeroizing<String>);

impl AsRef<[u8]> for Line {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}
