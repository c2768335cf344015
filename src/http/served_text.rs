//! Texts as they are served: compressed, with an entity tag.

use std::io::{Read as _, Write as _};

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

/// A text as it is served.
pub(super) struct ServedText {
    /// Compressed by gzip: the text takes many times the size.
    compressed: Bytes,
    /// The text, if it is stored; otherwise it is decompressed for clients that accept no compression.
    plain: Option<Bytes>,
    /// The digest of the text.
    digest: String,
}

impl ServedText {
    /// Compresses a text.
    pub(super) fn new(text: &str) -> Self {
        Self::compress(text.as_bytes())
    }

    /// Compresses a text that stays in memory too.
    pub(super) fn keeping(text: &Bytes) -> Self {
        Self { plain: Some(text.clone()), ..Self::compress(text) }
    }

    fn compress(text: &[u8]) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        // Writing into memory can't fail.
        let _ = encoder.write_all(text);
        let compressed = encoder.finish().unwrap_or_default().into();
        Self { compressed, plain: None, digest: URL_SAFE_NO_PAD.encode(Sha256::digest(text)) }
    }

    /// Returns the digest of the text.
    pub(super) fn digest(&self) -> &str {
        &self.digest
    }

    /// Returns the text to a request, compressed if it accepts that, or that it did not change. `cached` is the header
    /// `Cache-Control`.
    pub(super) fn respond(
        &self,
        request: &HeaderMap,
        media_type: &'static str,
        cached: HeaderValue,
    ) -> Response {
        let tag = format!("\"{}\"", self.digest);
        let mut response = if has_tag(request, &tag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else if accepts_gzip(request) {
            let encoding = (header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            ([encoding], self.compressed.clone()).into_response()
        } else if let Some(plain) = &self.plain {
            plain.clone().into_response()
        } else {
            let mut text = Vec::new();
            // What was compressed here can be read.
            let _ = GzDecoder::new(&*self.compressed).read_to_end(&mut text);
            text.into_response()
        };
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        headers.insert(header::CACHE_CONTROL, cached);
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        // It is weak, because it is the same for both encodings.
        if let Ok(tag) = HeaderValue::try_from(format!("W/{tag}")) {
            headers.insert(header::ETAG, tag);
        }
        response
    }
}

/// Whether a request has the entity tag already.
fn has_tag(request: &HeaderMap, tag: &str) -> bool {
    values(request, &header::IF_NONE_MATCH)
        .any(|one| one == "*" || one.trim_start_matches("W/") == tag)
}

/// Whether a request accepts a response compressed by gzip.
fn accepts_gzip(request: &HeaderMap) -> bool {
    values(request, &header::ACCEPT_ENCODING).any(|one| {
        let (coding, weight) = one.split_once(';').unwrap_or((one, ""));
        let weight = weight.trim().strip_prefix("q=").unwrap_or("1");
        coding.trim().eq_ignore_ascii_case("gzip") && weight.parse() != Ok(0.0)
    })
}

/// Returns the values of a list header.
fn values<'h>(request: &'h HeaderMap, name: &'h HeaderName) -> impl Iterator<Item = &'h str> {
    let lines = request.get_all(name).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}
