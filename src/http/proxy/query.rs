//! Parses the query of a raw call: removes the gateway's parameters, forwards the rest byte for byte.

use std::borrow::Cow;

use bytes::Bytes;

use super::token_field::{FieldFormat, form_has_token};
use crate::http::extract::Params;
use crate::http::problem::Problem;

/// The gateway's parameters.
const ACCOUNT_PARAM: &str = "integrated_account_id";
pub(super) const PAGINATE_PARAM: &str = "paginate";

/// The query of a raw call.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ProxyQuery<'a> {
    /// Whether to return all pages.
    pub(super) paginate: bool,
    /// The provider's parameters, byte for byte.
    pub(super) forwarded: Option<Cow<'a, str>>,
}

impl<'a> ProxyQuery<'a> {
    /// Parses a query.
    pub(super) fn of(query: Option<&'a str>) -> Result<Self, Problem> {
        let Some(query) = query else { return Ok(Self { paginate: false, forwarded: None }) };
        if !query.contains(ACCOUNT_PARAM) && !query.contains(PAGINATE_PARAM) {
            return Ok(Self { paginate: false, forwarded: Some(query.into()) });
        }
        let paginate = Params::read(Some(query)).parse(PAGINATE_PARAM)?.unwrap_or_default();
        let mut theirs = String::with_capacity(query.len());
        for pair in query.split('&') {
            match pair.split_once('=').map_or(pair, |(name, _)| name) {
                ACCOUNT_PARAM | PAGINATE_PARAM => {}
                _ => {
                    if !theirs.is_empty() {
                        theirs.push('&');
                    }
                    theirs.push_str(pair);
                }
            }
        }
        Ok(Self { paginate, forwarded: (!theirs.is_empty()).then_some(theirs.into()) })
    }

    /// Removes `token` parameters: keys do not belong into URLs, and the provider would use them in place of the
    /// account's token.
    pub(super) fn without_token(mut self) -> Result<Self, Problem> {
        let Some(theirs) =
            self.forwarded.as_deref().filter(|query| form_has_token(query.as_bytes()))
        else {
            return Ok(self);
        };
        let cleaned = FieldFormat::Form.clean(Bytes::copy_from_slice(theirs.as_bytes()))?;
        let rest = String::from_utf8_lossy(&cleaned.body).into_owned();
        self.forwarded = (!rest.is_empty()).then_some(rest.into());
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removes_only_the_gateways_parameters() {
        let query = |text: &'static str| ProxyQuery::of(Some(text)).ok();
        let passed = |paginate, theirs: Option<&'static str>| {
            Some(ProxyQuery { paginate, forwarded: theirs.map(Cow::Borrowed) })
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
        assert_eq!(ProxyQuery::of(None).ok(), passed(false, None));
    }

    #[test]
    fn removes_token_parameters() {
        let cleaned = |text: &'static str| ProxyQuery::of(Some(text)).unwrap().without_token().ok();
        let passed = |theirs: Option<&'static str>| {
            Some(ProxyQuery { paginate: false, forwarded: theirs.map(Cow::Borrowed) })
        };
        assert_eq!(cleaned("a=%20b&tokens=x"), passed(Some("a=%20b&tokens=x")));
        assert_eq!(cleaned("a=%20b&token=key&c"), passed(Some("a=%20b&c")));
        assert_eq!(cleaned("%74oken=%6Bey"), passed(None));
        assert_eq!(cleaned("token[]=x&a=1&+Token=y&token"), passed(Some("a=1")));
    }
}
