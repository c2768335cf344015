//! The `token` member of a JSON body. Slack takes a token there from nobody; no caller's shall stand in what it reads.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::editor::{Editor, LONGEST_NAME, Unreadable, is_token};

/// Finds the names of an object's members, in a text that comes in pieces; the text passes byte for byte.
#[derive(Debug, Default)]
pub(super) struct JsonScanner {
    depth: usize,
    is_in_object: bool,
    is_escaped: bool,
    /// Whether the next text is a member's name.
    is_name_next: bool,
    text: Text,
    found: Vec<String>,
}

#[derive(Debug, Default)]
enum Text {
    #[default]
    Outside,
    /// In a text that is no name of a member of the outermost object.
    Other,
    /// In such a name.
    Name(Vec<u8>),
}

impl JsonScanner {
    fn read(&mut self, byte: u8) {
        match &mut self.text {
            Text::Outside => self.read_outside(byte),
            Text::Other if self.is_escaped => self.is_escaped = false,
            Text::Other if byte == b'"' => self.text = Text::Outside,
            Text::Other => self.is_escaped = byte == b'\\',
            Text::Name(name) => {
                if byte == b'"' && !self.is_escaped {
                    let quoted = [b"\"", name.as_slice(), b"\""].concat();
                    // A text that is no JSON is compared as it stands.
                    let plain = serde_json::from_slice::<String>(&quoted).map(String::into_bytes);
                    if is_token(&plain.unwrap_or_else(|_| name.clone())) {
                        self.found.push(String::new());
                    }
                    self.text = Text::Outside;
                    return;
                }
                self.is_escaped = byte == b'\\' && !self.is_escaped;
                // A longer one is not `token`, however it is escaped.
                if name.len() < LONGEST_NAME {
                    name.push(byte);
                }
            }
        }
    }

    fn read_outside(&mut self, byte: u8) {
        match byte {
            b'"' => {
                let is_name = self.depth == 1 && self.is_in_object && self.is_name_next;
                self.is_name_next = false;
                self.text = if is_name { Text::Name(Vec::new()) } else { Text::Other };
            }
            b'{' | b'[' => {
                self.depth += 1;
                if self.depth == 1 {
                    self.is_in_object = byte == b'{';
                    self.is_name_next = true;
                }
            }
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            b',' if self.depth == 1 => self.is_name_next = true,
            _ => {}
        }
    }
}

impl Editor for JsonScanner {
    fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), Unreadable> {
        for byte in piece {
            self.read(*byte);
        }
        out.extend_from_slice(piece);
        Ok(())
    }

    fn finish(&mut self, _: &mut Vec<u8>) -> Result<(), Unreadable> {
        Ok(())
    }

    fn found(&self) -> &[String] {
        &self.found
    }
}

/// Whether a text has the member at all.
pub(super) fn has_token(text: &[u8]) -> bool {
    let mut scanner = JsonScanner::default();
    for byte in text {
        scanner.read(*byte);
    }
    !scanner.found.is_empty()
}

/// The members of an object, in order, each value as it was written.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    members.push((Cow::Owned(name), value));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// The object without the member, and the member's values.
pub(super) fn take_token(text: &[u8]) -> Result<(Vec<u8>, Vec<String>), Unreadable> {
    let Members(members) = serde_json::from_slice(text).map_err(|_| Unreadable::Json)?;
    let (tokens, others): (Vec<_>, Vec<_>) =
        members.into_iter().partition(|(name, _)| is_token(name.as_bytes()));
    let found = tokens.into_iter().map(|(_, value)| {
        serde_json::from_str::<String>(value.get()).unwrap_or_else(|_| value.get().to_owned())
    });
    let found = found.collect();
    let mut rest = vec![b'{'];
    for (at, (name, value)) in others.into_iter().enumerate() {
        if at > 0 {
            rest.push(b',');
        }
        rest.extend(serde_json::Value::from(name).to_string().into_bytes());
        rest.push(b':');
        rest.extend_from_slice(value.get().as_bytes());
    }
    rest.push(b'}');
    Ok((rest, found))
}
