//! The query of a raw call: what is ours is taken out, the rest passes byte for byte.

use std::borrow::Cow;

use bytes::Bytes;

use super::token_field::{FieldFormat, form_has_token};
use crate::http::extract::Params;
use crate::http::problem::Problem;

/// The parameters that are ours.
const ACCOUNT: &str = "integrated_account_id";
pub(super) const PAGINATE: &str = "paginate";

/// The caller's query.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query<'a> {
    /// Whether all pages are wanted.
    pub(super) paginate: bool,
    /// The rest without what is ours, byte for byte.
    pub(super) theirs: Option<Cow<'a, str>>,
}

impl<'a> Query<'a> {
    /// Reads a query.
    pub(super) fn of(query: Option<&'a str>) -> Result<Self, Problem> {
        let Some(query) = query else { return Ok(Self { paginate: false, theirs: None }) };
        if !query.contains(ACCOUNT) && !query.contains(PAGINATE) {
            return Ok(Self { paginate: false, theirs: Some(query.into()) });
        }
        let paginate = Params::read(Some(query)).parse(PAGINATE)?.unwrap_or_default();
        let mut theirs = String::with_capacity(query.len());
        for pair in query.split('&') {
            match pair.split_once('=').map_or(pair, |(name, _)| name) {
                ACCOUNT | PAGINATE => {}
                _ => {
                    if !theirs.is_empty() {
                        theirs.push('&');
                    }
                    theirs.push_str(pair);
                }
            }
        }
        Ok(Self { paginate, theirs: (!theirs.is_empty()).then_some(theirs.into()) })
    }

    /// The same without a `token`, whatever it holds: an address is no place for keys, and the provider would take it for the
    /// token of the call.
    pub(super) fn without_token(mut self) -> Result<Self, Problem> {
        let Some(theirs) = self.theirs.as_deref().filter(|query| form_has_token(query.as_bytes()))
        else {
            return Ok(self);
        };
        let cleaned = FieldFormat::Form.clean(Bytes::copy_from_slice(theirs.as_bytes()))?;
        let rest = String::from_utf8_lossy(&cleaned.body).into_owned();
        self.theirs = (!rest.is_empty()).then_some(rest.into());
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_passes_untouched_but_for_our_own_parameters() {
        let query = |text: &'static str| Query::of(Some(text)).ok();
        let passed = |paginate, theirs: Option<&'static str>| {
            Some(Query { paginate, theirs: theirs.map(Cow::Borrowed) })
        };
        let mixed = "a=%20b&integrated_account_id=acc_1&c&paginate=true&d=%2B+";
        assert_eq!(query(mixed), passed(true, Some("a=%20b&c&d=%2B+")));
        assert_eq!(query("integrated_account_id=acc_1"), passed(false, None));
        assert_eq!(query("paginate=false&b"), passed(false, Some("b")));
        assert_eq!(query("a=%20b&c?d=/e"), passed(false, Some("a=%20b&c?d=/e")));
        assert_eq!(query(""), passed(false, Some("")));
        for refused in ["paginate=yes", "paginate=", "paginate", "paginate=true&paginate=true"] {
            assert_eq!(query(refused), None, "{refused}");
        }
        assert_eq!(Query::of(None).ok(), passed(false, None));
    }

    #[test]
    fn a_token_does_not_pass() {
        let cleaned = |text: &'static str| Query::of(Some(text)).unwrap().without_token().ok();
        let passed = |theirs: Option<&'static str>| {
            Some(Query { paginate: false, theirs: theirs.map(Cow::Borrowed) })
        };
        assert_eq!(cleaned("a=%20b&tokens=x"), passed(Some("a=%20b&tokens=x")));
        assert_eq!(cleaned("a=%20b&token=key&c"), passed(Some("a=%20b&c")));
        assert_eq!(cleaned("%74oken=%6Bey"), passed(None));
        assert_eq!(cleaned("token[]=x&a=1&+Token=y&token"), passed(Some("a=1")));
    }
}
