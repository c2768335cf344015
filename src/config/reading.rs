//! Reads the settings in three layers: the defaults, a file over them, variables over both.
//!
//! What is wrong is collected, each with the place it was set at and its fix. The default stands in for it,
//! so that everything else is looked at too and all mistakes are told together.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// What the names of our variables begin with.
const PREFIX: &str = "SWITCHBOARD__";
/// From this likeness on, of 1, a known name is offered in place of an unknown one.
const LIKE: f64 = 0.7;

/// What is known of the settings beside their values.
#[derive(Debug, Clone, Default)]
pub(super) struct Given {
    /// Names and types that are wrong: the key, and what is wrong with it.
    pub(super) mistakes: Vec<(String, String)>,
    /// Where each setting was set that is not at its default.
    pub(super) origins: BTreeMap<String, String>,
}

/// The settings while they are read.
#[derive(Debug)]
pub(super) struct Reading {
    defaults: Table,
    tree: Table,
    given: Given,
}

impl Reading {
    /// Nothing but the defaults.
    pub(super) fn new(defaults: Table) -> Self {
        Self { tree: defaults.clone(), defaults, given: Given::default() }
    }

    /// Lays a file over what was read.
    pub(super) fn add_file(&mut self, name: &str, file: Table) {
        self.add_table("", file, &format!("in {name}"));
    }

    fn add_table(&mut self, above: &str, given: Table, origin: &str) {
        for (name, value) in given {
            let key = if above.is_empty() { name } else { format!("{above}.{name}") };
            match (at(&self.defaults, &key), value) {
                (None, _) => {
                    let hint = hint(&key, &names(&self.defaults));
                    self.mistake(&key, &format!("is no setting; {hint} ({origin})"));
                }
                (Some(Value::Table(known)), Value::Table(given)) if !known.is_empty() => {
                    self.add_table(&key, given, origin);
                }
                (Some(known), value) => match fitting(known, value) {
                    Some(value) => self.set(key, value, origin),
                    None => self.mistake(&key, &format!("must be {} ({origin})", kind(known))),
                },
            }
        }
    }

    /// Lays those variables over what was read that are ours.
    pub(super) fn add_variables(&mut self, variables: impl Iterator<Item = (OsString, OsString)>) {
        for (name, value) in variables {
            let Some(name) = name.to_str() else { continue };
            if let Some(rest) = name.strip_prefix(PREFIX) {
                self.add_variable(name, &rest.to_lowercase().replace("__", "."), &value);
            } else if let Some(rest) = name.strip_prefix("SWITCHBOARD_") {
                self.suspect(name, &rest.to_lowercase());
            }
        }
    }

    fn add_variable(&mut self, name: &str, key: &str, value: &OsStr) {
        let Some(known) = at(&self.defaults, key) else {
            let known = leaves(&self.defaults).into_iter().map(|key| variable(&key));
            let hint = hint(name, &known.collect::<Vec<_>>());
            return self.mistake(name, &format!("is no setting; {hint}"));
        };
        let parsed = match (known, value.to_str()) {
            (_, None) => Err("is no UTF-8".to_owned()),
            (Value::Table(known), _) if known.is_empty() => {
                Err(format!("can't be set by a variable; write [{key}] into a file"))
            }
            (Value::Table(_), _) => {
                Err("is a section; put __ and the setting's name behind it".to_owned())
            }
            (known, Some(text)) => {
                parse(known, text).ok_or_else(|| format!("must be {}", kind(known)))
            }
        };
        match parsed {
            Ok(value) => self.set(key.to_owned(), value, &format!("by {name}")),
            Err(wrong) => self.mistake(name, &wrong),
        }
    }

    /// A name that is meant for us and has too few underscores. Others begin alike: Kubernetes gives a
    /// program `SWITCHBOARD_SERVICE_HOST` and more when a Service has our name.
    fn suspect(&mut self, name: &str, rest: &str) {
        let bare = |text: &str| text.replace(['.', '_'], "");
        let meant = leaves(&self.defaults).into_iter().find(|key| bare(key) == bare(rest));
        if let Some(key) = meant {
            self.mistake(name, &format!("is not read; did you mean {}?", variable(&key)));
        }
    }

    fn set(&mut self, key: String, value: Value, origin: &str) {
        put(&mut self.tree, &key, value);
        self.given.origins.insert(key, origin.to_owned());
    }

