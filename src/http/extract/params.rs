//! Parses query parameters one by one; those left at the end are an error, so a misspelt filter is never ignored. Every
//! route parses its query here, which rejects empty values and repeated parameters.

use std::fmt::Display;
use std::str::FromStr;

use axum::http::Uri;
use url::form_urlencoded;

use crate::http::problem::{Problem, ProblemKind};

/// The parameters that have not been taken yet.
#[derive(Debug)]
pub(in crate::http) struct Params(Vec<(String, String)>);

impl Params {
    /// Parses the query of a URI.
    pub(in crate::http) fn of(uri: &Uri) -> Self {
        Self::read(uri.query())
    }

    /// Parses a query, or the fields of a form.
    pub(in crate::http) fn read(query: Option<&str>) -> Self {
        let query = query.unwrap_or_default();
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    /// Takes a parameter that may occur once.
    pub(in crate::http) fn take(&mut self, name: &str) -> Result<Option<String>, Problem> {
        let mut values = self.take_all(name)?;
        let value = values.pop();
        if values.is_empty() { Ok(value) } else { Err(repeated_parameter(name)) }
    }

    /// Takes a parameter that a third party sets; an empty value counts as absent.
    pub(in crate::http) fn take_third_party(
        &mut self,
        name: &str,
    ) -> Result<Option<String>, Problem> {
        self.0.retain(|(other, value)| other != name || !value.trim().is_empty());
        self.take(name)
    }

    /// Takes and parses a parameter that may occur once.
    pub(in crate::http) fn parse<T>(&mut self, name: &str) -> Result<Option<T>, Problem>
    where
        T: FromStr,
        T::Err: Display,
    {
        let value = self.take(name)?;
        value
            .map(|value| value.parse().map_err(|error: T::Err| invalid_parameter(name, error)))
            .transpose()
    }

    /// Takes all values of a parameter, in order.
    pub(in crate::http) fn take_all(&mut self, name: &str) -> Result<Vec<String>, Problem> {
        let taken: Vec<(String, String)> =
            self.0.extract_if(.., |(other, _)| other == name).collect();
        taken.into_iter().map(|(_, value)| non_empty(name, value)).collect()
    }

    /// Takes all parameters `name[key]` as key and value, in order. A key may occur once.
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
                return Err(repeated_parameter(&full));
            }
            keyed.push((key, non_empty(&full, value)?));
        }
        Ok(keyed)
    }

    /// Returns the remaining parameters in order, for forwarding.
    pub(in crate::http) fn rest(self) -> Result<Vec<(String, String)>, Problem> {
        let rest = self.0.into_iter().map(|(name, value)| {
            let value = non_empty(&name, value)?;
            Ok((name, value))
        });
        rest.collect()
    }

    /// Fails with the names of the remaining parameters.
    pub(in crate::http) fn finish(self) -> Result<(), Problem> {
        let problem = Problem::new(ProblemKind::InvalidQuery, "The query has unknown parameters.");
        if self.0.is_empty() {
            return Ok(());
        }
        let unknown = self.0.into_iter().map(|(name, _)| name);
        Err(unknown.fold(problem, |problem, name| {
            problem.with_error(name, "is not a parameter of this route")
        }))
    }
}

/// Fails for an empty value, which would otherwise select everything.
fn non_empty(name: &str, value: String) -> Result<String, Problem> {
    if value.trim().is_empty() {
        return Err(invalid_parameter(
            name,
            "must not be empty; omit the parameter or set a value",
        ));
    }
    Ok(value)
}

fn repeated_parameter(name: &str) -> Problem {
    invalid_parameter(name, "occurs more than once")
}

/// Returns the problem of two parameters, or a parameter and a header, that name the same object and differ.
pub(in crate::http) fn differing_parameters(names: [&str; 2], message: &str) -> Problem {
    contradiction(names, " Send one of them, or equal values.", message)
}

/// Returns the problem of two parameters that contradict each other. `message` has the rule.
pub(in crate::http) fn contradicting_parameters(names: [&str; 2], message: &str) -> Problem {
    contradiction(names, "", message)
}

fn contradiction([one, other]: [&str; 2], fix: &str, message: &str) -> Problem {
    let detail = format!("`{one}` and `{other}` contradict each other.{fix}");
    Problem::new(ProblemKind::InvalidQuery, detail)
        .with_error(one, message)
        .with_error(other, message)
}

/// Returns the problem of an invalid parameter value.
pub(in crate::http) fn invalid_parameter(name: &str, message: impl Display) -> Problem {
    Problem::new(ProblemKind::InvalidQuery, format!("The parameter `{name}` is invalid."))
        .with_error(name, message.to_string())
}
