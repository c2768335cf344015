//! The table of methods: budgets, rates and idempotency of each.

use std::borrow::Cow;
use std::sync::LazyLock;

use foldhash::HashMap;
use http::Method;
use serde::Deserialize;

use crate::connectors::path::is_kind;
use crate::limit::Rate;
use crate::upstream::{Idempotency, ProviderBucket};

/// Parsed once, so that method names need no copies.
static TABLE: LazyLock<Result<TableFile, toml::de::Error>> =
    LazyLock::new(|| toml::from_str(include_str!("../../../config/slack_enterprise.toml")));
/// The tier and budget of methods that are not in the table.
const UNKNOWN: &str = "unknown";

/// The paths of the audit log.
const AUDIT_PATHS: [&str; 3] = ["logs", "schemas", "actions"];
/// The names of SCIM's budgets.
const SCIM_BUDGETS: [&str; 10] = [
    "scim.groups.create",
    "scim.groups.delete",
    "scim.groups.get",
    "scim.groups.update",
    "scim.read",
    "scim.users.create",
    "scim.users.delete",
    "scim.users.get",
    "scim.users.update",
    "scim.write",
];

/// Why the table of methods can't be used.
#[derive(Debug, thiserror::Error)]
pub enum MethodTableError {
    /// The file is not valid TOML, or has unexpected fields.
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    /// A method has an unknown tier.
    #[error("method {0} has an unknown tier")]
    Tier(String),
}