    fn mistake(&mut self, key: &str, wrong: &str) {
        self.given.mistakes.push((key.to_owned(), format!("{key}: {wrong}")));
    }

    /// What was read as a value of its type. None when not even the defaults are one.
    pub(super) fn finish<T: DeserializeOwned>(mut self) -> Option<(T, Given)> {
        let tries = names(&self.defaults).len();
        for _ in 0..=tries {
            let tree = Value::Table(self.tree.clone());
            match serde_path_to_error::deserialize::<_, T>(tree) {
                Ok(settings) => return Some((settings, self.given)),
                Err(error) => {
                    let path = error.path().to_string();
                    self.fall_back(&path, error.inner().message());
                }
            }
        }
        None
    }

    /// Puts the default in the place of what has the right kind and can't be used all the same.
    fn fall_back(&mut self, path: &str, wrong: &str) {
        let mut key = path;
        while at(&self.defaults, key).is_none() {
            key = key.rsplit_once(['.', '[']).map_or("", |(above, _)| above);
            if key.is_empty() {
                break;
            }
        }
        let wrong = match self.given.origins.get(key) {
            Some(origin) => format!("{wrong} ({origin})"),
            None => wrong.to_owned(),
        };
        self.mistake(path, &wrong);
        match at(&self.defaults, key).cloned() {
            Some(default) => put(&mut self.tree, key, default),
            None => self.tree = self.defaults.clone(),
        }
    }
}

/// The variable of a setting.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
}

fn at<'a>(tree: &'a Table, key: &str) -> Option<&'a Value> {
    match key.split_once('.') {
        None => tree.get(key),
        Some((section, rest)) => at(tree.get(section)?.as_table()?, rest),
    }
}

fn put(tree: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            tree.insert(key.to_owned(), value);
        }
        Some((section, rest)) => {
            if let Some(Value::Table(section)) = tree.get_mut(section) {
                put(section, rest, value);
            }
        }
    }
}

/// The keys of all settings.
pub(super) fn leaves(tree: &Table) -> Vec<String> {
    let of_one = |(name, value): (&String, &Value)| match value {
        Value::Table(inner) if !inner.is_empty() => {
            leaves(inner).into_iter().map(|key| format!("{name}.{key}")).collect()
        }
        Value::String(_)
        | Value::Integer(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Datetime(_)
        | Value::Array(_)
        | Value::Table(_) => vec![name.clone()],
    };
    tree.iter().flat_map(of_one).collect()
}

/// The keys of all settings, and the sections.
fn names(tree: &Table) -> Vec<String> {
    tree.keys().cloned().chain(leaves(tree)).collect()
}

fn hint(unknown: &str, known: &[String]) -> String {
    let likeness = |name: &String| strsim::normalized_damerau_levenshtein(unknown, name);
    let best = known.iter().map(|name| (likeness(name), name));
    match best.max_by(|(one, _), (other, _)| one.total_cmp(other)) {
        Some((likeness, name)) if likeness >= LIKE => format!("did you mean {name}?"),
        _ => "config/default.toml has all of them".to_owned(),
    }
}

/// The value, when it is of the kind of the default.
fn fitting(known: &Value, value: Value) -> Option<Value> {
    match (known, value) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "nobody writes so large a number of seconds"
        )]
        (Value::Float(_), Value::Integer(number)) => Some(Value::Float(number as f64)),
        (known, value) => known.same_type(&value).then_some(value),
    }
}

/// What a variable's text is, as a value of the kind of the default.
fn parse(known: &Value, text: &str) -> Option<Value> {
    Some(match known {
        Value::String(_) | Value::Datetime(_) | Value::Table(_) => Value::String(text.to_owned()),
        Value::Integer(_) => Value::Integer(text.trim().parse().ok()?),
        Value::Float(_) => Value::Float(text.trim().parse().ok()?),
        Value::Boolean(_) => Value::Boolean(text.trim().to_lowercase().parse().ok()?),
        Value::Array(_) => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            Value::Array(parts.map(|part| Value::String(part.to_owned())).collect())
        }
    })
}

fn kind(known: &Value) -> &'static str {
    match known {
        Value::String(_) | Value::Datetime(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Array(_) => "a list",
        Value::Table(_) => "a section",
    }
}
