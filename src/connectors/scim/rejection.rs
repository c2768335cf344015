//! Rejections of changes after which another form of the same change may be accepted. Nothing was applied.

use crate::connectors::ConnectorError;

/// Why a server rejected the form of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rejection {
    /// The resource has another version than the one sent: 412.
    Outdated,
    /// The change must be sent with the version of the resource: 428.
    Unconditional,
    /// The operations or their paths are not understood: 400.
    Form,
    /// The path is understood, and nothing matches it: 400 `noTarget`. Another change may have come in between.
    NoTarget,
    /// The HTTP method is not supported: 404, 405 or 501.
    Method,
}

/// Codes of errors about the form of a PATCH (RFC 7644 §3.12), in lower case.
const FORM_CODES: [&str; 4] = ["invalidfilter", "invalidpath", "invalidsyntax", "http_400"];

/// Returns why a change was rejected, when another form of it may be accepted.
pub(super) fn rejection(error: &ConnectorError) -> Option<Rejection> {
    let code = error.code.as_deref()?.to_ascii_lowercase();
    match &*code {
        "http_412" => Some(Rejection::Outdated),
        "http_428" => Some(Rejection::Unconditional),
        "notarget" => Some(Rejection::NoTarget),
        // The resource was read before: it is the method that does not exist there.
        "http_404" | "http_405" | "http_501" => Some(Rejection::Method),
        code if FORM_CODES.contains(&code) => Some(Rejection::Form),
        _ => None,
    }
}
