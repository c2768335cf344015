//! Conditions on the attributes of a person. Policies, rule sets and saved searches share them.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};

use super::person::Person;
use crate::domain::names::names;
use crate::domain::user::{User, UserStatus, UserType};

/// The maximum depth of a condition.
const MAX_DEPTH: usize = 8;
/// The maximum number of parts of a condition.
const MAX_PARTS: usize = 100;
/// The maximum number of values of `in`.
const MAX_VALUES: usize = 1_000;
/// The maximum length of a field's name and of a value, in bytes.
const MAX_TEXT_BYTES: usize = 1_000;
/// The maximum length of an expression, in bytes.
const MAX_EXPRESSION_BYTES: usize = 4_096;

/// How a field is compared with a value. Texts are compared without regard to case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparator {
    /// The field has the value; for a list, one of its elements.
    Eq,
    /// The field does not have the value.
    Ne,
    /// The field has one of the values.
    In,
    /// The text begins with the value.
    StartsWith,
    /// The text contains the value.
    Contains,
    /// The field has any value (`true`), or none (`false`).
    Exists,
}

names! { Comparator, UnknownComparator,
    "must be one of: eq, ne, in, starts_with, contains, exists",
    Eq = "eq",
    Ne = "ne",
    In = "in",
    StartsWith = "starts_with",
    Contains = "contains",
    Exists = "exists",
}

/// A condition on the attributes of a person.
#[derive(Debug, Clone, PartialEq)]
pub enum Condition {
    /// Compares a field.
    Field {
        /// The field of the unified user, with dots for fields of fields.
        field: String,
        /// How it is compared.
        op: Comparator,
        /// With what.
        value: Value,
    },
    /// All of these are true.
    All(Vec<Condition>),
    /// At least one of these is true.
    Any(Vec<Condition>),
    /// This is false.
    Not(Box<Condition>),
    /// The JSONata expression over the unified user is true.
    Expression(String),
}

/// The results of the expressions for one person, by their texts; an expression that failed has none.
#[derive(Debug, Default)]
pub struct ExpressionResults<'a>(HashMap<&'a str, bool>);

impl<'a> ExpressionResults<'a> {
    /// Returns the results by their expressions.
    #[must_use]
    pub fn new(results: HashMap<&'a str, bool>) -> Self {
        Self(results)
    }

    /// Returns the result of an expression; `None` when it failed.
    #[must_use]
    pub fn get(&self, expression: &str) -> Option<bool> {
        self.0.get(expression).copied()
    }
}

impl Condition {
    /// Whether the condition is true for a person; `None` when that depends on an expression that failed.
    #[must_use]
    pub fn holds(&self, person: &Person, results: &ExpressionResults<'_>) -> Option<bool> {
        match self {
            Self::Field { field, op, value } => Some(compare(person, field, *op, value)),
            Self::All(parts) => combine(parts, person, results, false),
            Self::Any(parts) => combine(parts, person, results, true),
            Self::Not(part) => part.holds(person, results).map(|is_true| !is_true),
            Self::Expression(expression) => results.get(expression),
        }
    }

    /// Whether the condition looks at a field of the user, or at a field of that. An expression looks at all of them.
    #[must_use]
    pub fn names_field(&self, name: &str) -> bool {
        match self {
            Self::Field { field, .. } => field.split('.').next() == Some(name),
            Self::All(parts) | Self::Any(parts) => parts.iter().any(|part| part.names_field(name)),
            Self::Not(part) => part.names_field(name),
            Self::Expression(_) => true,
        }
    }

