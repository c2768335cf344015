//! Words that texts for readers do not use: each has a term of the field.

/// Such words. `docs/GLOSSARY.md` has the terms.
const BANNED: &[&str] = &[
    "alive", "answer", "answers", "dead", "flaw", "flaws", "keep", "keeps", "kept", "mistake",
    "mistakes", "nobody", "somebody", "tell", "tells", "thing", "things", "told", "trouble",
    "turn", "whoever", "wish", "wished", "wishes",
];

/// The words of a text or of a name in `CamelCase` or `snake_case`, in lower case.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for letter in text.chars() {
        if letter.is_uppercase() || !letter.is_alphanumeric() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| letter.is_alphanumeric()) {
            word.extend(letter.to_lowercase());
        }
    }
    words
}

/// Fails if a text or a name has one of these words.
#[track_caller]
pub(crate) fn check_words(text: &str) {
    for word in words(text) {
        assert!(!BANNED.contains(&word.as_str()), "`{word}` in {text}");
    }
}
