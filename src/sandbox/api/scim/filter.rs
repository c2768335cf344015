//! The `filter` parameter of SCIM 1.1: `attribute operator value`, `and`, `or`, parentheses.
//!
//! Slack supports four attributes, and no `filter` in version 2.0:
//! <https://docs.slack.dev/reference/scim-api#filter>.

use crate::sandbox::org::{GridOrganization, Person, PersonIndex, WorkspaceLevel};

/// Maximum nesting depth, which bounds the stack.
const MAX_DEPTH: usize = 16;
/// Maximum length of a filter.
const MAX_LENGTH: usize = 4_000;

/// A filter expression on users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ScimFilter {
    /// Both sides match.
    And(Box<ScimFilter>, Box<ScimFilter>),
    /// At least one side matches.
    Or(Box<ScimFilter>, Box<ScimFilter>),
    /// A comparison.
    Comparison(FilterAttribute, FilterOperator, String),
}

/// Attributes that filters can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FilterAttribute {
    /// Username.
    UserName,
    /// Primary e-mail address.
    Email,
    /// Whether it is a multi-channel guest.
    Restricted,
    /// Whether it is a single-channel guest.
    UltraRestricted,
}

/// Comparison operators; all ignore case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FilterOperator {
    /// Equal.
    Eq,
    /// Contains.
    Co,
    /// Starts with.
    Sw,
    /// Present.
    Pr,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum FilterToken {
    Open,
    Close,
    Word(String),
    Literal(String),
}

/// Parses a filter.
///
/// # Errors
///
/// Slack's error code.
pub(super) fn parse(text: &str) -> Result<ScimFilter, &'static str> {
    if text.trim().is_empty() {
        return Err("no_filters");
    }
    if text.len() > MAX_LENGTH {
        return Err("invalid_query");
    }
    let mut parser = FilterParser { tokens: tokenize(text)?.into_iter().peekable() };
    let filter = parser.parse_or(0)?;
    match parser.tokens.next() {
        None => Ok(filter),
        Some(FilterToken::Close) => Err("invalid_filter_group"),
        Some(FilterToken::Open | FilterToken::Word(_) | FilterToken::Literal(_)) => {
            Err("incomplete_filter")
        }
    }
}

fn tokenize(text: &str) -> Result<Vec<FilterToken>, &'static str> {
    let mut tokens = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '(' => tokens.push(FilterToken::Open),
            ')' => tokens.push(FilterToken::Close),
            '"' | '\'' => tokens.push(FilterToken::Literal(parse_literal(letter, &mut letters)?)),
            space if space.is_whitespace() => {}
            first => {
                let mut word = String::from(first);
                let ends = |next: &char| next.is_whitespace() || matches!(next, '(' | ')' | '"');
                while let Some(next) = letters.next_if(|next| !ends(next)) {
                    word.push(next);
                }
                tokens.push(FilterToken::Word(word));
            }
        }
    }
    Ok(tokens)
}

/// Parses the rest of a quoted string. Double quotes follow JSON.
fn parse_literal(
    mark: char,
    letters: &mut impl Iterator<Item = char>,
) -> Result<String, &'static str> {
    let mut text = String::from('"');
    loop {
        match letters.next().ok_or("incomplete_filter")? {
            end if end == mark => break,
            '\\' => text.extend(['\\', letters.next().ok_or("incomplete_filter")?]),
            '"' => text.push_str("\\\""),
            other => text.push(other),
        }
    }
    text.push('"');
    serde_json::from_str(&text).map_err(|_| "invalid_query")
}

struct FilterParser {
    tokens: std::iter::Peekable<std::vec::IntoIter<FilterToken>>,
}

