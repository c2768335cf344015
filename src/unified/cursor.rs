//! Cursors: opaque, signed, and good for one list of one account only. They hold all that a next page
//! needs, so they survive a restart and go to any replica; and where the list has been, so that one that comes back there
//! is found out.

use super::UnifiedError;
use crate::connectors::Position;
use crate::connectors::paging::Trail;
use crate::domain::ids::IntegratedAccountId;
use crate::vault::Signer;

/// The first byte of a cursor with a trail: one that no position begins with.
const WITH_TRAIL: u8 = 1;

/// The list that a cursor is bound to.
#[derive(Debug, Clone)]
pub struct List {
    /// Whose list.
    pub account: IntegratedAccountId,
    /// Of what.
    pub resource: &'static str,
    /// The filter and what else decides about the rows, written down.
    pub question: String,
}

impl List {
    fn context(&self) -> String {
        format!("{}\n{}\n{}", self.account, self.resource, self.question)
    }

    /// The cursor of a position in this list, and of the way to it.
    #[must_use]
    pub fn seal(&self, signer: &Signer, position: &Position, trail: &Trail) -> String {
        let payload = [&[WITH_TRAIL], &*trail.to_bytes(), position.0.as_bytes()].concat();
        signer.seal(&self.context(), &payload)
    }

    /// The position of a cursor of this list, and the way to it.
    ///
    /// # Errors
    ///
    /// `InvalidCursor` for one that was changed, or of another list.
    pub fn open(&self, signer: &Signer, cursor: &str) -> Result<(Position, Trail), UnifiedError> {
        let payload = signer.open(&self.context(), cursor).ok_or(UnifiedError::InvalidCursor)?;
        let payload = payload.as_slice();
        let (trail, position) = match payload.split_first() {
            Some((&WITH_TRAIL, rest)) => {
                Trail::from_bytes(rest).ok_or(UnifiedError::InvalidCursor)?
            }
            // Of a gateway that wrote none yet.
            Some(_) | None => (Trail::default(), payload),
        };
        let position = String::from_utf8(position.to_vec());
        Ok((Position(position.map_err(|_| UnifiedError::InvalidCursor)?), trail))
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

    fn list(seed: u64, resource: &'static str) -> List {
        let entropy = SeededEntropy::new(seed);
        let account = IntegratedAccountId::generate(&SystemClock, &entropy);
        List { account, resource, question: "{}".to_owned() }
    }

    proptest! {
        #[test]
        fn a_cursor_opens_in_its_own_list_only(position in ".{0,80}") {
            let (signer, home) = (signer(&[1]), list(1, "users"));
            let mut trail = Trail::default();
            trail.step(&position).unwrap();
            let cursor = home.seal(&signer, &Position(position.clone()), &trail);
            prop_assert_eq!(home.open(&signer, &cursor).unwrap(), (Position(position), trail));
            let filtered = List { question: "{\"status\":\"active\"}".to_owned(), ..home.clone() };
            let roles = List { resource: "roles", ..home };
            let elsewhere = [roles, filtered, list(2, "users")];
            for other in elsewhere {
                prop_assert!(other.open(&signer, &cursor).is_err());
            }
        }

        #[test]
        fn a_changed_cursor_opens_nowhere(index in 0_usize..40, with in "[A-Za-z0-9_-]") {
            let (signer, home) = (signer(&[1]), list(1, "users"));
            let cursor = home.seal(&signer, &Position("{\"cursor\":\"dXNlcjpV\"}".to_owned()), &Trail::default());
            let mut changed = cursor.clone();
            changed.replace_range(index..=index, &with);
            prop_assume!(changed != cursor);
            prop_assert!(home.open(&signer, &changed).is_err());
        }
    }

    #[test]
    fn a_cursor_outlives_a_new_master_key() {
        let home = list(1, "users");
        let cursor = home.seal(&signer(&[1]), &Position("p".to_owned()), &Trail::default());
        assert!(home.open(&signer(&[2, 1]), &cursor).is_ok());
        assert!(home.open(&signer(&[2]), &cursor).is_err());
    }
}