/// Budgets and idempotency of Slack's methods.
#[derive(Debug)]
pub(super) struct MethodTable {
    table: &'static TableFile,
    unknown: Rate,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TableFile {
    tiers: HashMap<String, TableRate>,
    scim: ScimRates,
    audit: TableRate,
    methods: HashMap<String, WebMethod>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct TableRate {
    per_minute: f64,
    burst: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScimRates {
    sets: ScimSets,
    endpoints: ScimEndpoints,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScimSets {
    read: TableRate,
    write: TableRate,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScimEndpoints {
    get_one: TableRate,
    write: TableRate,
    update_group: TableRate,
}

/// A Web API method. Scopes and pagination style are documentation, and used by tests.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WebMethod {
    tier: String,
    #[serde(default)]
    read: bool,
    #[serde(default, rename = "scopes")]
    _scopes: Vec<String>,
    #[serde(default, rename = "paging")]
    _paging: Option<String>,
    #[serde(default)]
    items: Option<String>,
    #[serde(default)]
    max_limit: Option<u32>,
}

impl From<TableRate> for Rate {
    fn from(pace: TableRate) -> Self {
        Self { per_minute: pace.per_minute, burst: pace.burst }
    }
}

impl MethodTable {
    /// Reads the table.
    pub(super) fn load() -> Result<Self, MethodTableError> {
        let table = TABLE.as_ref().map_err(Clone::clone)?;
        if let Some((name, _)) =
            table.methods.iter().find(|(_, method)| !table.tiers.contains_key(&method.tier))
        {
            return Err(MethodTableError::Tier(name.clone()));
        }
        let unknown =
            table.tiers.get(UNKNOWN).ok_or_else(|| MethodTableError::Tier(UNKNOWN.to_owned()))?;
        Ok(Self { unknown: (*unknown).into(), table })
    }

    /// Returns the names of the methods in the table, and of SCIM calls, including those through the proxy.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        let scim = ["users", "groups"].into_iter().flat_map(|kind| {
            let ours = ["list", "get", "create", "update", "delete"];
            let verbs = ours.into_iter().chain(["post", "put", "patch"]);
            verbs.map(move |verb| format!("scim.{kind}.{verb}"))
        });
        self.table.methods.keys().cloned().chain(scim).chain(["audit.logs".to_owned()])
    }

    /// Returns the name, the budget and the idempotency of a Web API method. A method that is not in the table counts
    /// as slow and as a change: Slack's methods do the same by GET as by POST. All of these share one budget, since
    /// callers can invent names.
    pub(super) fn web(
        &self,
        name: &str,
    ) -> (Cow<'static, str>, (Vec<ProviderBucket>, Idempotency)) {
        let (name, bucket, rate, is_read) = match self.table.methods.get_key_value(name) {
            Some((name, method)) => {
                let pace = self.table.tiers.get(&method.tier);
                let rate = pace.map_or(self.unknown, |pace| (*pace).into());
                (Cow::Borrowed(name.as_str()), name.as_str(), rate, method.read)
            }
            None => (Cow::Owned(name.to_owned()), UNKNOWN, self.unknown, false),
        };
        let budget = ProviderBucket { name: Cow::Borrowed(bucket), rate, per_app: true };
        (name, (vec![budget], idempotency(is_read)))
    }

    /// Returns the response field with the rows of a list method, if it is in the table.
    pub(super) fn items(&self, name: &str) -> Option<&str> {
        self.table.methods.get(name)?.items.as_deref()?.split(',').next()
    }

    /// Returns the maximum page size of a method, if it is in the table.
    pub(super) fn max_limit(&self, name: &str) -> Option<u32> {
        self.table.methods.get(name)?.max_limit
    }

    /// Returns the budgets and the idempotency of a SCIM call. `path` follows the version, such as `Users/U1`; the
    /// resource type and the presence of an id decide.
    pub(super) fn scim(&self, http: &Method, path: &str) -> (Vec<ProviderBucket>, Idempotency) {
        let ScimRates { sets, endpoints } = &self.table.scim;
        let (resource, id) = path.split_once('/').unwrap_or((path, ""));
        let is_read = matches!(*http, Method::GET | Method::HEAD);
        let is_group = is_kind(resource, "groups");
        let budget = |bucket: &'static str, pace: TableRate| ProviderBucket {
            name: Cow::Borrowed(bucket),
            rate: pace.into(),
            per_app: false,
        };
        let endpoint = match (http, is_group) {
            _ if is_read && id.is_empty() => None,
            _ if is_read && is_group => Some(budget("scim.groups.get", endpoints.get_one)),
            _ if is_read => Some(budget("scim.users.get", endpoints.get_one)),
            (&(Method::PUT | Method::PATCH), true) => {
                Some(budget("scim.groups.update", endpoints.update_group))
            }
            (&(Method::PUT | Method::PATCH), false) => {
                Some(budget("scim.users.update", endpoints.write))
            }
            (&Method::DELETE, true) => Some(budget("scim.groups.delete", endpoints.write)),
            (&Method::DELETE, false) => Some(budget("scim.users.delete", endpoints.write)),
            (_, true) => Some(budget("scim.groups.create", endpoints.write)),
            (_, false) => Some(budget("scim.users.create", endpoints.write)),
        };
        let set =
            if is_read { budget("scim.read", sets.read) } else { budget("scim.write", sets.write) };
        let repeatable = is_read || matches!(*http, Method::PUT | Method::DELETE);
        (endpoint.into_iter().chain([set]).collect(), idempotency(repeatable))
    }

    /// Whether there is a budget of that name: of a method, of SCIM or of the audit log.
    pub(super) fn has_budget(&self, name: &str) -> bool {
        let is_audit = name.strip_prefix("audit.").is_some_and(|path| audit_path(path) == path);
        is_audit
            || name == UNKNOWN
            || SCIM_BUDGETS.contains(&name)
            || self.table.methods.contains_key(name)
    }

    /// Returns the budget of an audit log call, shared by all apps of an organization. A GET only reads.
    /// <https://docs.slack.dev/reference/audit-logs-api/methods-actions-reference#rate-limits>
    pub(super) fn audit(&self, http: &Method, path: &str) -> (Vec<ProviderBucket>, Idempotency) {
        let bucket = Cow::Owned(format!("audit.{}", audit_path(path)));
        let budget = ProviderBucket { name: bucket, rate: self.table.audit.into(), per_app: false };
        (vec![budget], idempotency(matches!(*http, Method::GET | Method::HEAD)))
    }
}

/// Returns the budget name of an audit log path: all unknown paths share one.
fn audit_path(path: &str) -> &str {
    if AUDIT_PATHS.contains(&path) { path } else { UNKNOWN }
}