    /// Appends the expressions of the condition.
    pub fn collect_expressions<'a>(&'a self, into: &mut Vec<&'a str>) {
        match self {
            Self::Field { .. } => {}
            Self::All(parts) | Self::Any(parts) => {
                for part in parts {
                    part.collect_expressions(into);
                }
            }
            Self::Not(part) => part.collect_expressions(into),
            Self::Expression(expression) => into.push(expression),
        }
    }

    fn parse(value: Value, depth: usize, parts: &mut usize) -> Result<Self, String> {
        *parts += 1;
        if depth > MAX_DEPTH || *parts > MAX_PARTS {
            return Err(format!(
                "the condition must have at most {MAX_PARTS} parts and a depth of {MAX_DEPTH}"
            ));
        }
        let Value::Object(fields) = value else {
            return Err("a condition must be an object".to_owned());
        };
        if fields.contains_key("field") {
            return parse_field(fields);
        }
        let is_single = fields.len() == 1;
        let Some((name, value)) = fields.into_iter().next().filter(|_| is_single) else {
            return Err(SHAPES.to_owned());
        };
        match name.as_str() {
            "all" => Ok(Self::All(Self::parse_all(value, depth, parts)?)),
            "any" => Ok(Self::Any(Self::parse_all(value, depth, parts)?)),
            "not" => Ok(Self::Not(Box::new(Self::parse(value, depth + 1, parts)?))),
            "expression" => match value {
                Value::String(text) if (1..=MAX_EXPRESSION_BYTES).contains(&text.len()) => {
                    Ok(Self::Expression(text))
                }
                Value::String(_)
                | Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::Array(_)
                | Value::Object(_) => {
                    Err(format!("`expression` must be a text of 1 to {MAX_EXPRESSION_BYTES} bytes"))
                }
            },
            _ => Err(SHAPES.to_owned()),
        }
    }

    fn parse_all(value: Value, depth: usize, parts: &mut usize) -> Result<Vec<Self>, String> {
        let Value::Array(values) = value else {
            return Err("`all` and `any` must be lists of conditions".to_owned());
        };
        if values.is_empty() {
            return Err("`all` and `any` must have at least one condition".to_owned());
        }
        values.into_iter().map(|value| Self::parse(value, depth + 1, parts)).collect()
    }

    fn to_value(&self) -> Value {
        let list = |parts: &[Self]| parts.iter().map(Self::to_value).collect::<Value>();
        match self {
            Self::Field { field, op, value } => {
                json!({"field": field, "op": op.name(), "value": value})
            }
            Self::All(parts) => json!({"all": list(parts)}),
            Self::Any(parts) => json!({"any": list(parts)}),
            Self::Not(part) => json!({"not": part.to_value()}),
            Self::Expression(expression) => json!({"expression": expression}),
        }
    }
}

/// The forms of a condition.
const SHAPES: &str = "a condition has `field`, `op` and `value`, or only one of `all`, `any`, `not` and `expression`";

fn parse_field(mut fields: Map<String, Value>) -> Result<Condition, String> {
    let field = match fields.remove("field") {
        Some(Value::String(field)) if is_field(&field) => field,
        _ => {
            return Err(
                "`field` must be the name of a field of a user, such as `department`".to_owned()
            );
        }
    };
    let op: Comparator = match fields.remove("op") {
        Some(Value::String(op)) => op.parse().map_err(|error| format!("`op` {error}"))?,
        _ => return Err(format!("`op` {UnknownComparator}")),
    };
    let value = fields.remove("value").unwrap_or(Value::Null);
    if !fields.is_empty() {
        return Err(SHAPES.to_owned());
    }
    let is_scalar = |value: &Value| match value {
        Value::String(text) => text.len() <= MAX_TEXT_BYTES,
        Value::Bool(_) | Value::Number(_) => true,
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    };
    let (is_valid, must) = match op {
        Comparator::Eq | Comparator::Ne => {
            (is_scalar(&value), "must be a text, a number or a boolean")
        }
        Comparator::StartsWith | Comparator::Contains => {
            (value.is_string() && is_scalar(&value), "must be a text")
        }
        Comparator::Exists => (value.is_boolean(), "must be true or false"),
        Comparator::In => {
            let list = value.as_array();
            let is_valid = list.is_some_and(|values| {
                (1..=MAX_VALUES).contains(&values.len()) && values.iter().all(is_scalar)
            });
            (is_valid, "must be a list of 1 to 1,000 texts, numbers or booleans")
        }
    };
    if !is_valid {
        return Err(format!("`value` {must} for `{op}`"));
    }
    Ok(Condition::Field { field, op, value })
}

