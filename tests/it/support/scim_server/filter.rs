//! Filters of the server (RFC 7644 §3.4.2.2).

use serde_json::Value;

use super::directory::entry;
use super::schemas;

/// A path of an attribute: `schema:name.sub`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AttributePath {
    /// The extension that it is in.
    pub(super) extension: Option<String>,
    /// The attribute.
    pub(super) name: String,
    /// The sub-attribute.
    pub(super) sub: Option<String>,
}

/// A filter.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Filter {
    /// Both.
    And(Box<Filter>, Box<Filter>),
    /// One of them.
    Or(Box<Filter>, Box<Filter>),
    /// The opposite.
    Not(Box<Filter>),
    /// A comparison; the operator is in lower case.
    Compare(AttributePath, String, Value),
    /// Whether there is a value.
    Present(AttributePath),
    /// Whether one value of a multi-valued attribute matches.
    Element(AttributePath, Box<Filter>),
}

impl AttributePath {
    /// Parses a path.
    pub(super) fn parse(text: &str) -> Self {
        let (extension, rest) = if text.to_ascii_lowercase().starts_with("urn:") {
            match text.rsplit_once(':') {
                Some((schema, rest)) => (Some(schema.to_owned()), rest),
                None => (None, text),
            }
        } else {
            (None, text)
        };
        let is_core = |schema: &String| {
            schema.eq_ignore_ascii_case(schemas::USER)
                || schema.eq_ignore_ascii_case(schemas::GROUP)
        };
        let (name, sub) = match rest.split_once('.') {
            Some((name, sub)) => (name, Some(sub.to_owned())),
            None => (rest, None),
        };
        Self { extension: extension.filter(|schema| !is_core(schema)), name: name.to_owned(), sub }
    }

    /// Returns the values at the path; those of all elements of a multi-valued attribute.
    pub(super) fn values<'a>(&self, resource: &'a Value) -> Vec<&'a Value> {
        let get = |value: &'a Value, name: &str| Some(entry(value.as_object()?, name)?.1);
        let container = match &self.extension {
            Some(schema) => get(resource, schema),
            None => Some(resource),
        };
        let Some(value) = container.and_then(|container| get(container, &self.name)) else {
            return Vec::new();
        };
        let elements: Vec<&Value> = match value.as_array() {
            Some(all) => all.iter().collect(),
            None => vec![value],
        };
        let sub = self.sub.as_deref();
        elements
            .into_iter()
            .filter_map(|element| match sub {
                Some(sub) => get(element, sub),
                None => get(element, "value").or(Some(element)),
            })
            .collect()
    }
}

/// Parses a filter; `None` when it is malformed.
pub(super) fn parse(text: &str) -> Option<Filter> {
    let mut parser = Parser { rest: text.trim() };
    let filter = parser.any()?;
    parser.rest.trim().is_empty().then_some(filter)
}

struct Parser<'t> {
    rest: &'t str,
}

impl<'t> Parser<'t> {
    fn any(&mut self) -> Option<Filter> {
        let mut left = self.all()?;
        while self.word("or") {
            left = Filter::Or(Box::new(left), Box::new(self.all()?));
        }
        Some(left)
    }

    fn all(&mut self) -> Option<Filter> {
        let mut left = self.one()?;
        while self.word("and") {
            left = Filter::And(Box::new(left), Box::new(self.one()?));
        }
        Some(left)
    }

    fn one(&mut self) -> Option<Filter> {
        if self.word("not") {
            return Some(Filter::Not(Box::new(self.one()?)));
        }
        if self.sign('(') {
            let inner = self.any()?;
            return self.sign(')').then_some(inner);
        }
        let path = AttributePath::parse(self.token()?);
        if self.sign('[') {
            let inner = self.any()?;
            return self.sign(']').then_some(Filter::Element(path, Box::new(inner)));
        }
        let operator = self.token()?.to_ascii_lowercase();
        if operator == "pr" {
            return Some(Filter::Present(path));
        }
        let is_known =
            matches!(&*operator, "eq" | "ne" | "co" | "sw" | "ew" | "gt" | "ge" | "lt" | "le");
        let value = self.value()?;
        is_known.then_some(Filter::Compare(path, operator, value))
    }

