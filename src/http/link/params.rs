//! Parses the parameters of a hosted page, from its URL or its form.

use super::layout::DisplayMode;
use crate::http::extract::{Params, differing_parameters};
use crate::http::problem::Problem;

/// The parameters of a hosted page.
#[derive(Debug, Default)]
pub(super) struct LinkParams {
    /// The display mode.
    pub(super) display: Option<String>,
    /// The origin of the web page that opened it.
    pub(super) origin: Option<String>,
    /// The link token, if the path does not have it.
    pub(super) link_token: Option<String>,
    /// The selected provider.
    pub(super) provider: Option<String>,
}

impl LinkParams {
    /// Parses a query; unknown parameters are ignored on pages for people.
    ///
    /// # Errors
    ///
    /// `invalid_query` if a parameter is empty, repeated or contradictory.
    pub(super) fn parse(query: Option<&str>) -> Result<Self, Problem> {
        let mut params = Params::read(query);
        let display = params.take("display")?;
        let is_frame = params.take("iframe")?.as_deref() == Some("true");
        // Truto's name of the parameter.
        let provider = match (params.take("provider")?, params.take("integration")?) {
            (Some(one), Some(other)) if one != other => {
                return Err(differing_parameters(
                    ["provider", "integration"],
                    "names another provider",
                ));
            }
            (one, other) => one.or(other),
        };
        Ok(Self {
            display: if is_frame { Some(DisplayMode::Frame.name().to_owned()) } else { display },
            origin: params.take("origin")?,
            link_token: params.take("link_token")?,
            provider,
        })
    }
}
