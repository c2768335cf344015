//! Removes the `token` field from an `application/x-www-form-urlencoded` body.

use std::borrow::Cow;

use url::form_urlencoded;

use super::editor::{
    FieldEditor, MAX_NAME_BYTES, MAX_TOKEN_BYTES, TOKEN_FIELD, UnreadableFields, is_token,
};

/// Removes the field from a form that arrives in chunks; the other fields are forwarded byte for byte.
#[derive(Debug, Default)]
pub(super) struct FormEditor {
    state: FormState,
    /// Whether a `&` is due before the next forwarded field.
    needs_separator: bool,
    found: Vec<String>,
}

#[derive(Debug)]
enum FormState {
    /// In a name that may decode to `token`.
    Name(Vec<u8>),
    /// In a field that is forwarded.
    Passing,
    /// In the value of a `token` field.
    Value(Vec<u8>),
}

impl Default for FormState {
    fn default() -> Self {
        Self::Name(Vec::new())
    }
}

impl FieldEditor for FormEditor {
    fn push(&mut self, mut piece: &[u8], out: &mut Vec<u8>) -> Result<(), UnreadableFields> {
        while let Some((&byte, rest)) = piece.split_first() {
            match &mut self.state {
                FormState::Passing => {
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
                FormState::Name(name) if byte == b'=' && is_token(&decoded(name)) => {
                    self.state = FormState::Value(Vec::new());
                }
                FormState::Name(name) if byte == b'&' && is_token(&decoded(name)) => {
                    self.found.push(String::new());
                    name.clear();
                }
                FormState::Name(_) if byte == b'&' => {
                    self.pass_name(out);
                    self.end_field();
                }
                FormState::Name(name) => {
                    name.push(byte);
                    if byte == b'=' || !may_become_token(name) {
                        self.pass_name(out);
                        self.state = FormState::Passing;
                    } else if name.len() > MAX_NAME_BYTES {
                        return Err(UnreadableFields::Name);
                    }
                }
                FormState::Value(_) if byte == b'&' => self.end_value(),
                FormState::Value(value) => {
                    value.push(byte);
                    if value.len() > MAX_TOKEN_BYTES {
                        return Err(UnreadableFields::Token);
                    }
                }
            }
            piece = rest;
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), UnreadableFields> {
        match &self.state {
            FormState::Name(name) if is_token(&decoded(name)) => self.found.push(String::new()),
            FormState::Name(_) => self.pass_name(out),
            FormState::Passing => {}
            FormState::Value(_) => self.end_value(),
        }
        Ok(())
    }

    fn found(&self) -> &[String] {
        &self.found
    }
}

impl FormEditor {
    fn pass_name(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.needs_separator) {
            out.push(b'&');
        }
        if let FormState::Name(name) = &mut self.state {
            out.append(name);
        }
    }

    fn end_field(&mut self) {
        self.needs_separator = true;
        self.state = FormState::default();
    }

    fn end_value(&mut self) {
        if let FormState::Value(value) = std::mem::take(&mut self.state) {
            self.found.push(String::from_utf8_lossy(&decoded(&value)).into_owned());
        }
    }
}

/// Whether a form has the field; most do not and are forwarded unchanged.
pub(in crate::http::proxy) fn has_token(form: &[u8]) -> bool {
    form.split(|byte| *byte == b'&').any(|field| {
        let name = field.split(|byte| *byte == b'=').next().unwrap_or_default();
        may_become_token(name) && is_token(&decoded(name))
    })
}

/// Whether a name with this beginning can decode to `token`.
fn may_become_token(begin: &[u8]) -> bool {
    // An incomplete escape can decode to any byte.
    let cut = match begin {
        [rest @ .., b'%'] | [rest @ .., b'%', _] => rest,
        whole => whole,
    };
    let plain = decoded(cut);
    let plain = plain.trim_ascii_start();
    let (begin, behind) = plain.split_at(plain.len().min(TOKEN_FIELD.len()));
    TOKEN_FIELD.as_bytes().get(..begin.len()).is_some_and(|name| name.eq_ignore_ascii_case(begin))
        && behind.first().is_none_or(|byte| byte.is_ascii_whitespace() || b"[\0".contains(byte))
}

/// Decodes a name or value of a form.
fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.iter().any(|byte| b"%+".contains(byte)) {
        return Cow::Borrowed(text);
    }
    // The parser takes a single text for a name; `=` and `&` are escaped so that it does not end there.
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