fn idempotency(repeatable: bool) -> Idempotency {
    if repeatable { Idempotency::Idempotent } else { Idempotency::NonIdempotent }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_complete_and_every_tier_in_it_is_known() {
        let methods = MethodTable::load().unwrap();
        assert_eq!(methods.table.methods.len(), 370);
        let mut by_tier: Vec<(String, usize)> = Vec::new();
        for tier in ["1", "2", "3", "4", "special", "unknown"] {
            let count = methods.table.methods.values().filter(|m| m.tier == tier).count();
            by_tier.push((tier.to_owned(), count));
        }
        let counts: Vec<usize> = by_tier.iter().map(|(_, count)| *count).collect();
        assert_eq!(counts, [15, 193, 109, 36, 10, 7]);
    }

    #[test]
    fn a_method_has_the_rate_of_its_tier_and_an_unknown_one_is_slow() {
        let methods = MethodTable::load().unwrap();
        let rate = |name: &'static str| methods.web(name).1.0.first().unwrap().rate.per_minute;
        assert!((rate("admin.users.list") - 100.0).abs() < f64::EPSILON);
        assert!((rate("admin.teams.create") - 1.0).abs() < f64::EPSILON);
        assert!((rate("not.documented") - 20.0).abs() < f64::EPSILON);
    }

    #[test]
    fn changes_are_not_idempotent() {
        let methods = MethodTable::load().unwrap();
        let web = |name: &'static str| methods.web(name).1.1;
        assert_eq!(web("admin.users.list"), Idempotency::Idempotent);
        assert_eq!(web("admin.users.invite"), Idempotency::NonIdempotent);
        assert_eq!(web("not.documented"), Idempotency::NonIdempotent);
        assert_eq!(methods.audit(&Method::GET, "logs").1, Idempotency::Idempotent);
        assert_eq!(methods.audit(&Method::POST, "logs").1, Idempotency::NonIdempotent);
        assert_eq!(methods.scim(&Method::POST, "Users").1, Idempotency::NonIdempotent);
        assert_eq!(methods.scim(&Method::GET, "Users").1, Idempotency::Idempotent);
    }

    #[test]
    fn a_scim_call_uses_the_budgets_of_its_endpoint_and_its_set() {
        let methods = MethodTable::load().unwrap();
        let buckets = |http, path| -> Vec<_> {
            methods.scim(&http, path).0.into_iter().map(|budget| budget.name).collect()
        };
        assert_eq!(buckets(Method::GET, "Users"), ["scim.read"]);
        assert_eq!(buckets(Method::GET, "Users/U1"), ["scim.users.get", "scim.read"]);
        assert_eq!(buckets(Method::PATCH, "Users/U1"), ["scim.users.update", "scim.write"]);
        assert_eq!(buckets(Method::PUT, "Users/U1"), ["scim.users.update", "scim.write"]);
        assert_eq!(buckets(Method::DELETE, "Users/U1"), ["scim.users.delete", "scim.write"]);
        assert_eq!(buckets(Method::POST, "Users"), ["scim.users.create", "scim.write"]);
        assert_eq!(buckets(Method::DELETE, "Groups/S1"), ["scim.groups.delete", "scim.write"]);
        assert_eq!(buckets(Method::PATCH, "Groups/S1"), ["scim.groups.update", "scim.write"]);
        assert_eq!(buckets(Method::POST, "Groups"), ["scim.groups.create", "scim.write"]);
        for (http, path) in [(Method::GET, "Groups/S1"), (Method::PUT, "Groups/S1")] {
            assert!(buckets(http, path).iter().all(|name| methods.has_budget(name)), "{path}");
        }
        assert!(methods.has_budget("admin.users.setAdmin") && methods.has_budget("audit.logs"));
        assert!(!methods.has_budget("admin.users.setadmin"));
    }

    #[test]
    fn unknown_methods_share_a_budget() {
        let methods = MethodTable::load().unwrap();
        for name in ["not.documented", "x"] {
            assert_eq!(methods.web(name).1.0[0].name, "unknown");
            assert_eq!(methods.audit(&Method::GET, name).0[0].name, "audit.unknown");
        }
        assert_eq!(methods.audit(&Method::GET, "logs").0[0].name, "audit.logs");
    }
}
