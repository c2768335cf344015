//! The parameters of the other API that decide how an answer looks, and those that go on to ours.

use super::ask::Query;
use crate::http::extract::{Params, invalid};
use crate::http::problem::Problem;

/// The parameter that names the form of the response.
const FORMAT: &str = "truto_response_format";

/// What a caller wants of an answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    /// Whether rows come as the provider has them.
    pub(super) is_raw: bool,
    /// Makes the list an object with this field's values as keys.
    pub(super) key_by: Option<String>,
    /// With `key_by`: every row, whatever the page size.
    pub(super) ignore_limit: bool,
    /// Where a list goes on.
    pub(super) next_cursor: Option<String>,
    /// Everything else, in our words.
    pub(super) query: Query,
}

impl Wishes {
    /// Reads a query of the other API. Theirs has the provider's objects unless told otherwise.
    pub(super) fn read(query: Option<&str>) -> Result<Self, Problem> {
        let mut params = Params::read(query);
        let format = params.take(FORMAT)?;
        let hides_remote = params.parse::<bool>("truto_ignore_remote_data")?.unwrap_or_default();
        let mut wishes = Self {
            is_raw: false,
            key_by: params.take("truto_key_by")?,
            ignore_limit: params.parse("truto_ignore_limit")?.unwrap_or_default(),
            next_cursor: params.take("next_cursor")?,
            query: Query::new(),
        };
        for name in ["truto_exclude_fields[]", "truto_exclude_fields"] {
            let excluded = params.take_all(name)?.into_iter();
            wishes.query.extend(excluded.map(|field| ("exclude_fields[]".to_owned(), field)));
        }
        wishes.query.extend(params.rest()?);
        match format.as_deref() {
            None | Some("unified" | "normalized") => {
                let remote = ("include_remote_data".to_owned(), (!hides_remote).to_string());
                wishes.query.push(remote);
            }
            Some("raw") => wishes.is_raw = true,
            Some(_) => return Err(invalid(FORMAT, "must be unified, normalized or raw")),
        }
        wishes.query.extend(format.map(|format| ("response_format".to_owned(), format)));
        Ok(wishes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn their_parameters_become_ours() {
        let query = "integrated_account_id=a&truto_response_format=normalized&truto_key_by=id\
                     &truto_ignore_remote_data=true&truto_exclude_fields[]=roles&workspace[id]=T1";
        let wishes = Wishes::read(Some(query)).unwrap();
        assert_eq!(wishes.key_by.as_deref(), Some("id"));
        let pairs: Vec<_> = wishes.query.iter().map(|(name, value)| (&**name, &**value)).collect();
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
        assert_eq!(wishes.next_cursor, None);
        for refused in [
            "truto_response_format=stream",
            "truto_response_format=raw&truto_response_format=unified",
            "truto_key_by=",
            "truto_ignore_limit=%20",
            "next_cursor=",
            "workspace[id]=",
        ] {
            assert!(Wishes::read(Some(refused)).is_err(), "{refused}");
        }
    }
}
