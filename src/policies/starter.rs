//! The starter set: policies that make sense for most organizations.

use serde_json::{Value, json};
use time::OffsetDateTime;

use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::domain::ids::PolicyId;
use crate::domain::policy::{Policy, PolicyMode, PolicySeverity};

/// A policy of the starter set.
struct Starter {
    name: &'static str,
    kind: &'static str,
    parameters: fn() -> Value,
    severity: PolicySeverity,
}

/// The policies, in the order of their creation.
const STARTERS: [Starter; 7] = [
    Starter {
        name: "At least two org owners",
        kind: "min_holders",
        parameters: || json!({"role_ids": ["org:owner", "org:primary_owner"], "count": 2}),
        severity: PolicySeverity::Warning,
    },
    Starter {
        name: "At most five org owners",
        kind: "max_holders",
        parameters: || json!({"role_ids": ["org:owner", "org:primary_owner"], "count": 5}),
        severity: PolicySeverity::Warning,
    },
    Starter {
        name: "Privileged roles are granted through the gateway",
        kind: "unmanaged_change",
        parameters: || json!({}),
        severity: PolicySeverity::Critical,
    },
    Starter {
        name: "Deactivated people have no access",
        kind: "no_access_after_deactivation",
        parameters: || json!({}),
        severity: PolicySeverity::Critical,
    },
    Starter {
        name: "Owners and admins use two-factor authentication",
        kind: "two_factor_required",
        parameters: || {
            json!({"role_ids": ["org:primary_owner", "org:owner", "org:admin", "ws:primary_owner",
                "ws:owner", "ws:admin"]})
        },
        severity: PolicySeverity::Critical,
    },
    Starter {
        name: "The access of guests ends within 90 days",
        kind: "guests_must_expire",
        parameters: || json!({"within_days": 90}),
        severity: PolicySeverity::Warning,
    },
    Starter {
        name: "Each e-mail address belongs to one person",
        kind: "duplicate_emails",
        parameters: || json!({}),
        severity: PolicySeverity::Info,
    },
];

/// Returns the policies of the starter set, for all accounts of an environment. Each reports violations and changes
/// nothing.
pub fn starter_policies(
    clock: &dyn Clock,
    entropy: &dyn Entropy,
    now: OffsetDateTime,
) -> Vec<Policy> {
    let policy = |starter: &Starter| Policy {
        id: PolicyId::generate(clock, entropy),
        name: starter.name.to_owned(),
        kind: starter.kind.to_owned(),
        parameters: (starter.parameters)(),
        integrated_account_ids: None,
        severity: starter.severity,
        grace_s: 0,
        mode: PolicyMode::Alert,
        is_active: true,
        created_at: now,
        updated_at: now,
    };
    STARTERS.iter().map(policy).collect()
}