impl FilterParser {
    fn parse_or(&mut self, depth: usize) -> Result<ScimFilter, &'static str> {
        let mut left = self.parse_and(depth)?;
        while self.consume_keyword("or") {
            left = ScimFilter::Or(Box::new(left), Box::new(self.parse_and(depth)?));
        }
        Ok(left)
    }

    fn parse_and(&mut self, depth: usize) -> Result<ScimFilter, &'static str> {
        let mut left = self.parse_term(depth)?;
        while self.consume_keyword("and") {
            left = ScimFilter::And(Box::new(left), Box::new(self.parse_term(depth)?));
        }
        Ok(left)
    }

    fn parse_term(&mut self, depth: usize) -> Result<ScimFilter, &'static str> {
        match self.tokens.next() {
            None => Err("incomplete_filter"),
            Some(FilterToken::Close) => Err("invalid_filter_group"),
            Some(FilterToken::Literal(_)) => Err("invalid_query"),
            Some(FilterToken::Open) if depth >= MAX_DEPTH => Err("invalid_filter_group"),
            Some(FilterToken::Open) => {
                let inner = self.parse_or(depth + 1)?;
                match self.tokens.next() {
                    Some(FilterToken::Close) => Ok(inner),
                    None
                    | Some(FilterToken::Open | FilterToken::Word(_) | FilterToken::Literal(_)) => {
                        Err("invalid_filter_group")
                    }
                }
            }
            Some(FilterToken::Word(word)) => {
                self.parse_comparison(attribute(&word).ok_or("invalid_query")?)
            }
        }
    }

    fn parse_comparison(&mut self, attribute: FilterAttribute) -> Result<ScimFilter, &'static str> {
        let operator = match self.tokens.next() {
            Some(FilterToken::Word(word)) => operator(&word).ok_or("invalid_query")?,
            None => return Err("incomplete_filter"),
            Some(FilterToken::Open | FilterToken::Close | FilterToken::Literal(_)) => {
                return Err("invalid_query");
            }
        };
        if operator == FilterOperator::Pr {
            return Ok(ScimFilter::Comparison(attribute, operator, String::new()));
        }
        match self.tokens.next() {
            Some(FilterToken::Literal(value) | FilterToken::Word(value)) => {
                Ok(ScimFilter::Comparison(attribute, operator, value.to_lowercase()))
            }
            None | Some(FilterToken::Open | FilterToken::Close) => Err("incomplete_filter"),
        }
    }

    fn consume_keyword(&mut self, expected: &str) -> bool {
        let is = |token: &FilterToken| match token {
            FilterToken::Word(word) => word.eq_ignore_ascii_case(expected),
            FilterToken::Open | FilterToken::Close | FilterToken::Literal(_) => false,
        };
        self.tokens.next_if(is).is_some()
    }
}

fn attribute(word: &str) -> Option<FilterAttribute> {
    match word.to_ascii_lowercase().as_str() {
        "username" => Some(FilterAttribute::UserName),
        "email" | "emails" | "emails.value" => Some(FilterAttribute::Email),
        "restricted" => Some(FilterAttribute::Restricted),
        "ultra_restricted" => Some(FilterAttribute::UltraRestricted),
        _ => None,
    }
}

fn operator(word: &str) -> Option<FilterOperator> {
    match word.to_ascii_lowercase().as_str() {
        "eq" => Some(FilterOperator::Eq),
        "co" => Some(FilterOperator::Co),
        "sw" => Some(FilterOperator::Sw),
        "pr" => Some(FilterOperator::Pr),
        "gt" => Some(FilterOperator::Gt),
        "ge" => Some(FilterOperator::Ge),
        "lt" => Some(FilterOperator::Lt),
        "le" => Some(FilterOperator::Le),
        _ => None,
    }
}

impl ScimFilter {
    /// Whether a user matches.
    pub(super) fn matches(&self, person: &Person) -> bool {
        match self {
            Self::And(left, right) => left.matches(person) && right.matches(person),
            Self::Or(left, right) => left.matches(person) || right.matches(person),
            Self::Comparison(attribute, operator, value) => {
                let (actual, expected) = match attribute {
                    FilterAttribute::UserName => (person.username.to_lowercase(), value.clone()),
                    FilterAttribute::Email => (person.email.to_lowercase(), value.clone()),
                    FilterAttribute::Restricted => (
                        bool_text(person.guest_level() == Some(WorkspaceLevel::MultiChannelGuest)),
                        normalize_bool(value),
                    ),
                    FilterAttribute::UltraRestricted => (
                        bool_text(person.guest_level() == Some(WorkspaceLevel::SingleChannelGuest)),
                        normalize_bool(value),
                    ),
                };
                compare(*operator, &actual, &expected)
            }
        }
    }

