//! The `token` field of an `application/x-www-form-urlencoded` body.

use std::borrow::Cow;

use url::form_urlencoded;

use super::editor::{Editor, LONGEST_NAME, LONGEST_TOKEN, TOKEN, Unreadable, is_token};

/// Takes the field out of a form that comes in pieces; the other fields pass byte for byte.
#[derive(Debug, Default)]
pub(super) struct FormEditor {
    state: State,
    /// A `&` that is due before the next field that passes.
    owes_separator: bool,
    found: Vec<String>,
}

#[derive(Debug)]
enum State {
    /// In a name that may become `token`.
    Name(Vec<u8>),
    /// In a field that passes.
    Passing,
    /// In the value of a `token`.
    Value(Vec<u8>),
}

impl Default for State {
    fn default() -> Self {
        Self::Name(Vec::new())
    }
}

impl Editor for FormEditor {
    fn push(&mut self, mut piece: &[u8], out: &mut Vec<u8>) -> Result<(), Unreadable> {
        while let Some((&byte, rest)) = piece.split_first() {
            match &mut self.state {
                State::Passing => {
                    let length = piece.iter().position(|byte| *byte == b'&').unwrap_or(piece.len());
                    let (passing, behind) = piece.split_at(length);
                    out.extend_from_slice(passing);
                    if let Some((_, behind)) = behind.split_first() {
                        self.end_field();
                        piece = behind;
                    } else {
                        piece = behind;
                    }
                    continue;
                }
                State::Name(name) if byte == b'=' && is_token(&decoded(name)) => {
                    self.state = State::Value(Vec::new());
                }
                State::Name(name) if byte == b'&' && is_token(&decoded(name)) => {
                    self.found.push(String::new());
                    name.clear();
                }
                State::Name(_) if byte == b'&' => {
                    self.pass_name(out);
                    self.end_field();
                }
                State::Name(name) => {
                    name.push(byte);
                    if byte == b'=' || !may_become_token(name) {
                        self.pass_name(out);
                        self.state = State::Passing;
                    } else if name.len() > LONGEST_NAME {
                        return Err(Unreadable::Name);
                    }
                }
                State::Value(_) if byte == b'&' => self.end_value(),
                State::Value(value) => {
                    value.push(byte);
                    if value.len() > LONGEST_TOKEN {
                        return Err(Unreadable::Token);
                    }
                }
            }
            piece = rest;
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Unreadable> {
        match &self.state {
            State::Name(name) if is_token(&decoded(name)) => self.found.push(String::new()),
            State::Name(_) => self.pass_name(out),
            State::Passing => {}
            State::Value(_) => self.end_value(),
        }
        Ok(())
    }

    fn found(&self) -> &[String] {
        &self.found
    }
}

impl FormEditor {
    fn pass_name(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.owes_separator) {
            out.push(b'&');
        }
        if let State::Name(name) = &mut self.state {
            out.append(name);
        }
    }

    fn end_field(&mut self) {
        self.owes_separator = true;
        self.state = State::default();
    }

    fn end_value(&mut self) {
        if let State::Value(value) = std::mem::take(&mut self.state) {
            self.found.push(String::from_utf8_lossy(&decoded(&value)).into_owned());
        }
    }
}

/// Whether a form has the field at all; most have not, and pass as they are.
pub(in crate::http::proxy) fn has_token(form: &[u8]) -> bool {
    form.split(|byte| *byte == b'&').any(|field| {
        let name = field.split(|byte| *byte == b'=').next().unwrap_or_default();
        may_become_token(name) && is_token(&decoded(name))
    })
}

/// Whether a name that begins like this can be `token` in the end.
fn may_become_token(begin: &[u8]) -> bool {
    // An escape that is not complete can become anything.
    let cut = match begin {
        [rest @ .., b'%'] | [rest @ .., b'%', _] => rest,
        whole => whole,
    };
    let plain = decoded(cut);
    let plain = plain.trim_ascii_start();
    let (begin, behind) = plain.split_at(plain.len().min(TOKEN.len()));
    TOKEN.as_bytes().get(..begin.len()).is_some_and(|name| name.eq_ignore_ascii_case(begin))
        && behind.first().is_none_or(|byte| byte.is_ascii_whitespace() || b"[\0".contains(byte))
}

/// What a name or a value of a form means.
fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|byte| b"%+".contains(byte)) {
        return Cow::Borrowed(text);
    }
    // A text alone is a name without a value to the parser; what would end it is hidden from it.
    let hidden: Vec<u8> = text
        .iter()
        .flat_map(|byte| match byte {
            b'=' => b"%3D".to_vec(),
            b'&' => b"%26".to_vec(),
            other => vec![*other],
        })
        .collect();
    let name = form_urlencoded::parse(&hidden).next().map(|(name, _)| name.into_owned());
    Cow::Owned(name.unwrap_or_default().into_bytes())
}
