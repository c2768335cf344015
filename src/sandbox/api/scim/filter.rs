//! The `filter` parameter of SCIM 1.1: `attribute operator value`, `and`, `or`, parentheses.
//!
//! Slack takes four attributes, and leaves `filter` out of version 2.0 altogether:
//! <https://docs.slack.dev/reference/scim-api#filter>.

use crate::sandbox::org::{Level, Organization, Person, PersonIndex};

/// Deeper parentheses are refused, so that a question cannot exhaust the stack.
const DEPTH: usize = 16;
/// Longer filters are refused.
const LENGTH: usize = 4_000;

/// A condition on a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Filter {
    /// Both.
    And(Box<Filter>, Box<Filter>),
    /// Either.
    Or(Box<Filter>, Box<Filter>),
    /// One comparison.
    Test(Attribute, Operator, String),
}

/// What can be asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attribute {
    /// The handle.
    UserName,
    /// The primary address.
    Email,
    /// Whether it is a multi-channel guest.
    Restricted,
    /// Whether it is a single-channel guest.
    UltraRestricted,
}

/// How it is compared, without regard to case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    /// Equal.
    Eq,
    /// Contains.
    Co,
    /// Starts with.
    Sw,
    /// Is there.
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
enum Token {
    Open,
    Close,
    Word(String),
    Literal(String),
}

/// Reads a filter.
///
/// # Errors
///
/// Slack's code for what is wrong with it.
pub(super) fn parse(text: &str) -> Result<Filter, &'static str> {
    if text.trim().is_empty() {
        return Err("no_filters");
    }
    if text.len() > LENGTH {
        return Err("invalid_query");
    }
    let mut parser = Parser { tokens: tokens(text)?.into_iter().peekable() };
    let filter = parser.any(0)?;
    match parser.tokens.next() {
        None => Ok(filter),
        Some(Token::Close) => Err("invalid_filter_group"),
        Some(Token::Open | Token::Word(_) | Token::Literal(_)) => Err("incomplete_filter"),
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, &'static str> {
    let mut tokens = Vec::new();
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '(' => tokens.push(Token::Open),
            ')' => tokens.push(Token::Close),
            '"' | '\'' => tokens.push(Token::Literal(literal(letter, &mut letters)?)),
            space if space.is_whitespace() => {}
            first => {
                let mut word = String::from(first);
                let ends = |next: &char| next.is_whitespace() || matches!(next, '(' | ')' | '"');
                while let Some(next) = letters.next_if(|next| !ends(next)) {
                    word.push(next);
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    Ok(tokens)
}

/// The rest of a text in quotation marks. Double ones hold what JSON holds.
fn literal(mark: char, letters: &mut impl Iterator<Item = char>) -> Result<String, &'static str> {
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

struct Parser {
    tokens: std::iter::Peekable<std::vec::IntoIter<Token>>,
}

impl Parser {
    fn any(&mut self, depth: usize) -> Result<Filter, &'static str> {
        let mut left = self.all(depth)?;
        while self.takes("or") {
            left = Filter::Or(Box::new(left), Box::new(self.all(depth)?));
        }
        Ok(left)
    }

    fn all(&mut self, depth: usize) -> Result<Filter, &'static str> {
        let mut left = self.one(depth)?;
        while self.takes("and") {
            left = Filter::And(Box::new(left), Box::new(self.one(depth)?));
        }
        Ok(left)
    }

    fn one(&mut self, depth: usize) -> Result<Filter, &'static str> {
        match self.tokens.next() {
            None => Err("incomplete_filter"),
            Some(Token::Close) => Err("invalid_filter_group"),
            Some(Token::Literal(_)) => Err("invalid_query"),
            Some(Token::Open) if depth >= DEPTH => Err("invalid_filter_group"),
            Some(Token::Open) => {
                let inner = self.any(depth + 1)?;
                match self.tokens.next() {
                    Some(Token::Close) => Ok(inner),
                    None | Some(Token::Open | Token::Word(_) | Token::Literal(_)) => {
                        Err("invalid_filter_group")
                    }
                }
            }
            Some(Token::Word(word)) => self.test(attribute(&word).ok_or("invalid_query")?),
        }
    }

    fn test(&mut self, attribute: Attribute) -> Result<Filter, &'static str> {
        let operator = match self.tokens.next() {
            Some(Token::Word(word)) => operator(&word).ok_or("invalid_query")?,
            None => return Err("incomplete_filter"),
            Some(Token::Open | Token::Close | Token::Literal(_)) => return Err("invalid_query"),
        };
        if operator == Operator::Pr {
            return Ok(Filter::Test(attribute, operator, String::new()));
        }
        match self.tokens.next() {
            Some(Token::Literal(value) | Token::Word(value)) => {
                Ok(Filter::Test(attribute, operator, value.to_lowercase()))
            }
            None | Some(Token::Open | Token::Close) => Err("incomplete_filter"),
        }
    }

    fn takes(&mut self, wanted: &str) -> bool {
        let is = |token: &Token| match token {
            Token::Word(word) => word.eq_ignore_ascii_case(wanted),
            Token::Open | Token::Close | Token::Literal(_) => false,
        };
        self.tokens.next_if(is).is_some()
    }
}

