//! Decompresses the prefix of a response body, for classification. The body itself is passed on as it arrived.

use std::borrow::Cow;
use std::io::Read;

use brotli_decompressor::Decompressor;
use flate2::read::{GzDecoder, ZlibDecoder};
use http::{HeaderMap, HeaderValue, header};
use ruzstd::decoding::StreamingDecoder;

/// The maximum size of the decompressed prefix, in bytes.
const MAX_DECOMPRESSED_BYTES: u64 = 64 * 1024;
/// The size of the brotli read buffer, in bytes.
const BUFFER_BYTES: usize = 8 * 1024;
/// The maximum zstd window of an HTTP body, in bytes:
/// <https://www.rfc-editor.org/rfc/rfc9659#section-3>.
const MAX_ZSTD_WINDOW: u64 = 8 * 1024 * 1024;

/// Returns the decompressed prefix of a body; `None` for an unknown or malformed content coding.
pub(super) fn decompress_prefix<'h>(headers: &HeaderMap, head: &'h [u8]) -> Option<Cow<'h, [u8]>> {
    let coding = headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes);
    let compressed = head;
    let decoder: &mut dyn Read = match coding {
        None | Some(b"identity") => return Some(Cow::Borrowed(head)),
        Some(b"gzip" | b"x-gzip") => &mut GzDecoder::new(compressed),
        Some(b"deflate") => &mut ZlibDecoder::new(compressed),
        Some(b"br") if !has_large_window(compressed) => {
            &mut Decompressor::new(compressed, BUFFER_BYTES)
        }
        Some(b"zstd") => {
            &mut StreamingDecoder::new_with_max_window_size(compressed, MAX_ZSTD_WINDOW).ok()?
        }
        Some(_) => return None,
    };
    let mut text = Vec::new();
    decoder.take(MAX_DECOMPRESSED_BYTES).read_to_end(&mut text).ok()?;
    Some(Cow::Owned(text))
}

/// Whether a brotli stream declares a large window of up to 1 GB, which the decoder would accept. The standard allows
/// 16 MB and reserves this first byte: <https://www.rfc-editor.org/rfc/rfc7932#section-9.1>.
fn has_large_window(compressed: &[u8]) -> bool {
    compressed.first().is_some_and(|first| first & 0x7f == 0x11)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    /// An error response in each content coding, in hexadecimal digits.
    const COMPRESSED: [(&str, &str); 5] = [
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
    /// The same with windows of 256 and 128 MB.
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
    fn decompresses_each_content_coding() {
        for (coding, compressed) in COMPRESSED {
            let compressed = bytes(compressed);
            let headers = coded(coding);
            let text = decompress_prefix(&headers, &compressed).unwrap();
            assert_eq!(&*text, br#"{"ok":false,"error":"token_revoked"}"#, "{coding}");
            if coding != "identity" {
                let garbage = Bytes::from_static(b"{\"ok\":false}");
                assert_eq!(decompress_prefix(&headers, &garbage), None, "{coding}");
            }
        }
        assert_eq!(decompress_prefix(&coded("other"), &Bytes::new()), None);
    }

    #[test]
    fn rejects_windows_above_the_standard_maximum() {
        for (coding, compressed) in WIDE {
            let headers = coded(coding);
            assert_eq!(decompress_prefix(&headers, &bytes(compressed)), None, "{coding}");
        }
    }
}
