//! `sso_required`: people use single sign-on.

use super::sign_in::{SignInMethod, SignInRequirement};
use crate::domain::policy::PersonProfile;

pub(super) const DESCRIPTION: &str =
    "Everybody who can sign in uses single sign-on, as far as the provider says.";
pub(super) const EXAMPLE: &str = r#"{"role_ids": ["org:owner", "org:admin"]}"#;

/// Parameters of `sso_required`.
pub(super) type Parameters = SignInRequirement<SingleSignOn>;

/// Single sign-on.
#[derive(Debug)]
pub(super) struct SingleSignOn;

impl SignInMethod for SingleSignOn {
    const NAME: &'static str = "single sign-on";

    fn is_used(profile: &PersonProfile) -> Option<bool> {
        profile.is_sso_enabled
    }
}