/// Whether a name is of a field of the unified user, or of a field of that.
fn is_field(name: &str) -> bool {
    static FIELDS: LazyLock<HashSet<String>> = LazyLock::new(|| {
        let user = User::bare(String::new(), UserStatus::Active, UserType::Member);
        let fields = serde_json::to_value(user).unwrap_or_default();
        let fields = fields.as_object().into_iter().flat_map(Map::keys).cloned();
        fields.chain(["email".to_owned()]).collect()
    });
    name.len() <= MAX_TEXT_BYTES
        && name.split('.').all(|part| !part.is_empty())
        && name.split('.').next().is_some_and(|first| FIELDS.contains(first))
}

/// Combines parts until one is `deciding`.
fn combine(
    parts: &[Condition],
    person: &Person,
    results: &ExpressionResults<'_>,
    deciding: bool,
) -> Option<bool> {
    let mut is_unknown = false;
    for part in parts {
        match part.holds(person, results) {
            Some(is_true) if is_true == deciding => return Some(deciding),
            Some(_) => {}
            None => is_unknown = true,
        }
    }
    (!is_unknown).then_some(!deciding)
}

fn compare(person: &Person, field: &str, op: Comparator, value: &Value) -> bool {
    let mut found = Vec::new();
    match field {
        // Shorthands, and the fields that most conditions compare.
        "email" => return compare_texts(person.email().into_iter(), op, value),
        "department" => {
            return compare_texts(person.profile.department.as_deref().into_iter(), op, value);
        }
        "title" => return compare_texts(person.profile.title.as_deref().into_iter(), op, value),
        _ => select(person.json(), field, &mut found),
    }
    compare_values(&found, op, value)
}

fn compare_texts<'a>(texts: impl Iterator<Item = &'a str>, op: Comparator, value: &Value) -> bool {
    let values: Vec<Value> = texts.map(Value::from).collect();
    let values: Vec<&Value> = values.iter().collect();
    compare_values(&values, op, value)
}

fn compare_values(found: &[&Value], op: Comparator, value: &Value) -> bool {
    let any = |matches: &dyn Fn(&Value) -> bool| found.iter().any(|one| matches(one));
    let text = |one: &Value| one.as_str().map(str::to_lowercase);
    match op {
        Comparator::Eq => any(&|one| is_equal(one, value)),
        Comparator::Ne => !any(&|one| is_equal(one, value)),
        Comparator::In => {
            let values = value.as_array().map(Vec::as_slice).unwrap_or_default();
            any(&|one| values.iter().any(|value| is_equal(one, value)))
        }
        Comparator::StartsWith | Comparator::Contains => {
            let Some(wanted) = text(value) else { return false };
            any(&|one| {
                text(one).is_some_and(|text| match op {
                    Comparator::StartsWith => text.starts_with(&wanted),
                    Comparator::Contains
                    | Comparator::Eq
                    | Comparator::Ne
                    | Comparator::In
                    | Comparator::Exists => text.contains(&wanted),
                })
            })
        }
        Comparator::Exists => value.as_bool() == Some(any(&|one| !one.is_null())),
    }
}

fn is_equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::String(one), Value::String(other)) => {
            one == other || one.to_lowercase() == other.to_lowercase()
        }
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (one, other) => one == other,
    }
}

