//! What a server's schema of users permits.

use super::attribute::AttributePath;
use super::features::ScimFeatures;

/// Whether the server's schema of users lets an attribute be written; `true` when the schema is unknown.
pub(super) fn can_write(features: &ScimFeatures, path: &AttributePath) -> bool {
    features.user.can_write(&path.text())
}

/// Whether the server's schema of users is known and has a writable attribute.
pub(super) fn is_known_writable(features: &ScimFeatures, path: &AttributePath) -> bool {
    !features.user.attributes.is_empty() && can_write(features, path)
}
