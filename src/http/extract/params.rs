//! The query: parameters are taken one by one, and what is left at the end is an error, so that a
//! misspelt filter is never silently ignored. Every route reads its query here: a value that is empty, or
//! a parameter that stands twice, is refused by construction.

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
        Self::read(uri.query())
    }

    /// The parameters of a query, or the fields of a form.
    pub(in crate::http) fn read(query: Option<&str>) -> Self {
        let query = query.unwrap_or_default();
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// Takes a parameter that may stand once.
    pub(in crate::http) fn take(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let mut values = self.take_all(name)?;
        let value = values.pop();
        if values.is_empty() { Ok(value) } else { Err(repeated(name)) }
    }

    /// Takes a parameter that another party than the caller filled: an empty one says nothing.
    pub(in crate::http) fn take_foreign(&mut self, name: &str) -> Result<Option<String>, Problem> {
        self.0.retain(|(other, value)| other != name || !value.trim().is_empty());
        self.take(name)
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
    pub(in crate::http) fn take_all(&mut self, name: &str) -> Result<Vec<String>, Problem> {
        let taken: Vec<(String, String)> =
            self.0.extract_if(.., |(other, _)| other == name).collect();
        taken.into_iter().map(|(_, value)| filled(name, value)).collect()
    }

    /// Takes every parameter `name[key]` as key and value, in order. A key stands once.
    pub(in crate::http) fn take_keyed(
        &mut self,
        name: &str,
    ) -> Result<Vec<(String, String)>, Problem> {
        let key = |full: &str| -> Option<String> {
            let key = full.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']')?;
            (!key.is_empty()).then(|| key.to_owned())
        };
        let mut keyed: Vec<(String, String)> = Vec::new();
        for (full, value) in self.0.extract_if(.., |(full, _)| key(full).is_some()) {
            let Some(key) = key(&full) else { continue };
            if keyed.iter().any(|(other, _)| *other == key) {
                return Err(repeated(&full));
            }
            keyed.push((key, filled(&full, value)?));
        }
        Ok(keyed)
    }

    /// What is left, in order, when each of it may pass on.
    pub(in crate::http) fn rest(self) -> Result<Vec<(String, String)>, Problem> {
        let rest = self.0.into_iter().map(|(name, value)| {
            let value = filled(&name, value)?;
            Ok((name, value))
        });
        rest.collect()
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

/// A value that says something: an empty one would otherwise select everything.
fn filled(name: &str, value: String) -> Result<String, Problem> {
    if value.trim().is_empty() {
        return Err(invalid(
            name,
            "must not be empty: leave the parameter out, or give it a value",
        ));
    }
    Ok(value)
}

fn repeated(name: &str) -> Problem {
    invalid(name, "stands more than once")
}

/// The problem of two parameters, or a parameter and a header, that exclude each other.
pub(in crate::http) fn contradicting(names: [&str; 2], message: &str) -> Problem {
    let [one, other] = names;
    let detail = format!(
        "`{one}` and `{other}` contradict each other. Send one of them, or make them agree."
    );
    Problem::new(ProblemKind::InvalidQuery, detail).at(one, message).at(other, message)
}

/// The problem of a parameter's value.
pub(in crate::http) fn invalid(name: &str, message: impl Display) -> Problem {
    Problem::new(ProblemKind::InvalidQuery, format!("The parameter `{name}` can't be used."))
        .at(name, message.to_string())
}
