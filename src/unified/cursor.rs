//! Cursors: opaque, signed, and valid for one list of one account. A cursor holds all state of the next page, so it
//! survives a restart and works on any replica, and the page history of its list, to detect lists that repeat.

use super::UnifiedError;
use crate::connectors::PageToken;
use crate::connectors::paging::PageHistory;
use crate::domain::ids::IntegratedAccountId;
use crate::vault::Signer;

/// The first byte of a cursor with a page history: no page token begins with it.
const HISTORY_MARKER: u8 = 1;

/// The list that a cursor is bound to.
#[derive(Debug, Clone)]
pub struct ListScope {
    /// The account.
    pub account: IntegratedAccountId,
    /// The resource.
    pub resource: &'static str,
    /// The serialized filter and other parameters that decide about the rows.
    pub query: String,
}

impl ListScope {
    fn context(&self) -> String {
        format!("{}\n{}\n{}", self.account, self.resource, self.query)
    }

    /// Returns the signed cursor of a page token and the page history.
    #[must_use]
    pub fn seal(&self, signer: &Signer, position: &PageToken, trail: &PageHistory) -> String {
        let payload = [&[HISTORY_MARKER], &*trail.to_bytes(), position.0.as_bytes()].concat();
        signer.seal(&self.context(), &payload)
    }

    /// Returns the page token and the page history of a cursor of this list.
    ///
    /// # Errors
    ///
    /// `InvalidCursor` for a cursor that was changed, or is of another list.
    pub fn open(
        &self,
        signer: &Signer,
        cursor: &str,
    ) -> Result<(PageToken, PageHistory), UnifiedError> {
        let payload = signer.open(&self.context(), cursor).ok_or(UnifiedError::InvalidCursor)?;
        let payload = payload.as_slice();
        let (trail, position) = match payload.split_first() {
            Some((&HISTORY_MARKER, rest)) => {
                PageHistory::from_bytes(rest).ok_or(UnifiedError::InvalidCursor)?
            }
            // A cursor of an earlier version, without a page history.
            Some(_) | None => (PageHistory::default(), payload),
        };
        let position = String::from_utf8(position.to_vec());
        Ok((PageToken(position.map_err(|_| UnifiedError::InvalidCursor)?), trail))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use zeroize::Zeroizing;

    use super::*;
    use crate::domain::clock::SystemClock;
    use crate::domain::entropy::SeededEntropy;

    fn signer(bytes: &[u8]) -> Signer {
        let keys: Vec<_> =
            bytes.iter().map(|byte| (byte.to_string(), Zeroizing::new([*byte; 32]))).collect();
        Signer::derive(&keys, "cursors")
    }

    fn list(seed: u64, resource: &'static str) -> ListScope {
        let entropy = SeededEntropy::new(seed);
        let account = IntegratedAccountId::generate(&SystemClock, &entropy);
        ListScope { account, resource, query: "{}".to_owned() }
    }

    proptest! {
        #[test]
        fn a_cursor_opens_in_its_own_list_only(position in ".{0,80}") {
            let (signer, home) = (signer(&[1]), list(1, "users"));
            let mut trail = PageHistory::default();
            trail.visit(&position).unwrap();
            let cursor = home.seal(&signer, &PageToken(position.clone()), &trail);
            prop_assert_eq!(home.open(&signer, &cursor).unwrap(), (PageToken(position), trail));
            let filtered = ListScope { query: "{\"status\":\"active\"}".to_owned(), ..home.clone() };
            let roles = ListScope { resource: "roles", ..home };
            let elsewhere = [roles, filtered, list(2, "users")];
            for other in elsewhere {
                prop_assert!(other.open(&signer, &cursor).is_err());
            }
        }

        #[test]
        fn a_changed_cursor_opens_nowhere(index in 0_usize..40, with in "[A-Za-z0-9_-]") {
            let (signer, home) = (signer(&[1]), list(1, "users"));
            let cursor = home.seal(&signer, &PageToken("{\"cursor\":\"dXNlcjpV\"}".to_owned()), &PageHistory::default());
            let mut changed = cursor.clone();
            changed.replace_range(index..=index, &with);
            prop_assume!(changed != cursor);
            prop_assert!(home.open(&signer, &changed).is_err());
        }
    }

    #[test]
    fn a_cursor_is_valid_after_a_new_master_key() {
        let home = list(1, "users");
        let cursor = home.seal(&signer(&[1]), &PageToken("p".to_owned()), &PageHistory::default());
        assert!(home.open(&signer(&[2, 1]), &cursor).is_ok());
        assert!(home.open(&signer(&[2]), &cursor).is_err());
    }
}
