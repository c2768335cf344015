//! The `token` part of a `multipart/form-data` body.

use super::editor::{Editor, LONGEST_TOKEN, Unreadable, is_token};

/// The longest head of a part.
const LONGEST_HEAD: usize = 8 * 1024;

/// Takes the part out of a form that comes in pieces; the other parts pass byte for byte.
#[derive(Debug)]
pub(super) struct PartsEditor {
    /// A line break and the delimiter.
    delimiter: Vec<u8>,
    state: State,
    /// What is not decided yet.
    held: Vec<u8>,
    /// Whether anything has passed.
    has_passed: bool,
    found: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In what passes.
    Passing,
    /// In a delimiter or in the head behind it.
    Head,
    /// In the value of a `token`.
    Value,
}

impl PartsEditor {
    /// An editor of a form with this boundary.
    pub(super) fn new(boundary: &str) -> Self {
        let delimiter = ["\n--", boundary].concat().into_bytes();
        // The first delimiter needs no line break before it.
        let held = vec![b'\n'];
        Self { delimiter, state: State::Passing, held, has_passed: false, found: Vec::new() }
    }

    /// Does what can be done with what is held; `false` when more has to come first.
    fn step(&mut self, out: &mut Vec<u8>, is_end: bool) -> Result<bool, Unreadable> {
        match self.state {
            State::Passing => {
                let begin = self.next_delimiter(is_end);
                let length = begin.unwrap_or_else(|| self.certain(is_end));
                self.pass(length, out);
                if begin.is_some() {
                    self.state = State::Head;
                }
                Ok(begin.is_some())
            }
            State::Head => {
                let Some(length) = self.head_length() else {
                    if self.held.len() > LONGEST_HEAD + self.delimiter.len() {
                        return Err(Unreadable::Name);
                    }
                    if is_end {
                        self.pass(self.held.len(), out);
                    }
                    return Ok(false);
                };
                let head = self.held.get(self.delimiter.len()..length).unwrap_or_default();
                if names(head).any(|name| is_token(&name)) {
                    self.held.drain(..length);
                    self.state = State::Value;
                } else {
                    self.pass(length, out);
                    self.state = State::Passing;
                }
                Ok(true)
            }
            State::Value => {
                let begin = self.next_delimiter(is_end);
                let length = begin.unwrap_or_else(|| self.certain(is_end));
                if length > LONGEST_TOKEN
                    || (begin.is_none() && self.held.len() > 2 * LONGEST_TOKEN)
                {
                    return Err(Unreadable::Token);
                }
                if begin.is_none() && !is_end {
                    return Ok(false);
                }
                let value: Vec<u8> = self.held.drain(..length).collect();
                self.found.push(String::from_utf8_lossy(value.trim_ascii()).into_owned());
                self.state = if begin.is_some() { State::Head } else { State::Passing };
                Ok(begin.is_some())
            }
        }
    }

    /// Where the next delimiter begins, its line break included.
    fn next_delimiter(&self, is_end: bool) -> Option<usize> {
        let mut from = 0;
        loop {
            let rest = self.held.get(from..)?;
            let at = from + find(rest, &self.delimiter)?;
            // A longer boundary that begins like this one is none of this form's.
            let behind = self.held.get(at + self.delimiter.len()..).unwrap_or_default();
            let is_whole = behind.first().map_or(is_end, |byte| b" \t\r\n-".contains(byte));
            if is_whole {
                let before = at.checked_sub(1).and_then(|before| self.held.get(before));
                return Some(if before == Some(&b'\r') { at - 1 } else { at });
            }
            from = at + 1;
        }
    }

    /// How much of what is held belongs to no delimiter that has only begun to come.
    fn certain(&self, is_end: bool) -> usize {
        if is_end {
            self.held.len()
        } else {
            self.held.len().saturating_sub(self.delimiter.len() + 1)
        }
    }

    /// The length of a delimiter and its part's head, with the empty line.
    fn head_length(&self) -> Option<usize> {
        let line = self.held.iter().position(|byte| *byte == b'\n')?;
        let begin = line + self.delimiter.len();
        let behind = self.held.get(begin..)?;
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

    fn pass(&mut self, length: usize, out: &mut Vec<u8>) {
        let passing: Vec<u8> = self.held.drain(..length).collect();
        let text = match passing.as_slice() {
            // The line break before the first delimiter is ours, or of a part that was taken out.
            [b'\r', b'\n', rest @ ..] | [b'\n', rest @ ..] if !self.has_passed => rest,
            all => all,
        };
        self.has_passed |= length > 0;
        out.extend_from_slice(text);
    }
}

impl Editor for PartsEditor {
    fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), Unreadable> {
        self.held.extend_from_slice(piece);
        while self.step(out, false)? {}
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), Unreadable> {
        while self.step(out, true)? {}
        Ok(())
    }

    fn found(&self) -> &[String] {
        &self.found
    }
}

/// Where `needle` begins.
fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, needle)
}

/// Whatever a reader of this head could take for the part's name: quoted, not quoted, or in the form of RFC 5987.
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
