//! Code on the pages: strings, names of fields and literals are marked for the style sheet.

use maud::{Markup, html};

/// Words that are marked as literals.
const LITERALS: [&str; 12] = [
    "True", "False", "None", "true", "false", "null", "import", "const", "await", "if", "throw",
    "new",
];

/// A part of a code.
#[derive(Debug, PartialEq)]
struct Token<'c> {
    /// Class in the style sheet; empty for plain code.
    class: &'static str,
    text: &'c str,
}

/// Renders a block of code.
pub(super) fn block(code: &str) -> Markup {
    html! {
        pre {
            code {
                @for Token { class, text } in tokens(code) {
                    @if class.is_empty() { (text) } @else { i class=(class) { (text) } }
                }
            }
        }
    }
}

/// Splits a code into plain parts, strings, names of fields and literals.
fn tokens(code: &str) -> Vec<Token<'_>> {
    let (mut tokens, mut rest, mut plain) = (Vec::new(), code, code);
    while let Some(first) = rest.chars().next() {
        let (length, class) = if matches!(first, '"' | '\'' | '`') {
            let length = string_length(rest, first);
            let after = rest.get(length..).unwrap_or_default();
            (length, if after.starts_with(':') { "p" } else { "s" })
        } else {
            let length = rest.find(|other: char| !other.is_alphanumeric()).unwrap_or(rest.len());
            let is_literal = rest.get(..length).is_some_and(|word| LITERALS.contains(&word));
            (length.max(first.len_utf8()), if is_literal { "n" } else { "" })
        };
        let (token, after) = rest.split_at(length);
        if !class.is_empty() {
            push_plain(&mut tokens, plain, rest);
            tokens.push(Token { class, text: token });
            plain = after;
        }
        rest = after;
    }
    push_plain(&mut tokens, plain, rest);
    tokens
}

/// Adds what precedes `rest` in `plain`.
fn push_plain<'c>(tokens: &mut Vec<Token<'c>>, plain: &'c str, rest: &str) {
    let text = plain.get(..plain.len() - rest.len()).unwrap_or_default();
    if !text.is_empty() {
        tokens.push(Token { class: "", text });
    }
}

/// Returns the length of the string that a code begins with, including the quotes.
fn string_length(code: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (position, character) in code.char_indices().skip(1) {
        if character == quote && !is_escaped {
            return position + character.len_utf8();
        }
        is_escaped = character == '\\' && !is_escaped;
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(code: &str) -> Vec<(&str, &str)> {
        let all: String = tokens(code).iter().map(|token| token.text).collect();
        assert_eq!(all, code, "no part is lost");
        tokens(code).iter().map(|token| (token.class, token.text)).collect()
    }

    #[test]
    fn marks_names_strings_and_literals() {
        let json = r#"{"a": "x\"y", "b": null, "nullable": 1}"#;
        let marked: Vec<_> =
            classes(json).into_iter().filter(|(class, _)| !class.is_empty()).collect();
        let expected = [
            ("p", r#""a""#),
            ("s", r#""x\"y""#),
            ("p", r#""b""#),
            ("n", "null"),
            ("p", r#""nullable""#),
        ];
        assert_eq!(marked, expected);
    }

    #[test]
    fn accepts_any_text() {
        for code in ["", "'", "\"…", "é'ü'", "it's", "\\", "a\u{2028}`"] {
            classes(code);
        }
    }
}