fn attribute(word: &str) -> Option<Attribute> {
    match word.to_ascii_lowercase().as_str() {
        "username" => Some(Attribute::UserName),
        "email" | "emails" | "emails.value" => Some(Attribute::Email),
        "restricted" => Some(Attribute::Restricted),
        "ultra_restricted" => Some(Attribute::UltraRestricted),
        _ => None,
    }
}

fn operator(word: &str) -> Option<Operator> {
    match word.to_ascii_lowercase().as_str() {
        "eq" => Some(Operator::Eq),
        "co" => Some(Operator::Co),
        "sw" => Some(Operator::Sw),
        "pr" => Some(Operator::Pr),
        "gt" => Some(Operator::Gt),
        "ge" => Some(Operator::Ge),
        "lt" => Some(Operator::Lt),
        "le" => Some(Operator::Le),
        _ => None,
    }
}

impl Filter {
    /// Whether a user meets the condition.
    pub(super) fn matches(&self, person: &Person) -> bool {
        match self {
            Self::And(left, right) => left.matches(person) && right.matches(person),
            Self::Or(left, right) => left.matches(person) || right.matches(person),
            Self::Test(attribute, operator, value) => {
                let (held, wanted) = match attribute {
                    Attribute::UserName => (person.username.to_lowercase(), value.clone()),
                    Attribute::Email => (person.email.to_lowercase(), value.clone()),
                    Attribute::Restricted => {
                        (flag(person.guest() == Some(Level::MultiChannelGuest)), as_flag(value))
                    }
                    Attribute::UltraRestricted => {
                        (flag(person.guest() == Some(Level::SingleChannelGuest)), as_flag(value))
                    }
                };
                compare(*operator, &held, &wanted)
            }
        }
    }

    /// The accounts that meet the condition, when it names an address or a handle: that needs no
    /// search.
    pub(super) fn named(&self, org: &Organization) -> Option<Vec<PersonIndex>> {
        let found = match self {
            Self::Test(Attribute::Email, Operator::Eq, value) => org.find_by_email(value),
            Self::Test(Attribute::UserName, Operator::Eq, value) => org.find_by_username(value),
            Self::Test(..) | Self::And(..) | Self::Or(..) => return None,
        };
        let found = found.filter(|(_, person)| !person.is_bot());
        Some(found.map(|(index, _)| index).into_iter().collect())
    }
}

fn compare(operator: Operator, held: &str, wanted: &str) -> bool {
    match operator {
        Operator::Eq => held == wanted,
        Operator::Co => held.contains(wanted),
        Operator::Sw => held.starts_with(wanted),
        Operator::Pr => !held.is_empty() && held != "0",
        Operator::Gt => held > wanted,
        Operator::Ge => held >= wanted,
        Operator::Lt => held < wanted,
        Operator::Le => held <= wanted,
    }
}

fn flag(held: bool) -> String {
    if held { "1" } else { "0" }.to_owned()
}

fn as_flag(value: &str) -> String {
    match value {
        "true" => "1".to_owned(),
        "false" => "0".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(attribute: Attribute, operator: Operator, value: &str) -> Filter {
        Filter::Test(attribute, operator, value.to_owned())
    }

    #[test]
    fn names_and_operators_are_read_in_any_case() {
        let wanted = Ok(test(Attribute::UserName, Operator::Eq, "carly"));
        assert_eq!(parse(r#"userName Eq "Carly""#), wanted);
        assert_eq!(parse(r"USERNAME eq 'carly'"), wanted);
        assert_eq!(parse("restricted eq '1'"), Ok(test(Attribute::Restricted, Operator::Eq, "1")));
        assert_eq!(parse("email pr"), Ok(test(Attribute::Email, Operator::Pr, "")));
        let quoted = parse(r#"email eq "a\"b c)@d""#);
        assert_eq!(quoted, Ok(test(Attribute::Email, Operator::Eq, "a\"b c)@d")));
        let escaped = parse(r#"email co "\u00e9""#);
        assert_eq!(escaped, Ok(test(Attribute::Email, Operator::Co, "é")));
        assert_eq!(parse(r#"email co "\x""#), Err("invalid_query"));
    }

    #[test]
    fn and_binds_tighter_than_or_and_parentheses_tightest() {
        let a = test(Attribute::Email, Operator::Sw, "a");
        let b = test(Attribute::Email, Operator::Co, "b");
        let c = test(Attribute::UserName, Operator::Gt, "c");
        let and = |left, right| Filter::And(Box::new(left), Box::new(right));
        let or = |left, right| Filter::Or(Box::new(left), Box::new(right));
        let loose = parse("email sw 'a' or email co 'b' and username gt 'c'");
        assert_eq!(loose, Ok(or(a.clone(), and(b.clone(), c.clone()))));
        let tight = parse("(email sw 'a' OR email co 'b') AND username gt 'c'");
        assert_eq!(tight, Ok(and(or(a, b), c)));
    }

    #[test]
    fn what_is_wrong_has_its_code() {
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
        let allowed = format!("{}email pr{}", "(".repeat(DEPTH), ")".repeat(DEPTH));
        assert!(parse(&allowed).is_ok());
    }
}
