//! Conversion of `multipart/form-data` bodies to form data.

use std::convert::Infallible;

use axum::body::Bytes;
use futures_util::stream;
use url::form_urlencoded::Serializer;

use super::error::WebApiError;

/// Media type of such a body, without the boundary.
pub(in crate::sandbox::api) const TYPE: &str = "multipart/form-data";

/// Returns the fields of a multipart body, URL-encoded.
pub(super) async fn as_form(content_type: &str, body: Bytes) -> Result<Bytes, WebApiError> {
    let invalid = |_: multer::Error| WebApiError::new("invalid_form_data");
    let boundary = multer::parse_boundary(content_type).map_err(invalid)?;
    let whole = stream::once(std::future::ready(Ok::<_, Infallible>(body)));
    let mut parts = multer::Multipart::new(whole, boundary);
    let mut pairs = Vec::new();
    while let Some(part) = parts.next_field().await.map_err(invalid)? {
        let name = part.name().unwrap_or_default().to_owned();
        pairs.push((name, part.text().await.map_err(invalid)?));
    }
    Ok(Serializer::new(String::new()).extend_pairs(pairs).finish().into())
}
