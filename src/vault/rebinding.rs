//! Re-seals the token pairs of older versions for their destinations.

use super::cipher::{CipherError, RowBinding};
use super::destination::Destination;
use super::sealing::{ACCESS_TOKEN, REFRESH_TOKEN, Vault};
use crate::domain::sealed::Ciphertext;
use crate::store::{Store, StoreError, UnboundPair};

/// Number of rows read by one query.
const BATCH_ROWS: i64 = 200;

impl Vault {
    /// Seals all pairs that an older version sealed without their destination. Returns their number.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn bind_destinations(&self, store: &Store) -> Result<u64, StoreError> {
        let (mut bound, mut last) = (0, None);
        loop {
            let rows = store.unbound_pairs(last.as_ref(), BATCH_ROWS).await?;
            if rows.is_empty() {
                return Ok(bound);
            }
            for row in &rows {
                match self.bind(row) {
                    Ok((access, refresh)) => {
                        let is_bound = store.bind_pair(row, &access, refresh.as_ref()).await?;
                        bound += u64::from(is_bound);
                    }
                    Err(error) => {
                        tracing::warn!(account = %row.account_id, %error, "tokens could not be re-sealed");
                    }
                }
            }
            last = rows.into_iter().next_back();
        }
    }

    fn bind(&self, row: &UnboundPair) -> Result<(Ciphertext, Option<Ciphertext>), CipherError> {
        let binding = RowBinding::new(row.environment_id, &row.account_id);
        let key = self.keys.unwrap_data_key(&row.data_key, &binding)?;
        let to = Destination { provider: row.provider, base_url: row.base_url.as_deref() };
        let seal = |name: &str, sealed: &Ciphertext| {
            let text = zeroize::Zeroizing::new(to.open(&key, name, sealed)?);
            key.seal(&*self.entropy, &to.column(name), &text)
        };
        let access = seal(ACCESS_TOKEN, &row.access_token)?;
        let refresh = row.refresh_token.as_ref().map(|token| seal(REFRESH_TOKEN, token));
        Ok((access, refresh.transpose()?))
    }
}