/// Appends the values of a field: those of all elements of a list. An object is represented by its id and its name.
pub(super) fn select<'a>(value: &'a Value, path: &str, into: &mut Vec<&'a Value>) {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    match value {
        Value::Array(elements) => {
            for element in elements {
                select(element, path, into);
            }
        }
        Value::Object(fields) => match (fields.get(name), rest) {
            (Some(value), Some(rest)) => select(value, rest, into),
            (Some(value), None) => append(value, into),
            (None, _) => {}
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn append<'a>(value: &'a Value, into: &mut Vec<&'a Value>) {
    match value {
        Value::Null => {}
        Value::Array(elements) => {
            for element in elements {
                append(element, into);
            }
        }
        Value::Object(fields) => {
            let names = ["id", "name", "email", "number"];
            into.extend(
                names.iter().filter_map(|name| fields.get(*name)).filter(|one| !one.is_null()),
            );
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) => into.push(value),
    }
}

impl<'de> Deserialize<'de> for Condition {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::parse(value, 1, &mut 0).map_err(D::Error::custom)
    }
}

impl Serialize for Condition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_value().serialize(serializer)
    }
}

impl utoipa::PartialSchema for Condition {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::schema::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::Object)
            .description(Some(
                "A condition on a user: `{\"field\", \"op\", \"value\"}` with a field of the unified user (`department`, \
                 `manager.id`, `custom_fields.site`, `roles`, `workspaces`, `groups`) and one of `eq`, `ne`, `in`, \
                 `starts_with`, `contains`, `exists`; or one of `{\"all\": […]}`, `{\"any\": […]}`, `{\"not\": {…}}` and \
                 `{\"expression\": \"JSONata over the unified user\"}`. Texts are compared without regard to case; of a list \
                 one element must match; a workspace, group or role matches by its id or its name.",
            ))
            .examples([json!({"all": [
                {"field": "department", "op": "eq", "value": "Sales"},
                {"not": {"field": "title", "op": "starts_with", "value": "Intern"}},
            ]})])
            .into()
    }
}

