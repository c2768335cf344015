//! The style sheet and the script of the pages.

use crate::http::served_text::ServedText;

const STYLE: &str = include_str!("../../../web/docs.css");
const SCRIPT: &str = include_str!("../../../web/docs.js");

/// The style sheet and the script.
pub(super) struct Assets {
    pub(super) style: ServedText,
    pub(super) script: ServedText,
}

impl Assets {
    /// Compresses both.
    pub(super) fn new() -> Self {
        Self { style: ServedText::new(STYLE), script: ServedText::new(SCRIPT) }
    }

    /// Returns the address of the style sheet.
    pub(super) fn style_address(&self) -> String {
        format!("/docs/docs.css?v={}", self.style.digest())
    }

    /// Returns the address of the script.
    pub(super) fn script_address(&self) -> String {
        format!("/docs/docs.js?v={}", self.script.digest())
    }
}
