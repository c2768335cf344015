//! The provider methods that a key may call through the proxy.

use serde::Serialize;

/// Maximum number of patterns of a key.
const MAX_PATTERNS: usize = 100;
/// Maximum length of a pattern, in bytes.
const MAX_PATTERN_BYTES: usize = 100;

/// Patterns of provider methods: a name such as `users.info`, or a prefix such as `admin.users.*`. A method that no
/// pattern matches is rejected, so another spelling of a name bypasses nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct AllowedMethods(Vec<String>);

/// An invalid list of patterns.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 100 names of methods such as users.info; a `*` may stand for the end of one")]
pub struct InvalidPatterns;

impl AllowedMethods {
    /// Validates a list of patterns.
    ///
    /// # Errors
    ///
    /// `InvalidPatterns` for an empty or too long list, or a pattern that is no method name or prefix.
    pub fn new(patterns: Vec<String>) -> Result<Self, InvalidPatterns> {
        let is_plain = |pattern: &String| {
            let name = pattern.strip_suffix('*').unwrap_or(pattern);
            let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:@".contains(&byte);
            (1..=MAX_PATTERN_BYTES).contains(&pattern.len()) && name.bytes().all(may_stand)
        };
        let is_usable =
            (1..=MAX_PATTERNS).contains(&patterns.len()) && patterns.iter().all(is_plain);
        if is_usable { Ok(Self(patterns)) } else { Err(InvalidPatterns) }
    }

    /// Returns the patterns.
    #[must_use]
    pub fn patterns(&self) -> &[String] {
        &self.0
    }

    /// Whether the key may call `method`.
    #[must_use]
    pub fn allows(&self, method: &str) -> bool {
        self.0.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(beginning) => method.starts_with(beginning),
            None => method == pattern,
        })
    }

    /// Whether every method that `other` allows is allowed here too.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other.0.iter().all(|theirs| match theirs.strip_suffix('*') {
            Some(beginning) => self
                .0
                .iter()
                .any(|ours| ours.strip_suffix('*').is_some_and(|ours| beginning.starts_with(ours))),
            None => self.allows(theirs),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(patterns: &[&str]) -> AllowedMethods {
        AllowedMethods::new(patterns.iter().map(|&one| one.to_owned()).collect()).unwrap()
    }

    #[test]
    fn allows_only_names_and_prefixes() {
        let allowed = of(&["users.*", "admin.users.list", "scim.users.get"]);
        for method in ["users.info", "users.profile.get", "admin.users.list", "scim.users.get"] {
            assert!(allowed.allows(method), "{method}");
        }
        for method in ["users", "Users.info", "admin.users.listing", "scim.users.patch", "", "*"] {
            assert!(!allowed.allows(method), "{method}");
        }
        assert!(of(&["*"]).allows("whatever.there.is"));
    }

    #[test]
    fn a_list_covers_narrower_lists() {
        let allowed = of(&["users.*", "team.info"]);
        for (other, covered) in [
            (vec!["users.info"], true),
            (vec!["users.*"], true),
            (vec!["users.profile.*", "team.info"], true),
            (vec!["team.*"], false),
            (vec!["*"], false),
            (vec!["users.info", "admin.users.list"], false),
        ] {
            assert_eq!(allowed.covers(&of(&other)), covered, "{other:?}");
        }
    }

    #[test]
    fn rejects_invalid_patterns() {
        for bad in [vec![], vec![""], vec!["users.*.get"], vec!["a b"], vec!["**"], vec!["a/b"]] {
            let patterns = bad.iter().map(|&one| str::to_owned(one)).collect();
            assert_eq!(AllowedMethods::new(patterns), Err(InvalidPatterns), "{bad:?}");
        }
    }
}
