//! `two_factor_required`: people use two-factor authentication.

use super::sign_in::{SignInMethod, SignInRequirement};
use crate::domain::policy::PersonProfile;

pub(super) const DESCRIPTION: &str =
    "Everybody who can sign in uses two-factor authentication, as far as the provider says.";
pub(super) const EXAMPLE: &str = r#"{"role_ids": ["org:owner", "org:admin"]}"#;

/// Parameters of `two_factor_required`.
pub(super) type Parameters = SignInRequirement<TwoFactor>;

/// Two-factor authentication.
#[derive(Debug)]
pub(super) struct TwoFactor;

impl SignInMethod for TwoFactor {
    const NAME: &'static str = "two-factor authentication";

    fn is_used(profile: &PersonProfile) -> Option<bool> {
        profile.is_2fa_enabled
    }
}
