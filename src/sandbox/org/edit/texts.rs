//! What Slack asks of handles, names and addresses: <https://docs.slack.dev/reference/scim-api>.

use super::Flaw;

/// The longest handle.
pub(super) const LONGEST_HANDLE: usize = 21;
/// The longest display name.
const LONGEST_NAME: usize = 80;
/// The longest address, as the mail standards have it.
const LONGEST_EMAIL: usize = 254;

/// Words that mean everybody, somebody or Slack itself.
const RESERVED: &[&str] =
    &["channel", "everyone", "group", "here", "me", "slackbot", "subteam", "you"];

/// What is wished for as a handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Handle {
    /// This one and no other.
    Exactly(String),
    /// One that begins like this: it was made from an address.
    Like(String),
}

/// Reads a handle: letters are made small, and what Slack does not take becomes `_`.
pub(super) fn handle(text: &str) -> Result<Handle, Flaw> {
    let text = text.trim();
    if text.chars().any(is_emoji) {
        return Err(Flaw::Emoji);
    }
    let (stem, from_address) = match text.split_once('@') {
        Some((local, _)) => (local, true),
        None => (text, false),
    };
    let handle: String = stem.chars().map(handle_letter).collect();
    if text.is_empty() {
        return Err(Flaw::UsernameEmpty);
    }
    if !handle.chars().any(|letter| letter.is_ascii_alphanumeric()) {
        return Err(Flaw::UsernameMalformed);
    }
    if RESERVED.contains(&handle.as_str()) {
        return Err(Flaw::UsernameReserved);
    }
    if from_address {
        return Ok(Handle::Like(handle.chars().take(LONGEST_HANDLE).collect()));
    }
    if handle.len() > LONGEST_HANDLE {
        return Err(Flaw::UsernameTooLong);
    }
    Ok(Handle::Exactly(handle))
}

/// A letter as a handle has it.
pub(super) fn handle_letter(letter: char) -> char {
    match letter {
        'a'..='z' | '0'..='9' | '.' | '_' | '-' => letter,
        other if other.is_ascii_uppercase() => other.to_ascii_lowercase(),
        _ => '_',
    }
}

/// Reads a display name. What Slack does not take becomes `_`.
pub(super) fn display_name(text: &str) -> Result<String, Flaw> {
    let text = text.trim();
    if text.starts_with('@') {
        return Err(Flaw::StartsWithAt);
    }
    if text.contains(['@', '<', '>']) {
        return Err(Flaw::NameMalformed);
    }
    if text.chars().any(is_emoji) {
        return Err(Flaw::Emoji);
    }
    if text.chars().count() > LONGEST_NAME {
        return Err(Flaw::NameTooLong);
    }
    if RESERVED.contains(&text.to_lowercase().as_str()) {
        return Err(Flaw::ReservedWord);
    }
    let letter = |letter: char| {
        let stays = letter.is_alphanumeric() || matches!(letter, ' ' | '.' | '_' | '-');
        if stays { letter } else { '_' }
    };
    Ok(text.chars().map(letter).collect())
}

/// Whether a line of a profile can be taken as it is.
pub(super) fn check_line(text: &str) -> Result<(), Flaw> {
    if text.chars().any(is_emoji) { Err(Flaw::Emoji) } else { Ok(()) }
}

/// Whether this is an address.
pub(super) fn check_email(text: &str) -> Result<(), Flaw> {
    let (local, domain) = text.split_once('@').ok_or(Flaw::EmailMalformed)?;
    let odd = |letter: char| letter.is_whitespace() || letter.is_control();
    let labels = domain.split('.').count();
    let fits = !local.is_empty()
        && labels > 1
        && domain.split('.').all(|label| !label.is_empty())
        && !domain.contains('@')
        && text.len() <= LONGEST_EMAIL
        && !text.contains(odd);
    if fits { Ok(()) } else { Err(Flaw::EmailMalformed) }
}

/// Whether a character is a picture.
fn is_emoji(letter: char) -> bool {
    matches!(u32::from(letter), 0x1F000..=0x1FAFF | 0x2600..=0x27BF | 0x2B50 | 0x2B55 | 0xFE0F)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exactly(text: &str) -> Handle {
        Handle::Exactly(text.to_owned())
    }

    #[test]
    fn handles_are_made_small_and_plain_and_addresses_lose_their_domain() {
        assert_eq!(handle("guestUser"), Ok(exactly("guestuser")));
        assert_eq!(handle("Zoë O'Neil.x-1"), Ok(exactly("zo__o_neil.x-1")));
        let like = Handle::Like("carly.rae_slack".to_owned());
        assert_eq!(handle("Carly.Rae+slack@example.com"), Ok(like));
        let long = "a".repeat(40);
        assert_eq!(handle(&long), Err(Flaw::UsernameTooLong));
        assert_eq!(handle(&format!("{long}@b.c")), Ok(Handle::Like("a".repeat(21))));
        assert_eq!(handle("??"), Err(Flaw::UsernameMalformed));
        assert_eq!(handle(" "), Err(Flaw::UsernameEmpty));
        assert_eq!(handle("Everyone"), Err(Flaw::UsernameReserved));
        assert_eq!(handle("party🎉"), Err(Flaw::Emoji));
    }

    #[test]
    fn display_names_keep_their_letters_and_little_else() {
        assert_eq!(display_name(" Seán O'Brien "), Ok("Seán O_Brien".to_owned()));
        assert_eq!(display_name("@sean"), Err(Flaw::StartsWithAt));
        assert_eq!(display_name("a@b"), Err(Flaw::NameMalformed));
        assert_eq!(display_name("here"), Err(Flaw::ReservedWord));
        assert_eq!(display_name(&"é".repeat(80)), Ok("é".repeat(80)));
        assert_eq!(display_name(&"é".repeat(81)), Err(Flaw::NameTooLong));
    }

    #[test]
    fn an_address_has_a_local_part_and_a_domain_with_a_dot() {
        assert_eq!(check_email("a.b+c@d.example"), Ok(()));
        for wrong in ["", "a", "@b.c", "a@b", "a@b..c", "a b@c.d", "a@b@c.d", "a@b.c\n"] {
            assert_eq!(check_email(wrong), Err(Flaw::EmailMalformed), "{wrong}");
        }
    }
}