impl utoipa::ToSchema for Condition {}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(body: &Value) -> Person {
        Person {
            id: "U1".to_owned(),
            profile: serde_json::from_value(body.clone()).unwrap(),
            last_activity_at: None,
            found_at: time::OffsetDateTime::UNIX_EPOCH,
            roles: Vec::new(),
            lost_roles: Vec::new(),
            workspaces: vec![super::super::Membership {
                id: "T1".to_owned(),
                name: Some("Sales EU".to_owned()),
                grant: super::super::Grant {
                    found_at: time::OffsetDateTime::UNIX_EPOCH,
                    occurred_at: None,
                    actor: None,
                    is_older_than_sync: true,
                },
            }],
            groups: Vec::new(),
            body: body.to_string(),
            whole: std::sync::OnceLock::new(),
        }
    }

    #[test]
    fn compares_fields_of_all_shapes() {
        let ada = person(&json!({
            "name": "Ada", "department": "Sales", "title": null, "status": "active", "user_type": "member",
            "emails": [{"email": "Ada@example.com", "is_primary": true}, {"email": "a@other.example"}],
            "custom_fields": {"site": "Berlin", "floor": 3}, "manager": {"id": "U2", "name": null},
        }));
        for (condition, expected) in [
            (json!({"field": "department", "op": "eq", "value": "sales"}), true),
            (json!({"field": "department", "op": "ne", "value": "sales"}), false),
            (json!({"field": "department", "op": "in", "value": ["IT", "SALES"]}), true),
            (json!({"field": "department", "op": "starts_with", "value": "sal"}), true),
            (json!({"field": "department", "op": "contains", "value": "ale"}), true),
            (json!({"field": "title", "op": "exists", "value": true}), false),
            (json!({"field": "title", "op": "exists", "value": false}), true),
            (json!({"field": "title", "op": "ne", "value": "CEO"}), true),
            (json!({"field": "email", "op": "eq", "value": "ada@example.com"}), true),
            (json!({"field": "emails", "op": "contains", "value": "@other."}), true),
            (json!({"field": "emails.email", "op": "contains", "value": "@none."}), false),
            (json!({"field": "custom_fields.site", "op": "eq", "value": "Berlin"}), true),
            (json!({"field": "custom_fields.floor", "op": "eq", "value": 3}), true),
            (json!({"field": "manager.id", "op": "eq", "value": "U2"}), true),
            (json!({"field": "manager", "op": "eq", "value": "U2"}), true),
            (json!({"field": "workspaces", "op": "eq", "value": "sales eu"}), true),
            (json!({"field": "workspaces", "op": "eq", "value": "T2"}), false),
            (json!({"field": "custom_fields.absent", "op": "exists", "value": false}), true),
            (
                json!({"all": [{"field": "department", "op": "eq", "value": "Sales"},
                {"not": {"field": "workspaces", "op": "eq", "value": "T2"}}]}),
                true,
            ),
            (
                json!({"any": [{"field": "department", "op": "eq", "value": "IT"},
                {"field": "name", "op": "eq", "value": "Bob"}]}),
                false,
            ),
        ] {
            let parsed: Condition = serde_json::from_value(condition.clone()).unwrap();
            assert_eq!(
                parsed.holds(&ada, &ExpressionResults::default()),
                Some(expected),
                "{condition}"
            );
            assert_eq!(serde_json::to_value(&parsed).unwrap(), condition);
        }
    }

    #[test]
    fn a_failed_expression_leaves_the_result_unknown_unless_others_decide() {
        let ada = person(&json!({"name": "Ada", "status": "active", "user_type": "member"}));
        let failed = json!({"expression": "$error('x')"});
        let (yes, no) = (
            json!({"field": "name", "op": "eq", "value": "Ada"}),
            json!({"field": "name", "op": "eq", "value": "Bob"}),
        );
        for (condition, expected) in [
            (failed.clone(), None),
            (json!({"not": failed}), None),
            (json!({"any": [failed, yes]}), Some(true)),
            (json!({"any": [failed, no]}), None),
            (json!({"all": [failed, no]}), Some(false)),
            (json!({"all": [failed, yes]}), None),
        ] {
            let parsed: Condition = serde_json::from_value(condition.clone()).unwrap();
            assert_eq!(parsed.holds(&ada, &ExpressionResults::default()), expected, "{condition}");
        }
    }

    #[test]
    fn rejects_malformed_conditions_with_what_is_expected() {
        let deep = (0..MAX_DEPTH).fold(
            json!({"field": "name", "op": "eq", "value": 1}),
            |inner, _| json!({"not": inner}),
        );
        let many =
            json!({"any": vec![json!({"field": "name", "op": "eq", "value": 1}); MAX_PARTS]});
        for (condition, expected) in [
            (json!("x"), "must be an object"),
            (json!({}), "only one of"),
            (json!({"all": [], "any": []}), "only one of"),
            (json!({"all": []}), "at least one"),
            (json!({"all": {}}), "lists of conditions"),
            (json!({"every": []}), "only one of"),
            (json!({"field": "", "op": "eq", "value": 1}), "name of a field"),
            (json!({"field": "name..b", "op": "eq", "value": 1}), "name of a field"),
            (json!({"field": "departement", "op": "eq", "value": 1}), "name of a field"),
            (json!({"field": "name", "op": "like", "value": 1}), "must be one of: eq"),
            (json!({"field": "name", "value": 1}), "must be one of: eq"),
            (json!({"field": "name", "op": "eq"}), "a text, a number or a boolean"),
            (json!({"field": "name", "op": "eq", "value": [1]}), "a text, a number or a boolean"),
            (json!({"field": "name", "op": "in", "value": []}), "a list of 1 to 1,000"),
            (json!({"field": "name", "op": "contains", "value": 1}), "must be a text"),
            (json!({"field": "name", "op": "exists", "value": 1}), "true or false"),
            (json!({"field": "name", "op": "eq", "value": 1, "more": 1}), "only one of"),
            (json!({"expression": ""}), "1 to 4096 bytes"),
            (deep, "at most 100 parts"),
            (many, "at most 100 parts"),
        ] {
            let error = serde_json::from_value::<Condition>(condition.clone()).unwrap_err();
            assert!(error.to_string().contains(expected), "{condition}: {error}");
        }
    }
}
