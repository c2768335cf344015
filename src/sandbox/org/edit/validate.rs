//! Validation of usernames, display names and e-mail addresses:
//! <https://docs.slack.dev/reference/scim-api>.

use super::ProfileError;

/// Maximum length of a username.
pub(super) const MAX_USERNAME_LENGTH: usize = 21;
/// Maximum length of a display name.
const MAX_DISPLAY_NAME_LENGTH: usize = 80;
/// Maximum length of an e-mail address, according to RFC 5321.
const MAX_EMAIL_LENGTH: usize = 254;

/// Reserved words for groups of members and for Slack itself.
const RESERVED_WORDS: &[&str] =
    &["channel", "everyone", "group", "here", "me", "slackbot", "subteam", "you"];

/// A requested username.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum UsernameInput {
    /// Exactly this one.
    Exact(String),
    /// The prefix of one, derived from an e-mail address.
    Prefix(String),
}

/// Parses a username: lower-cases letters and replaces invalid characters with `_`.
pub(super) fn parse_username(text: &str) -> Result<UsernameInput, ProfileError> {
    let text = text.trim();
    if text.chars().any(is_emoji) {
        return Err(ProfileError::ContainsEmoji);
    }
    let (stem, from_address) = match text.split_once('@') {
        Some((local, _)) => (local, true),
        None => (text, false),
    };
    let handle: String = stem.chars().map(username_char).collect();
    if text.is_empty() {
        return Err(ProfileError::UsernameEmpty);
    }
    if !handle.chars().any(|letter| letter.is_ascii_alphanumeric()) {
        return Err(ProfileError::UsernameMalformed);
    }
    if RESERVED_WORDS.contains(&handle.as_str()) {
        return Err(ProfileError::UsernameReserved);
    }
    if from_address {
        return Ok(UsernameInput::Prefix(handle.chars().take(MAX_USERNAME_LENGTH).collect()));
    }
    if handle.len() > MAX_USERNAME_LENGTH {
        return Err(ProfileError::UsernameTooLong);
    }
    Ok(UsernameInput::Exact(handle))
}

/// Returns the character as it appears in a username.
pub(super) fn username_char(letter: char) -> char {
    match letter {
        'a'..='z' | '0'..='9' | '.' | '_' | '-' => letter,
        other if other.is_ascii_uppercase() => other.to_ascii_lowercase(),
        _ => '_',
    }
}

/// Parses a display name; replaces invalid characters with `_`.
pub(super) fn parse_display_name(text: &str) -> Result<String, ProfileError> {
    let text = text.trim();
    if text.starts_with('@') {
        return Err(ProfileError::StartsWithAt);
    }
    if text.contains(['@', '<', '>']) {
        return Err(ProfileError::NameMalformed);
    }
    if text.chars().any(is_emoji) {
        return Err(ProfileError::ContainsEmoji);
    }
    if text.chars().count() > MAX_DISPLAY_NAME_LENGTH {
        return Err(ProfileError::NameTooLong);
    }
    if RESERVED_WORDS.contains(&text.to_lowercase().as_str()) {
        return Err(ProfileError::ReservedWord);
    }
    let letter = |letter: char| {
        let is_valid = letter.is_alphanumeric() || matches!(letter, ' ' | '.' | '_' | '-');
        if is_valid { letter } else { '_' }
    };
    Ok(text.chars().map(letter).collect())
}

/// Validates a single-line profile text.
pub(super) fn validate_line(text: &str) -> Result<(), ProfileError> {
    if text.chars().any(is_emoji) { Err(ProfileError::ContainsEmoji) } else { Ok(()) }
}

/// Validates an e-mail address.
pub(super) fn validate_email(text: &str) -> Result<(), ProfileError> {
    let (local, domain) = text.split_once('@').ok_or(ProfileError::EmailMalformed)?;
    let odd = |letter: char| letter.is_whitespace() || letter.is_control();
    let labels = domain.split('.').count();
    let fits = !local.is_empty()
        && labels > 1
        && domain.split('.').all(|label| !label.is_empty())
        && !domain.contains('@')
        && text.len() <= MAX_EMAIL_LENGTH
        && !text.contains(odd);
    if fits { Ok(()) } else { Err(ProfileError::EmailMalformed) }
}

/// Whether a character is an emoji.
fn is_emoji(letter: char) -> bool {
    matches!(u32::from(letter), 0x1F000..=0x1FAFF | 0x2600..=0x27BF | 0x2B50 | 0x2B55 | 0xFE0F)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exactly(text: &str) -> UsernameInput {
        UsernameInput::Exact(text.to_owned())
    }

    #[test]
    fn normalizes_usernames_and_strips_domains() {
        assert_eq!(parse_username("guestUser"), Ok(exactly("guestuser")));
        assert_eq!(parse_username("Zoë O'Neil.x-1"), Ok(exactly("zo__o_neil.x-1")));
        let like = UsernameInput::Prefix("carly.rae_slack".to_owned());
        assert_eq!(parse_username("Carly.Rae+slack@example.com"), Ok(like));
        let long = "a".repeat(40);
        assert_eq!(parse_username(&long), Err(ProfileError::UsernameTooLong));
        assert_eq!(
            parse_username(&format!("{long}@b.c")),
            Ok(UsernameInput::Prefix("a".repeat(21)))
        );
        assert_eq!(parse_username("??"), Err(ProfileError::UsernameMalformed));
        assert_eq!(parse_username(" "), Err(ProfileError::UsernameEmpty));
        assert_eq!(parse_username("Everyone"), Err(ProfileError::UsernameReserved));
        assert_eq!(parse_username("party🎉"), Err(ProfileError::ContainsEmoji));
    }

    #[test]
    fn display_names_keep_letters_and_replace_the_rest() {
        assert_eq!(parse_display_name(" Seán O'Brien "), Ok("Seán O_Brien".to_owned()));
        assert_eq!(parse_display_name("@sean"), Err(ProfileError::StartsWithAt));
        assert_eq!(parse_display_name("a@b"), Err(ProfileError::NameMalformed));
        assert_eq!(parse_display_name("here"), Err(ProfileError::ReservedWord));
        assert_eq!(parse_display_name(&"é".repeat(80)), Ok("é".repeat(80)));
        assert_eq!(parse_display_name(&"é".repeat(81)), Err(ProfileError::NameTooLong));
    }

    #[test]
    fn an_address_has_a_local_part_and_a_domain_with_a_dot() {
        assert_eq!(validate_email("a.b+c@d.example"), Ok(()));
        for wrong in ["", "a", "@b.c", "a@b", "a@b..c", "a b@c.d", "a@b@c.d", "a@b.c\n"] {
            assert_eq!(validate_email(wrong), Err(ProfileError::EmailMalformed), "{wrong}");
        }
    }
}
