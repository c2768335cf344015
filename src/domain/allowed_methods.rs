//! Which of a provider's methods a key may call raw.

use serde::Serialize;

/// The most patterns of a key.
const MOST: usize = 100;
/// The longest pattern.
const LONGEST: usize = 100;

/// Patterns of a provider's methods: a name such as `users.info`, or a beginning such as `admin.users.*`.
/// A name that nothing admits is refused, so one that is spelt otherwise passes nothing by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct AllowedMethods(Vec<String>);

/// A list of patterns that can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 100 names of methods such as users.info; a `*` may stand for the end of one")]
pub struct InvalidPatterns;

impl AllowedMethods {
    /// Those patterns.
    ///
    /// # Errors
    ///
    /// When there is none, or one can't be the name of a method or its beginning.
    pub fn new(patterns: Vec<String>) -> Result<Self, InvalidPatterns> {
        let is_plain = |pattern: &String| {
            let name = pattern.strip_suffix('*').unwrap_or(pattern);
            let may_stand = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:@".contains(&byte);
            (1..=LONGEST).contains(&pattern.len()) && name.bytes().all(may_stand)
        };
        let is_usable = (1..=MOST).contains(&patterns.len()) && patterns.iter().all(is_plain);
        if is_usable { Ok(Self(patterns)) } else { Err(InvalidPatterns) }
    }

    /// The patterns.
    #[must_use]
    pub fn patterns(&self) -> &[String] {
        &self.0
    }

    /// Whether a method may be called.
    #[must_use]
    pub fn admits(&self, method: &str) -> bool {
        self.0.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(beginning) => method.starts_with(beginning),
            None => method == pattern,
        })
    }

    /// Whether everything that `other` admits is admitted here too.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other.0.iter().all(|theirs| match theirs.strip_suffix('*') {
            Some(beginning) => self
                .0
                .iter()
                .any(|ours| ours.strip_suffix('*').is_some_and(|ours| beginning.starts_with(ours))),
            None => self.admits(theirs),
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
    fn names_and_beginnings_are_admitted_and_nothing_else() {
        let allowed = of(&["users.*", "admin.users.list", "scim.users.get"]);
        for method in ["users.info", "users.profile.get", "admin.users.list", "scim.users.get"] {
            assert!(allowed.admits(method), "{method}");
        }
        for method in ["users", "Users.info", "admin.users.listing", "scim.users.patch", "", "*"] {
            assert!(!allowed.admits(method), "{method}");
        }
        assert!(of(&["*"]).admits("whatever.there.is"));
    }

    #[test]
    fn a_list_covers_what_is_no_wider() {
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
    fn what_is_no_pattern_is_refused() {
        for bad in [vec![], vec![""], vec!["users.*.get"], vec!["a b"], vec!["**"], vec!["a/b"]] {
            let patterns = bad.iter().map(|&one| str::to_owned(one)).collect();
            assert_eq!(AllowedMethods::new(patterns), Err(InvalidPatterns), "{bad:?}");
        }
    }
}
