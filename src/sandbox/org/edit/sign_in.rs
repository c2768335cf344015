//! What people do on their own and Slack reports no change of: a second factor, single sign-on, activity. Lists show it.

use super::{Edit, EditError};
use crate::sandbox::org::PersonIndex;

impl Edit<'_> {
    /// Sets whether an account has a second factor.
    ///
    /// # Errors
    ///
    /// [`EditError::NoSuchPerson`].
    pub fn set_two_factor(&mut self, index: PersonIndex, has_2fa: bool) -> Result<(), EditError> {
        self.org.person_mut(index).ok_or(EditError::NoSuchPerson)?.has_2fa = has_2fa;
        Ok(())
    }

    /// Sets whether an account signs in through the identity provider.
    ///
    /// # Errors
    ///
    /// [`EditError::NoSuchPerson`].
    pub fn set_single_sign_on(
        &mut self,
        index: PersonIndex,
        has_sso: bool,
    ) -> Result<(), EditError> {
        self.org.person_mut(index).ok_or(EditError::NoSuchPerson)?.has_sso = has_sso;
        Ok(())
    }

    /// Sets when an account was last used: Unix seconds, 0 for never.
    ///
    /// # Errors
    ///
    /// [`EditError::NoSuchPerson`].
    pub fn set_last_active(&mut self, index: PersonIndex, at: i64) -> Result<(), EditError> {
        self.org.person_mut(index).ok_or(EditError::NoSuchPerson)?.last_active = at;
        Ok(())
    }
}
