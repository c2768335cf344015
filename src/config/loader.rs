//! Loads the settings in three layers: the defaults, a file, variables.
//!
//! Errors are collected, each with its place and fix, and the default is used instead, so that all errors are reported
//! together.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// The prefix of variables.
const PREFIX: &str = "SWITCHBOARD__";
/// Minimum similarity, of 1, at which a known name is suggested for an unknown one.
const MIN_SIMILARITY: f64 = 0.7;

/// The origins of settings, and the errors found while loading.
#[derive(Debug, Clone, Default)]
pub(super) struct LoadReport {
    /// Wrong names and types: the key, and the message.
    pub(super) errors: Vec<(String, String)>,
    /// The origin of each setting that differs from its default.
    pub(super) origins: BTreeMap<String, String>,
}

/// Loads the settings.
#[derive(Debug)]
pub(super) struct SettingsLoader {
    defaults: Table,
    tree: Table,
    given: LoadReport,
}

impl SettingsLoader {
    /// Starts with the defaults.
    pub(super) fn new(defaults: Table) -> Self {
        Self { tree: defaults.clone(), defaults, given: LoadReport::default() }
    }

    /// Adds a file as the next layer.
    pub(super) fn add_file(&mut self, name: &str, file: Table) {
        self.add_table("", file, &format!("in {name}"));
    }

    fn add_table(&mut self, above: &str, given: Table, origin: &str) {
        for (name, value) in given {
            let key = if above.is_empty() { name } else { format!("{above}.{name}") };
            match (lookup(&self.defaults, &key), value) {
                (None, _) => {
                    let hint = suggest(&key, &setting_and_section_keys(&self.defaults));
                    self.add_error(&key, &format!("is not a setting; {hint} ({origin})"));
                }
                (Some(Value::Table(known)), Value::Table(given)) if !known.is_empty() => {
                    self.add_table(&key, given, origin);
                }
                (Some(known), value) => match coerce(known, value) {
                    Some(value) => self.set(key, value, origin),
                    None => {
                        self.add_error(&key, &format!("must be {} ({origin})", type_name(known)));
                    }
                },
            }
        }
    }

    /// Adds the variables of the program as the next layer.
    pub(super) fn add_variables(&mut self, variables: impl Iterator<Item = (OsString, OsString)>) {
        for (name, value) in variables {
            let Some(name) = name.to_str() else { continue };
            if let Some(rest) = name.strip_prefix(PREFIX) {
                self.add_variable(name, &rest.to_lowercase().replace("__", "."), &value);
            } else if let Some(rest) = name.strip_prefix("SWITCHBOARD_") {
                self.report_misspelled_variable(name, &rest.to_lowercase());
            }
        }
    }

    fn add_variable(&mut self, name: &str, key: &str, value: &OsStr) {
        let Some(known) = lookup(&self.defaults, key) else {
            let known = setting_keys(&self.defaults).into_iter().map(|key| variable(&key));
            let hint = suggest(name, &known.collect::<Vec<_>>());
            return self.add_error(name, &format!("is not a setting; {hint}"));
        };
        let parsed = match (known, value.to_str()) {
            (_, None) => Err("is not UTF-8".to_owned()),
            (Value::Table(known), _) if known.is_empty() => {
                Err(format!("cannot be set by a variable; add [{key}] to a file"))
            }
            (Value::Table(_), _) => {
                Err("is a section; append __ and the name of a setting".to_owned())
            }
            (known, Some(text)) => {
                parse(known, text).ok_or_else(|| format!("must be {}", type_name(known)))
            }
        };
        match parsed {
            Ok(value) => self.set(key.to_owned(), value, &format!("by {name}")),
            Err(wrong) => self.add_error(name, &wrong),
        }
    }

    /// Reports a variable with too few underscores. Others with the prefix are ignored: Kubernetes sets
    /// `SWITCHBOARD_SERVICE_HOST` and more for a Service of that name.
    fn report_misspelled_variable(&mut self, name: &str, rest: &str) {
        let bare = |text: &str| text.replace(['.', '_'], "");
        let meant = setting_keys(&self.defaults).into_iter().find(|key| bare(key) == bare(rest));
        if let Some(key) = meant {
            self.add_error(name, &format!("is not read; did you mean {}?", variable(&key)));
        }
    }

