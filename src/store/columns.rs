//! Conversion of values to and from columns: ids as text, enums by name, digests as bytes.

use crate::domain::allowed_methods::AllowedMethods;
use crate::domain::ids::{
    AccountTokenId, ApiKeyId, AuditId, ConsoleSessionId, DeliveryId, EnvironmentId, EventId,
    IntegratedAccountId, JobId, LinkTokenId, MappingId, PolicyId, PortalLinkId, ProviderAppId,
    ReconciliationId, ReplayId, RuleSetId, SyncRunId, ViolationId, WebhookId,
};
use crate::domain::networks::Networks;
use crate::domain::sealed::Digest;

use super::StoreError;

macro_rules! text_columns {
    ($($id:ty),*) => {$(
        impl sqlx::Type<sqlx::Postgres> for $id {
            fn type_info() -> sqlx::postgres::PgTypeInfo {
                <String as sqlx::Type<sqlx::Postgres>>::type_info()
            }

            fn compatible(ty: &sqlx::postgres::PgTypeInfo) -> bool {
                <String as sqlx::Type<sqlx::Postgres>>::compatible(ty)
            }
        }

        impl sqlx::Encode<'_, sqlx::Postgres> for $id {
            fn encode_by_ref(
                &self,
                buffer: &mut sqlx::postgres::PgArgumentBuffer,
            ) -> Result<sqlx::encode::IsNull, sqlx::error::BoxDynError> {
                <String as sqlx::Encode<sqlx::Postgres>>::encode_by_ref(&self.to_string(), buffer)
            }
        }

        impl<'r> sqlx::Decode<'r, sqlx::Postgres> for $id {
            fn decode(value: sqlx::postgres::PgValueRef<'r>) -> Result<Self, sqlx::error::BoxDynError> {
                Ok(<&str as sqlx::Decode<sqlx::Postgres>>::decode(value)?.parse::<Self>()?)
            }
        }
    )*};
}

text_columns!(
    AccountTokenId,
    ApiKeyId,
    AuditId,
    DeliveryId,
    EnvironmentId,
    EventId,
    MappingId,
    IntegratedAccountId,
    JobId,
    LinkTokenId,
    PolicyId,
    ProviderAppId,
    ReconciliationId,
    ReplayId,
    RuleSetId,
    SyncRunId,
    ViolationId,
    WebhookId,
    ConsoleSessionId,
    PortalLinkId
);

/// Returns the bytes of a digest for a query.
pub(super) fn digest_bytes(digest: &Digest) -> &[u8] {
    &digest.0
}

/// Parses a stored name of an enum.
pub(super) fn parse_name<T: std::str::FromStr>(
    table: &'static str,
    column: &'static str,
    name: &str,
) -> Result<T, StoreError> {
    name.parse().map_err(|_| StoreError::Inconsistent { table, column })
}

/// Parses the stored method patterns of a key.
pub(super) fn parse_patterns(
    table: &'static str,
    patterns: Option<Vec<String>>,
) -> Result<Option<AllowedMethods>, StoreError> {
    let inconsistent = |_| StoreError::Inconsistent { table, column: "allowed_methods" };
    patterns.map(AllowedMethods::new).transpose().map_err(inconsistent)
}

/// Parses the stored networks of a key.
pub(super) fn parse_networks(
    table: &'static str,
    texts: Option<Vec<String>>,
) -> Result<Option<Networks>, StoreError> {
    let inconsistent = |_| StoreError::Inconsistent { table, column: "allowed_addresses" };
    texts.map(|texts| Networks::new(&texts)).transpose().map_err(inconsistent)
}

/// Parses a list of stored names of an enum.
pub(super) fn parse_names<T: std::str::FromStr>(
    table: &'static str,
    column: &'static str,
    names: &[String],
) -> Result<Vec<T>, StoreError> {
    names.iter().map(|name| parse_name(table, column, name)).collect()
}