    fn word(&mut self, word: &str) -> bool {
        let rest = self.rest.trim_start();
        let (Some(head), Some(tail)) = (rest.get(..word.len()), rest.get(word.len()..)) else {
            return false;
        };
        let is_it = head.eq_ignore_ascii_case(word) && tail.starts_with([' ', '(']);
        if is_it {
            self.rest = tail;
        }
        is_it
    }

    fn sign(&mut self, sign: char) -> bool {
        let rest = self.rest.trim_start();
        let stripped = rest.strip_prefix(sign);
        self.rest = stripped.unwrap_or(self.rest);
        stripped.is_some()
    }

    fn token(&mut self) -> Option<&'t str> {
        let rest = self.rest.trim_start();
        let end = rest.find([' ', '[', ']', '(', ')']).unwrap_or(rest.len());
        let (token, rest) = (rest.get(..end)?, rest.get(end..)?);
        self.rest = rest;
        (!token.is_empty()).then_some(token)
    }

    fn value(&mut self) -> Option<Value> {
        let rest = self.rest.trim_start();
        if !rest.starts_with('"') {
            return serde_json::from_str(self.token()?).ok();
        }
        let mut is_escaped = false;
        let end = rest.char_indices().skip(1).find(|(_, sign)| {
            let is_end = *sign == '"' && !is_escaped;
            is_escaped = *sign == '\\' && !is_escaped;
            is_end
        });
        let (text, rest) = (rest.get(..=end?.0)?, rest.get(end?.0 + 1..)?);
        self.rest = rest;
        serde_json::from_str(text).ok()
    }
}

impl Filter {
    /// Whether a resource or an element matches.
    pub(super) fn matches(&self, resource: &Value) -> bool {
        match self {
            Self::And(left, right) => left.matches(resource) && right.matches(resource),
            Self::Or(left, right) => left.matches(resource) || right.matches(resource),
            Self::Not(inner) => !inner.matches(resource),
            Self::Present(path) => {
                path.values(resource).iter().any(|value| !matches!(value, Value::Null))
            }
            Self::Compare(path, operator, wanted) => {
                let values = path.values(resource);
                match operator.as_str() {
                    "ne" => !values.iter().any(|value| compare(value, "eq", wanted)),
                    operator => values.iter().any(|value| compare(value, operator, wanted)),
                }
            }
            Self::Element(path, inner) => {
                let whole = AttributePath { sub: None, ..path.clone() };
                elements(&whole, resource).iter().any(|element| inner.matches(element))
            }
        }
    }
}

/// Returns the elements of a multi-valued attribute, whole.
fn elements<'a>(path: &AttributePath, resource: &'a Value) -> Vec<&'a Value> {
    let container = match &path.extension {
        Some(schema) => resource.as_object().and_then(|object| entry(object, schema)),
        None => Some(("", resource)),
    };
    let object = container.and_then(|(_, container)| container.as_object());
    let value = object.and_then(|object| entry(object, &path.name));
    match value {
        Some((_, Value::Array(all))) => all.iter().collect(),
        Some((_, one)) => vec![one],
        None => Vec::new(),
    }
}

fn compare(value: &Value, operator: &str, wanted: &Value) -> bool {
    let (Some(value), Some(wanted)) = (value.as_str(), wanted.as_str()) else {
        return operator == "eq" && value == wanted;
    };
    let (value, wanted) = (value.to_lowercase(), wanted.to_lowercase());
    match operator {
        "eq" => value == wanted,
        "co" => value.contains(&wanted),
        "sw" => value.starts_with(&wanted),
        "ew" => value.ends_with(&wanted),
        "gt" => value > wanted,
        "ge" => value >= wanted,
        "lt" => value < wanted,
        _ => operator == "le" && value <= wanted,
    }
}
