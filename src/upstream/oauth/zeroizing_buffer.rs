//! Buffers for responses that hold tokens; their memory is wiped.
//!
//! Not wiped: the read buffers of the HTTP connection and of TLS, the window of a decompressor, and the scratch space
//! of the JSON parser for text with escapes. They are overwritten by later data, or freed.

use bytes::Bytes;
use serde_json::Value;
use zeroize::{Zeroize as _, Zeroizing};

/// The initial capacity in bytes, large enough for usual responses.
const CAPACITY: usize = 16 * 1024;

/// A buffer for a body that arrives in chunks.
#[derive(Default)]
pub(super) struct WipedBuffer(Zeroizing<Vec<u8>>);

impl WipedBuffer {
    /// Returns the length so far.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Appends a chunk, and wipes it if its memory is not shared.
    pub(super) fn push(&mut self, chunk: Bytes) {
        let needed = self.0.len() + chunk.len();
        if needed > self.0.capacity() {
            // The old memory is wiped, which a growing vector does not do.
            let mut larger = Vec::with_capacity(needed.max(CAPACITY).next_power_of_two());
            larger.extend_from_slice(&self.0);
            self.0 = Zeroizing::new(larger);
        }
        self.0.extend_from_slice(&chunk);
        if let Ok(mut own) = chunk.try_into_mut() {
            own.zeroize();
        }
    }

    /// Returns the whole body.
    pub(super) fn into_whole(self) -> Zeroizing<Vec<u8>> {
        self.0
    }
}

/// Wipes all text in a JSON value.
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
    fn wipes_all_text_of_a_value() {
        let mut value = json!({"ok": true, "a": "secret", "b": [{"c": "secret"}, 5], "d": null});
        wipe(&mut value);
        assert_eq!(value, json!({"ok": true, "a": "", "b": [{"c": ""}, 5], "d": null}));
    }

    #[test]
    fn joins_chunks() {
        let mut collected = WipedBuffer::default();
        let chunks = [vec![b'a'; 10], vec![b'b'; CAPACITY], vec![b'c'; 3 * CAPACITY]];
        for chunk in &chunks {
            collected.push(chunk.clone().into());
        }
        assert_eq!(collected.len(), 10 + 4 * CAPACITY);
        assert_eq!(*collected.into_whole(), chunks.concat());
    }
}
