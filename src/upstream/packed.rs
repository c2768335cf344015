//! Bodies that come compressed: the caller asked the provider for it and gets them untouched, and the beginning
//! is unpacked to be looked at.

use std::borrow::Cow;
use std::io::Read;

use brotli_decompressor::Decompressor;
use flate2::read::{GzDecoder, ZlibDecoder};
use http::{HeaderMap, HeaderValue, header};
use ruzstd::decoding::StreamingDecoder;

/// So much of a body is unpacked to be looked at.
const UNPACKED: u64 = 64 * 1024;
/// What is read at once, in bytes.
const PIECE: usize = 8 * 1024;
/// The largest window that zstd may want of whoever unpacks an HTTP body, in bytes:
/// <https://www.rfc-editor.org/rfc/rfc9659#section-3>.
const WINDOW: u64 = 8 * 1024 * 1024;

/// The head of a body as it can be looked at; `None` for a compression that we can't look into.
pub(super) fn plain<'h>(headers: &HeaderMap, head: &'h [u8]) -> Option<Cow<'h, [u8]>> {
    let coding = headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes);
    let packed = head;
    let unpack: &mut dyn Read = match coding {
        None | Some(b"identity") => return Some(Cow::Borrowed(head)),
        Some(b"gzip" | b"x-gzip") => &mut GzDecoder::new(packed),
        Some(b"deflate") => &mut ZlibDecoder::new(packed),
        Some(b"br") if !has_large_window(packed) => &mut Decompressor::new(packed, PIECE),
        Some(b"zstd") => &mut StreamingDecoder::new_with_max_window_size(packed, WINDOW).ok()?,
        Some(_) => return None,
    };
    let mut text = Vec::new();
    unpack.take(UNPACKED).read_to_end(&mut text).ok()?;
    Some(Cow::Owned(text))
}

/// Whether a brotli stream wants a window of up to 1 GB. The standard has none above 16 MB, and keeps this
/// beginning free: <https://www.rfc-editor.org/rfc/rfc7932#section-9.1>. The decoder would take it.
fn has_large_window(packed: &[u8]) -> bool {
    packed.first().is_some_and(|first| first & 0x7f == 0x11)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    /// A refusal, packed in each way, in hexadecimal digits.
    const PACKED: [(&str, &str); 5] = [
        ("identity", "7b226f6b223a66616c73652c226572726f72223a22746f6b656e5f7265766f6b6564227d"),
        (
            "gzip",
            "1f8b0800000000000003ab56cacf56b24a4bcc294ed5514a2d2aca2f52b2522ac9cf4ecd8b2f4a2dcbcf4e4d51aa05\
             000badd43224000000",
        ),
        (
            "deflate",
            "789cab56cacf56b24a4bcc294ed5514a2d2aca2f52b2522ac9cf4ecd8b2f4a2dcbcf4e4d51aa0500e64d0ce4",
        ),
        ("br", "8b11807b226f6b223a66616c73652c226572726f72223a22746f6b656e5f7265766f6b6564227d03"),
        (
            "zstd",
            "28b52ffd04582101007b226f6b223a66616c73652c226572726f72223a22746f6b656e5f7265766f6b6564227d704e\
             270d",
        ),
    ];
    /// The same, for windows of 256 and 128 MB.
    const WIDE: [(&str, &str); 2] = [
        (
            "br",
            "111c4600027b226f6b223a66616c73652c226572726f72223a22746f6b656e5f7265766f6b6564227d03",
        ),
        (
            "zstd",
            "28b52ffd00882101007b226f6b223a66616c73652c226572726f72223a22746f6b656e5f7265766f6b6564227d",
        ),
    ];

    fn bytes(hex: &str) -> Bytes {
        let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
    }

    fn coded(coding: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_ENCODING, HeaderValue::from_static(coding))])
    }

    #[test]
    fn a_refusal_is_seen_however_it_is_packed() {
        for (coding, packed) in PACKED {
            let packed = bytes(packed);
            let headers = coded(coding);
            let text = plain(&headers, &packed).unwrap();
            assert_eq!(&*text, br#"{"ok":false,"error":"token_revoked"}"#, "{coding}");
            if coding != "identity" {
                let garbage = Bytes::from_static(b"{\"ok\":false}");
                assert_eq!(plain(&headers, &garbage), None, "{coding}");
            }
        }
        assert_eq!(plain(&coded("other"), &Bytes::new()), None);
    }

    #[test]
    fn nobody_makes_us_keep_a_window_larger_than_the_standard_has() {
        for (coding, packed) in WIDE {
            let headers = coded(coding);
            assert_eq!(plain(&headers, &bytes(packed)), None, "{coding}");
        }
    }
}
