//! The query: parameters are taken one by one, and what is left at the end is an error, so that a
//! misspelt filter is never silently ignored.

use std::fmt::Display;
use std::str::FromStr;

use axum::http::Uri;
use url::form_urlencoded;

use crate::http::problem::{Problem, ProblemKind};

/// The parameters that nobody has taken yet.
#[derive(Debug)]
pub(in crate::http) struct Params(Vec<(String, String)>);

impl Params {
    /// The parameters of an address.
    pub(in crate::http) fn of(uri: &Uri) -> Self {
        let query = uri.query().unwrap_or_default();
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// Takes a parameter that may stand once.
    pub(in crate::http) fn take(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let mut values = self.take_all(name);
        let value = values.pop();
        if values.is_empty() { Ok(value) } else { Err(invalid(name, "stands more than once")) }
    }

    /// Takes a parameter that may stand once and reads it.
    pub(in crate::http) fn parse<T>(&mut self, name: &str) -> Result<Option<T>, Problem>
    where
        T: FromStr,
        T::Err: Display,
    {
        let value = self.take(name)?;
        value.map(|value| value.parse().map_err(|error: T::Err| invalid(name, error))).transpose()
    }

    /// Takes every value of a parameter, in order.
    pub(in crate::http) fn take_all(&mut self, name: &str) -> Vec<String> {
        let (taken, left) = self.0.drain(..).partition(|(other, _)| other == name);
        self.0 = left;
        let taken: Vec<(String, String)> = taken;
        taken.into_iter().map(|(_, value)| value).collect()
    }

    /// Takes every parameter `name[key]` as key and value, in order.
    pub(in crate::http) fn take_keyed(&mut self, name: &str) -> Vec<(String, String)> {
        let key = |full: &str| -> Option<String> {
            let key = full.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']')?;
            (!key.is_empty()).then(|| key.to_owned())
        };
        let (taken, left) = self.0.drain(..).partition(|(full, _)| key(full).is_some());
        self.0 = left;
        let taken: Vec<(String, String)> = taken;
        taken.into_iter().filter_map(|(full, value)| Some((key(&full)?, value))).collect()
    }

    /// Names what nobody took.
    pub(in crate::http) fn finish(self) -> Result<(), Problem> {
        let problem = Problem::new(
            ProblemKind::InvalidQuery,
            "The query has parameters that this route does not know.",
        );
        if self.0.is_empty() {
            return Ok(());
        }
        let unknown = self.0.into_iter().map(|(name, _)| name);
        Err(unknown
            .fold(problem, |problem, name| problem.at(name, "is not a parameter of this route")))
    }
}

/// The problem of a parameter's value.
pub(in crate::http) fn invalid(name: &str, message: impl Display) -> Problem {
    Problem::new(ProblemKind::InvalidQuery, format!("The parameter `{name}` can't be used."))
        .at(name, message.to_string())
}
