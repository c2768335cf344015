//! The parameters of the other API that decide how an answer looks, and those that go on to ours.

use url::form_urlencoded;

use super::ask::Query;

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

/// A parameter that can't be used; the text says which and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unusable(pub(super) String);

impl Wishes {
    /// Reads a query of the other API. Theirs has the provider's objects unless told otherwise.
    pub(super) fn read(query: &str) -> Result<Self, Unusable> {
        let (mut wishes, mut shows_remote) = (Self::default(), true);
        let mut format = None;
        for (name, value) in form_urlencoded::parse(query.as_bytes()).into_owned() {
            match name.as_str() {
                "truto_response_format" => format = Some(value),
                "truto_ignore_remote_data" => shows_remote = !flag(&name, &value)?,
                "truto_key_by" => wishes.key_by = Some(value),
                "truto_ignore_limit" => wishes.ignore_limit = flag(&name, &value)?,
                "truto_exclude_fields[]" | "truto_exclude_fields" => {
                    wishes.query.push(("exclude_fields[]".to_owned(), value));
                }
                "next_cursor" => wishes.next_cursor = Some(value).filter(|text| !text.is_empty()),
                _ => wishes.query.push((name, value)),
            }
        }
        match format.as_deref() {
            None | Some("unified" | "normalized") => {
                let remote = ("include_remote_data".to_owned(), shows_remote.to_string());
                wishes.query.push(remote);
            }
            Some("raw") => wishes.is_raw = true,
            Some(other) => {
                let known = "unified, normalized or raw";
                return Err(Unusable(format!(
                    "truto_response_format must be {known}, not {other}"
                )));
            }
        }
        wishes.query.extend(format.map(|format| ("response_format".to_owned(), format)));
        Ok(wishes)
    }
}

fn flag(name: &str, value: &str) -> Result<bool, Unusable> {
    value.parse().map_err(|_| Unusable(format!("{name} must be true or false")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn their_parameters_become_ours() {
        let query = "integrated_account_id=a&truto_response_format=normalized&truto_key_by=id\
                     &truto_ignore_remote_data=true&truto_exclude_fields[]=roles&workspace[id]=T1&next_cursor=";
        let wishes = Wishes::read(query).unwrap();
        assert_eq!(wishes.key_by.as_deref(), Some("id"));
        let pairs: Vec<_> = wishes.query.iter().map(|(name, value)| (&**name, &**value)).collect();
        assert_eq!(
            pairs,
            [
                ("integrated_account_id", "a"),
                ("exclude_fields[]", "roles"),
                ("workspace[id]", "T1"),
                ("include_remote_data", "false"),
                ("response_format", "normalized"),
            ]
        );
        assert_eq!(wishes.next_cursor, None);
        assert!(Wishes::read("truto_response_format=stream").is_err());
    }
}
