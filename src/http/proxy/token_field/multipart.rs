//! Removes the `token` part from a `multipart/form-data` body.

use super::editor::{FieldEditor, MAX_TOKEN_BYTES, UnreadableFields, is_token};

/// Maximum bytes of a part's head.
const MAX_HEAD_BYTES: usize = 8 * 1024;

/// Removes the part from a form that arrives in chunks; the other parts are forwarded byte for byte.
#[derive(Debug)]
pub(super) struct MultipartEditor {
    /// A line break and the delimiter.
    delimiter: Vec<u8>,
    state: MultipartState,
    /// Buffered bytes that are not classified yet.
    buffer: Vec<u8>,
    /// Whether any bytes were forwarded.
    has_forwarded: bool,
    found: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MultipartState {
    /// In bytes that are forwarded.
    Passing,
    /// In a delimiter, or the head after it.
    Head,
    /// In the value of a `token` part.
    Value,
}

impl MultipartEditor {
    /// Creates an editor of a form with this boundary.
    pub(super) fn new(boundary: &str) -> Self {
        let delimiter = ["\n--", boundary].concat().into_bytes();
        // The first delimiter needs no line break before it.
        let held = vec![b'\n'];
        Self {
            delimiter,
            state: MultipartState::Passing,
            buffer: held,
            has_forwarded: false,
            found: Vec::new(),
        }
    }

    /// Processes the buffer; returns `false` if more bytes are needed.
    fn step(&mut self, out: &mut Vec<u8>, is_end: bool) -> Result<bool, UnreadableFields> {
        match self.state {
            MultipartState::Passing => {
                let begin = self.next_delimiter(is_end);
                let length = begin.unwrap_or_else(|| self.certain_length(is_end));
                self.forward(length, out);
                if begin.is_some() {
                    self.state = MultipartState::Head;
                }
                Ok(begin.is_some())
            }
            MultipartState::Head => {
                let Some(length) = self.head_length() else {
                    if self.buffer.len() > MAX_HEAD_BYTES + self.delimiter.len() {
                        return Err(UnreadableFields::Name);
                    }
                    if is_end {
                        self.forward(self.buffer.len(), out);
                    }
                    return Ok(false);
                };
                let head = self.buffer.get(self.delimiter.len()..length).unwrap_or_default();
                if names(head).any(|name| is_token(&name)) {
                    self.buffer.drain(..length);
                    self.state = MultipartState::Value;
                } else {
                    self.forward(length, out);
                    self.state = MultipartState::Passing;
                }
                Ok(true)
            }
            MultipartState::Value => {
                let begin = self.next_delimiter(is_end);
                let length = begin.unwrap_or_else(|| self.certain_length(is_end));
                if length > MAX_TOKEN_BYTES
                    || (begin.is_none() && self.buffer.len() > 2 * MAX_TOKEN_BYTES)
                {
                    return Err(UnreadableFields::Token);
                }
                if begin.is_none() && !is_end {
                    return Ok(false);
                }
                let value: Vec<u8> = self.buffer.drain(..length).collect();
                self.found.push(String::from_utf8_lossy(value.trim_ascii()).into_owned());
                self.state =
                    if begin.is_some() { MultipartState::Head } else { MultipartState::Passing };
                Ok(begin.is_some())
            }
        }
    }

    /// Returns the offset of the next delimiter, its line break included.
    fn next_delimiter(&self, is_end: bool) -> Option<usize> {
        let mut from = 0;
        loop {
            let rest = self.buffer.get(from..)?;
            let at = from + find(rest, &self.delimiter)?;
            // A longer boundary with this prefix does not belong to this form.
            let behind = self.buffer.get(at + self.delimiter.len()..).unwrap_or_default();
            let is_whole = behind.first().map_or(is_end, |byte| b" \t\r\n-".contains(byte));
            if is_whole {
                let before = at.checked_sub(1).and_then(|before| self.buffer.get(before));
                return Some(if before == Some(&b'\r') { at - 1 } else { at });
            }
            from = at + 1;
        }
    }

    /// Returns how many buffered bytes cannot belong to an incomplete delimiter.
    fn certain_length(&self, is_end: bool) -> usize {
        if is_end {
            self.buffer.len()
        } else {
            self.buffer.len().saturating_sub(self.delimiter.len() + 1)
        }
    }

    /// Returns the length of a delimiter and its part's head, with the empty line.
    fn head_length(&self) -> Option<usize> {
        let line = self.buffer.iter().position(|byte| *byte == b'\n')?;
        let begin = line + self.delimiter.len();
        let behind = self.buffer.get(begin..)?;
        if behind.starts_with(b"--") {
            return Some(begin + 2);
        }
        let mut at = begin;
        let mut lines = behind.split_inclusive(|byte| *byte == b'\n');
        // The rest of the delimiter's own line.
        at += lines.next().filter(|line| line.ends_with(b"\n"))?.len();
        for line in lines {
            if !line.ends_with(b"\n") {
                return None;
            }
            at += line.len();
            if line.trim_ascii().is_empty() {
                return Some(at);
            }
        }
        None
    }

    fn forward(&mut self, length: usize, out: &mut Vec<u8>) {
        let passing: Vec<u8> = self.buffer.drain(..length).collect();
        let text = match passing.as_slice() {
            // The line break before the first delimiter is added by `new`, or belongs to a removed part.
            [b'\r', b'\n', rest @ ..] | [b'\n', rest @ ..] if !self.has_forwarded => rest,
            all => all,
        };
        self.has_forwarded |= length > 0;
        out.extend_from_slice(text);
    }
}

impl FieldEditor for MultipartEditor {
    fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), UnreadableFields> {
        self.buffer.extend_from_slice(piece);
        while self.step(out, false)? {}
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), UnreadableFields> {
        while self.step(out, true)? {}
        Ok(())
    }

    fn found(&self) -> &[String] {
        &self.found
    }
}

/// Returns the offset of `needle`.
fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, needle)
}

/// Returns every name that a parser could read from this head: quoted, unquoted, or as in RFC 5987.
fn names(head: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    const NAME: &[u8] = b"name";
    let starts =
        head.windows(NAME.len()).enumerate().filter(|(_, word)| word.eq_ignore_ascii_case(NAME));
    starts.filter_map(move |(at, _)| {
        let before = at.checked_sub(1).and_then(|before| head.get(before));
        if before.is_some_and(u8::is_ascii_alphanumeric) {
            return None;
        }
        let rest = head.get(at + NAME.len()..)?.trim_ascii_start();
        let (is_extended, rest) =
            rest.strip_prefix(b"*").map_or((false, rest), |rest| (true, rest));
        let rest = rest.trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
        let name = match rest {
            [quote @ (b'"' | b'\''), inside @ ..] => {
                inside.split(|byte| byte == quote).next().unwrap_or_default()
            }
            bare => bare.split(|byte| b";\r\n".contains(byte)).next().unwrap_or_default(),
        };
        let name = if is_extended { name.rsplit(|byte| *byte == b'\'').next()? } else { name };
        let plain = percent_encoding::percent_decode(name).filter(|byte| *byte != b'\\');
        Some(plain.collect())
    })
}
