//! Headers that hold a secret; their memory is wiped when the last copy is dropped.

use std::fmt::{self, Write as _};

use bytes::Bytes;
use http::HeaderValue;
use zeroize::Zeroizing;

use crate::vault::secret::AccessToken;

/// Returns the value of `authorization` for a token; `None` when it holds bytes that no header allows.
pub(super) fn authorization(token: &AccessToken) -> Option<HeaderValue> {
    secret_header(&format_args!("{} {}", token.scheme().name(), token.expose_secret()))
}

/// Returns a header value whose memory is wiped when the last copy is dropped; `None` when the text holds bytes that
/// no header allows.
pub(super) fn secret_header(text: &fmt::Arguments<'_>) -> Option<HeaderValue> {
    let mut length = ByteCounter(0);
    write!(length, "{text}").ok()?;
    // With its final capacity from the start: growing would leave copies behind.
    let mut buffer = Zeroizing::new(String::with_capacity(length.0));
    write!(buffer, "{text}").ok()?;
    let bytes = Bytes::from_owner(WipedText(buffer));
    let mut value = HeaderValue::from_maybe_shared(bytes).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Counts the bytes of a text.
struct ByteCounter(usize);

impl fmt::Write for ByteCounter {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.0 += part.len();
        Ok(())
    }
}

/// Text that is wiped when dropped.
pub(super) struct WipedText(pub(super) Zeroizing<String>);

impl AsRef<[u8]> for WipedText {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}
