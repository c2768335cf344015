//! Parses Truto's query parameters into response options and a query for our API.

use super::loopback::QueryPairs;
use crate::http::extract::{Params, invalid_parameter};
use crate::http::problem::Problem;

/// The parameter that selects the response format.
const FORMAT: &str = "truto_response_format";

/// The parameters of one request.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct TrutoParams {
    /// Whether rows are the provider's own objects.
    pub(super) is_raw: bool,
    /// Returns the list as an object keyed by this field.
    pub(super) key_by: Option<String>,
    /// With `key_by`: collects every row, regardless of the page size.
    pub(super) ignore_limit: bool,
    /// The cursor of the page.
    pub(super) next_cursor: Option<String>,
    /// All other parameters, under our names.
    pub(super) query: QueryPairs,
}

impl TrutoParams {
    /// Parses a query. The provider's objects are included by default, as in Truto.
    ///
    /// # Errors
    ///
    /// `invalid_query` if a parameter is empty, repeated or has an invalid value.
    pub(super) fn parse(query: Option<&str>) -> Result<Self, Problem> {
        let mut params = Params::read(query);
        let format = params.take(FORMAT)?;
        let hides_remote = params.parse::<bool>("truto_ignore_remote_data")?.unwrap_or_default();
        let mut parsed = Self {
            is_raw: false,
            key_by: params.take("truto_key_by")?,
            ignore_limit: params.parse("truto_ignore_limit")?.unwrap_or_default(),
            next_cursor: params.take("next_cursor")?,
            query: QueryPairs::new(),
        };
        for name in ["truto_exclude_fields[]", "truto_exclude_fields"] {
            let excluded = params.take_all(name)?.into_iter();
            parsed.query.extend(excluded.map(|field| ("exclude_fields[]".to_owned(), field)));
        }
        parsed.query.extend(params.rest()?);
        match format.as_deref() {
            None | Some("unified" | "normalized") => {
                let remote = ("include_remote_data".to_owned(), (!hides_remote).to_string());
                parsed.query.push(remote);
            }
            Some("raw") => parsed.is_raw = true,
            Some(_) => return Err(invalid_parameter(FORMAT, "must be unified, normalized or raw")),
        }
        parsed.query.extend(format.map(|format| ("response_format".to_owned(), format)));
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn converts_truto_parameters() {
        let query = "integrated_account_id=a&truto_response_format=normalized&truto_key_by=id\
                     &truto_ignore_remote_data=true&truto_exclude_fields[]=roles&workspace[id]=T1";
        let params = TrutoParams::parse(Some(query)).unwrap();
        assert_eq!(params.key_by.as_deref(), Some("id"));
        let pairs: Vec<_> = params.query.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(
            pairs,
            [
                ("exclude_fields[]", "roles"),
                ("integrated_account_id", "a"),
                ("workspace[id]", "T1"),
                ("include_remote_data", "false"),
                ("response_format", "normalized"),
            ]
        );
        assert_eq!(params.next_cursor, None);
        for refused in [
            "truto_response_format=stream",
            "truto_response_format=raw&truto_response_format=unified",
            "truto_key_by=",
            "truto_ignore_limit=%20",
            "next_cursor=",
            "workspace[id]=",
        ] {
            assert!(TrutoParams::parse(Some(refused)).is_err(), "{refused}");
        }
    }
}
