//! What the address of a hosted page, or a form on it, says about how it is to be shown.

use url::form_urlencoded;

use super::shown::Display;

/// How a page is asked for.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// The window it is in.
    pub(super) display: Option<String>,
    /// The origin of the web page that opened it.
    pub(super) origin: Option<String>,
    /// The link token, where the path doesn't have it.
    pub(super) link_token: Option<String>,
    /// The provider that was chosen.
    pub(super) provider: Option<String>,
}

impl Asked {
    /// What an address says; what it says beyond that is of no matter to a page for people.
    pub(super) fn read(query: Option<&str>) -> Self {
        let mut asked = Self::default();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let place = match &*name {
                "display" => &mut asked.display,
                "origin" => &mut asked.origin,
                "link_token" => &mut asked.link_token,
                // The other gateway's word for it.
                "provider" | "integration" => &mut asked.provider,
                "iframe" if value == "true" => {
                    asked.display = Some(Display::Frame.name().to_owned());
                    continue;
                }
                _ => continue,
            };
            *place = Some(value.into_owned());
        }
        asked
    }
}