    fn set(&mut self, key: String, value: Value, origin: &str) {
        insert_at(&mut self.tree, &key, value);
        self.given.origins.insert(key, origin.to_owned());
    }

    fn add_error(&mut self, key: &str, wrong: &str) {
        self.given.errors.push((key.to_owned(), format!("{key}: {wrong}")));
    }

    /// Returns the settings as a value of their type; `None` if the defaults are incomplete.
    pub(super) fn finish<T: DeserializeOwned>(mut self) -> Option<(T, LoadReport)> {
        let tries = setting_and_section_keys(&self.defaults).len();
        for _ in 0..=tries {
            let tree = Value::Table(self.tree.clone());
            match serde_path_to_error::deserialize::<_, T>(tree) {
                Ok(settings) => return Some((settings, self.given)),
                Err(error) => {
                    let path = error.path().to_string();
                    self.use_default(&path, error.inner().message());
                }
            }
        }
        None
    }

    /// Replaces an invalid value of the right kind by the default.
    fn use_default(&mut self, path: &str, wrong: &str) {
        let mut key = path;
        while lookup(&self.defaults, key).is_none() {
            key = key.rsplit_once(['.', '[']).map_or("", |(above, _)| above);
            if key.is_empty() {
                break;
            }
        }
        let wrong = match self.given.origins.get(key) {
            Some(origin) => format!("{wrong} ({origin})"),
            None => wrong.to_owned(),
        };
        self.add_error(path, &wrong);
        match lookup(&self.defaults, key).cloned() {
            Some(default) => insert_at(&mut self.tree, key, default),
            None => self.tree = self.defaults.clone(),
        }
    }
}

/// Returns the variable of a setting.
pub(super) fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_uppercase())
}

fn lookup<'a>(tree: &'a Table, key: &str) -> Option<&'a Value> {
    match key.split_once('.') {
        None => tree.get(key),
        Some((section, rest)) => lookup(tree.get(section)?.as_table()?, rest),
    }
}

fn insert_at(tree: &mut Table, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            tree.insert(key.to_owned(), value);
        }
        Some((section, rest)) => {
            if let Some(Value::Table(section)) = tree.get_mut(section) {
                insert_at(section, rest, value);
            }
        }
    }
}

/// Returns the keys of all settings.
pub(super) fn setting_keys(tree: &Table) -> Vec<String> {
    let of_one = |(name, value): (&String, &Value)| match value {
        Value::Table(inner) if !inner.is_empty() => {
            setting_keys(inner).into_iter().map(|key| format!("{name}.{key}")).collect()
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

/// Returns the keys of all settings, and the sections.
fn setting_and_section_keys(tree: &Table) -> Vec<String> {
    tree.keys().cloned().chain(setting_keys(tree)).collect()
}

fn suggest(unknown: &str, known: &[String]) -> String {
    let likeness = |name: &String| strsim::normalized_damerau_levenshtein(unknown, name);
    let best = known.iter().map(|name| (likeness(name), name));
    match best.max_by(|(one, _), (other, _)| one.total_cmp(other)) {
        Some((likeness, name)) if likeness >= MIN_SIMILARITY => format!("did you mean {name}?"),
        _ => "config/default.toml lists all settings".to_owned(),
    }
}

/// Returns the value if it has the type of the default; converts integers to floats.
fn coerce(known: &Value, value: Value) -> Option<Value> {
    match (known, value) {
        #[expect(clippy::cast_precision_loss, reason = "settings are far smaller")]
        (Value::Float(_), Value::Integer(number)) => Some(Value::Float(number as f64)),
        (known, value) => known.same_type(&value).then_some(value),
    }
}

/// Parses a variable as the type of the default.
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

fn type_name(known: &Value) -> &'static str {
    match known {
        Value::String(_) | Value::Datetime(_) => "a text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Array(_) => "a list",
        Value::Table(_) => "a section",
    }
}
