//! Removes the `token` member from a JSON body. Slack ignores it there, but the caller's token must not reach Slack.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::editor::{FieldEditor, MAX_NAME_BYTES, UnreadableFields, is_token};

/// Finds `token` members of an object in a text that arrives in chunks; the text is forwarded byte for byte.
#[derive(Debug, Default)]
pub(super) struct JsonScanner {
    depth: usize,
    is_in_object: bool,
    is_escaped: bool,
    /// Whether the next string is a member name.
    is_name_next: bool,
    text: JsonText,
    found: Vec<String>,
}

#[derive(Debug, Default)]
enum JsonText {
    #[default]
    Outside,
    /// In a string that is not a member name of the outermost object.
    Other,
    /// In a member name of the outermost object.
    Name(Vec<u8>),
}

impl JsonScanner {
    fn read(&mut self, byte: u8) {
        match &mut self.text {
            JsonText::Outside => self.read_outside(byte),
            JsonText::Other if self.is_escaped => self.is_escaped = false,
            JsonText::Other if byte == b'"' => self.text = JsonText::Outside,
            JsonText::Other => self.is_escaped = byte == b'\\',
            JsonText::Name(name) => {
                if byte == b'"' && !self.is_escaped {
                    let quoted = [b"\"", name.as_slice(), b"\""].concat();
                    // Invalid JSON is compared undecoded.
                    let plain = serde_json::from_slice::<String>(&quoted).map(String::into_bytes);
                    if is_token(&plain.unwrap_or_else(|_| name.clone())) {
                        self.found.push(String::new());
                    }
                    self.text = JsonText::Outside;
                    return;
                }
                self.is_escaped = byte == b'\\' && !self.is_escaped;
                // A longer name cannot decode to `token`.
                if name.len() < MAX_NAME_BYTES {
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
                self.text = if is_name { JsonText::Name(Vec::new()) } else { JsonText::Other };
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

impl FieldEditor for JsonScanner {
    fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), UnreadableFields> {
        for byte in piece {
            self.read(*byte);
        }
        out.extend_from_slice(piece);
        Ok(())
    }

    fn finish(&mut self, _: &mut Vec<u8>) -> Result<(), UnreadableFields> {
        Ok(())
    }

    fn found(&self) -> &[String] {
        &self.found
    }
}

/// Whether a text has the member.
pub(super) fn has_token(text: &[u8]) -> bool {
    let mut scanner = JsonScanner::default();
    for byte in text {
        scanner.read(*byte);
    }
    !scanner.found.is_empty()
}

/// The members of an object in order, each value as written.
struct ObjectMembers<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for ObjectMembers<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = ObjectMembers<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<ObjectMembers<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    members.push((Cow::Owned(name), value));
                }
                Ok(ObjectMembers(members))
            }
        }

        deserializer.deserialize_map(MembersVisitor)
    }
}

/// Returns the object without the member, and the member's values.
pub(super) fn take_token(text: &[u8]) -> Result<(Vec<u8>, Vec<String>), UnreadableFields> {
    let ObjectMembers(members) =
        serde_json::from_slice(text).map_err(|_| UnreadableFields::Json)?;
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