    /// Returns the matching accounts if the filter is an equality on an address or username, which
    /// needs no search.
    pub(super) fn lookup(&self, org: &GridOrganization) -> Option<Vec<PersonIndex>> {
        let found = match self {
            Self::Comparison(FilterAttribute::Email, FilterOperator::Eq, value) => {
                org.find_by_email(value)
            }
            Self::Comparison(FilterAttribute::UserName, FilterOperator::Eq, value) => {
                org.find_by_username(value)
            }
            Self::Comparison(..) | Self::And(..) | Self::Or(..) => return None,
        };
        let found = found.filter(|(_, person)| !person.is_bot());
        Some(found.map(|(index, _)| index).into_iter().collect())
    }
}

fn compare(operator: FilterOperator, actual: &str, expected: &str) -> bool {
    match operator {
        FilterOperator::Eq => actual == expected,
        FilterOperator::Co => actual.contains(expected),
        FilterOperator::Sw => actual.starts_with(expected),
        FilterOperator::Pr => !actual.is_empty() && actual != "0",
        FilterOperator::Gt => actual > expected,
        FilterOperator::Ge => actual >= expected,
        FilterOperator::Lt => actual < expected,
        FilterOperator::Le => actual <= expected,
    }
}

fn bool_text(value: bool) -> String {
    if value { "1" } else { "0" }.to_owned()
}

fn normalize_bool(value: &str) -> String {
    match value {
        "true" => "1".to_owned(),
        "false" => "0".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(attribute: FilterAttribute, operator: FilterOperator, value: &str) -> ScimFilter {
        ScimFilter::Comparison(attribute, operator, value.to_owned())
    }

    #[test]
    fn ignores_case_of_names_and_operators() {
        let wanted = Ok(test(FilterAttribute::UserName, FilterOperator::Eq, "carly"));
        assert_eq!(parse(r#"userName Eq "Carly""#), wanted);
        assert_eq!(parse(r"USERNAME eq 'carly'"), wanted);
        assert_eq!(
            parse("restricted eq '1'"),
            Ok(test(FilterAttribute::Restricted, FilterOperator::Eq, "1"))
        );
        assert_eq!(parse("email pr"), Ok(test(FilterAttribute::Email, FilterOperator::Pr, "")));
        let quoted = parse(r#"email eq "a\"b c)@d""#);
        assert_eq!(quoted, Ok(test(FilterAttribute::Email, FilterOperator::Eq, "a\"b c)@d")));
        let escaped = parse(r#"email co "\u00e9""#);
        assert_eq!(escaped, Ok(test(FilterAttribute::Email, FilterOperator::Co, "é")));
        assert_eq!(parse(r#"email co "\x""#), Err("invalid_query"));
    }

    #[test]
    fn and_binds_tighter_than_or() {
        let a = test(FilterAttribute::Email, FilterOperator::Sw, "a");
        let b = test(FilterAttribute::Email, FilterOperator::Co, "b");
        let c = test(FilterAttribute::UserName, FilterOperator::Gt, "c");
        let and = |left, right| ScimFilter::And(Box::new(left), Box::new(right));
        let or = |left, right| ScimFilter::Or(Box::new(left), Box::new(right));
        let loose = parse("email sw 'a' or email co 'b' and username gt 'c'");
        assert_eq!(loose, Ok(or(a.clone(), and(b.clone(), c.clone()))));
        let tight = parse("(email sw 'a' OR email co 'b') AND username gt 'c'");
        assert_eq!(tight, Ok(and(or(a, b), c)));
    }

    #[test]
    fn returns_code_of_each_error() {
        for (text, code) in [
            ("  ", "no_filters"),
            ("email", "incomplete_filter"),
            ("email eq", "incomplete_filter"),
            ("email eq \"open", "incomplete_filter"),
            ("email eq 'a' email eq 'b'", "incomplete_filter"),
            ("email eq 'a' and", "incomplete_filter"),
            ("title eq 'a'", "invalid_query"),
            ("email ne 'a'", "invalid_query"),
            ("'a' eq email", "invalid_query"),
            ("(email eq 'a'", "invalid_filter_group"),
            ("email eq 'a')", "invalid_filter_group"),
            ("()", "invalid_filter_group"),
        ] {
            assert_eq!(parse(text), Err(code), "{text}");
        }
        let deep = format!("{}email pr{}", "(".repeat(1_000), ")".repeat(1_000));
        assert_eq!(parse(&deep), Err("invalid_filter_group"));
        let allowed = format!("{}email pr{}", "(".repeat(MAX_DEPTH), ")".repeat(MAX_DEPTH));
        assert!(parse(&allowed).is_ok());
    }
}
