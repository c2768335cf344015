//! What the address of a hosted page, or a form on it, says about how it is to be shown.

use super::shown::Display;
use crate::http::extract::{Params, contradicting};
use crate::http::problem::Problem;

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
    pub(super) fn read(query: Option<&str>) -> Result<Self, Problem> {
        let mut params = Params::read(query);
        let display = params.take("display")?;
        let is_frame = params.take("iframe")?.as_deref() == Some("true");
        // The other gateway's word for it.
        let provider = match (params.take("provider")?, params.take("integration")?) {
            (Some(one), Some(other)) if one != other => {
                return Err(contradicting(["provider", "integration"], "names another provider"));
            }
            (one, other) => one.or(other),
        };
        Ok(Self {
            display: if is_frame { Some(Display::Frame.name().to_owned()) } else { display },
            origin: params.take("origin")?,
            link_token: params.take("link_token")?,
            provider,
        })
    }
}
