//! Responses that hold tokens, in memory that is wiped.
//!
//! What can't be wiped: the read buffer of the HTTP connection and of TLS, the window of a decompressor, and the scratch
//! space of the JSON parser for text with escapes. They are overwritten by what comes next there, or freed.

use bytes::Bytes;
use serde_json::Value;
use zeroize::{Zeroize as _, Zeroizing};

/// Room for what token endpoints answer, in bytes, so that none is copied while it grows.
const CAPACITY: usize = 16 * 1024;

/// A body that comes in pieces.
#[derive(Default)]
pub(super) struct Collected(Zeroizing<Vec<u8>>);

impl Collected {
    /// Its length so far.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds a piece, and wipes it where nothing else is in its memory.
    pub(super) fn push(&mut self, piece: Bytes) {
        let wanted = self.0.len() + piece.len();
        if wanted > self.0.capacity() {
            // The old memory is wiped, which a vector that grows by itself doesn't do.
            let mut larger = Vec::with_capacity(wanted.max(CAPACITY).next_power_of_two());
            larger.extend_from_slice(&self.0);
            self.0 = Zeroizing::new(larger);
        }
        self.0.extend_from_slice(&piece);
        if let Ok(mut own) = piece.try_into_mut() {
            own.zeroize();
        }
    }

    /// The whole.
    pub(super) fn into_whole(self) -> Zeroizing<Vec<u8>> {
        self.0
    }
}

/// Wipes the text in a value.
pub(super) fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(fields) => fields.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_text_of_a_value_is_wiped() {
        let mut value = json!({"ok": true, "a": "secret", "b": [{"c": "secret"}, 5], "d": null});
        wipe(&mut value);
        assert_eq!(value, json!({"ok": true, "a": "", "b": [{"c": ""}, 5], "d": null}));
    }

    #[test]
    fn pieces_become_a_whole() {
        let mut collected = Collected::default();
        let pieces = [vec![b'a'; 10], vec![b'b'; CAPACITY], vec![b'c'; 3 * CAPACITY]];
        for piece in &pieces {
            collected.push(piece.clone().into());
        }
        assert_eq!(collected.len(), 10 + 4 * CAPACITY);
        assert_eq!(*collected.into_whole(), pieces.concat());
    }
}
