//! List attributes with at most two elements: e-mail addresses and phone numbers.

use serde_json::{Map, Value};

use super::path::ValueFilter;
use super::value::{field, parse_bool, parse_text};
use super::version::ScimError;

/// The two stored elements; an empty string means absent.
#[derive(Debug)]
pub(super) struct ValuePair<'a> {
    /// First element.
    pub(super) first: &'a mut String,
    /// Second element.
    pub(super) second: &'a mut String,
    /// Rules of the attribute.
    pub(super) rules: &'static PairRules,
}

/// How the elements of a list are assigned to the two slots.
#[derive(Debug)]
pub(super) struct PairRules {
    /// The `type` of the first slot.
    first_type: &'static str,
    /// Whether a single element without a free slot is always the first.
    single_is_first: bool,
    /// Error code for a malformed list.
    invalid: &'static str,
}

/// E-mail addresses: the work address is first, and always present.
pub(super) const EMAILS: PairRules =
    PairRules { first_type: "work", single_is_first: true, invalid: "emails_invalid" };

/// Phone numbers. In requests `mobile` marks the first slot and `work` the second.
pub(super) const PHONES: PairRules =
    PairRules { first_type: "mobile", single_is_first: false, invalid: "phoneNumbers_invalid" };

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PairSlot {
    First,
    Second,
}

struct PairItem {
    value: String,
    primary: Option<bool>,
    kind: String,
    delete: bool,
}

impl ValuePair<'_> {
    /// Writes a list, or one element; omitted elements stay.
    pub(super) fn merge(&mut self, value: &Value) -> Result<(), ScimError> {
        let (gone, given): (Vec<PairItem>, Vec<PairItem>) =
            self.items(value)?.into_iter().partition(|item| item.delete);
        for item in gone {
            self.remove_value(&item.value);
        }
        match given.as_slice() {
            [] => {}
            [item] => {
                // A single number takes the first slot unless its type says otherwise.
                let unless = item.kind.is_empty() && !self.rules.single_is_first;
                match self.requested_slot(item) {
                    Some(PairSlot::Second) if !unless => self.insert_second(&item.value),
                    Some(_) | None => self.insert_first(&item.value),
                }
            }
            items => self.fill_slots(items),
        }
        Ok(())
    }

    /// Replaces the whole list.
    pub(super) fn replace(&mut self, value: &Value) -> Result<(), ScimError> {
        let items = self.items(value)?;
        self.first.clear();
        self.second.clear();
        self.fill_slots(&items);
        Ok(())
    }

    /// Writes the element that a value filter selects, or its value.
    pub(super) fn write(&mut self, pick: &ValueFilter, value: &Value) -> Result<(), ScimError> {
        let new = if value.is_array() || value.is_object() {
            self.items(value)?.into_iter().next().map(|item| item.value).unwrap_or_default()
        } else {
            parse_text(value).map_err(|_| ScimError::bad_request(self.rules.invalid))?
        };
        match self.find(pick) {
            Some(PairSlot::First) => *self.first = new,
            Some(PairSlot::Second) => *self.second = new,
            None => return Err(ScimError::bad_request("invalid_request_payload")),
        }
        Ok(())
    }

    /// Removes the element that a value filter selects, if any.
    pub(super) fn clear(&mut self, pick: &ValueFilter) {
        match self.find(pick) {
            Some(PairSlot::First) => self.first.clear(),
            Some(PairSlot::Second) => self.second.clear(),
            None => {}
        }
    }

    fn find(&self, pick: &ValueFilter) -> Option<PairSlot> {
        let says = |word: &str| pick.value.eq_ignore_ascii_case(word);
        let first = match pick.part.as_str() {
            "primary" => says("true"),
            "type" => says(self.rules.first_type),
            "value" if says(self.first) => true,
            "value" if says(self.second) => false,
            _ => return None,
        };
        Some(if first { PairSlot::First } else { PairSlot::Second })
    }

    fn remove_value(&mut self, value: &str) {
        for slot in [&mut *self.first, &mut *self.second] {
            if slot.eq_ignore_ascii_case(value) {
                slot.clear();
            }
        }
    }

    fn insert_first(&mut self, value: &str) {
        if self.second.eq_ignore_ascii_case(value) {
            self.second.clear();
        }
        value.clone_into(self.first);
    }

    fn insert_second(&mut self, value: &str) {
        if !self.first.eq_ignore_ascii_case(value) {
            value.clone_into(self.second);
        }
    }

    /// Assigns the first two of several elements to the slots.
    fn fill_slots(&mut self, items: &[PairItem]) {
        let marked = items.iter().position(|item| item.primary == Some(true));
        let typed =
            || items.iter().position(|item| self.requested_slot(item) == Some(PairSlot::First));
        let open = || items.iter().position(|item| self.requested_slot(item).is_none());
        let head = marked.or_else(typed).or_else(open);
        let head = head.or((self.rules.single_is_first && !items.is_empty()).then_some(0));
        let mut rest = items.iter().enumerate().filter(|(number, _)| Some(*number) != head);
        if let Some(first) = head.and_then(|number| items.get(number)) {
            self.insert_first(&first.value);
        }
        if let Some((_, second)) = rest.next() {
            self.insert_second(&second.value);
        }
    }

    /// Returns the slot that an element's attributes request.
    fn requested_slot(&self, item: &PairItem) -> Option<PairSlot> {
        let first = match item.primary {
            Some(primary) => primary,
            None if item.kind.is_empty() => return None,
            None => item.kind.eq_ignore_ascii_case(self.rules.first_type),
        };
        Some(if first { PairSlot::First } else { PairSlot::Second })
    }

    fn items(&self, value: &Value) -> Result<Vec<PairItem>, ScimError> {
        let wrong = || ScimError::bad_request(self.rules.invalid);
        let one = |value: &Value| {
            let fields = value.as_object().ok_or_else(wrong)?;
            item(fields).map_err(|_| wrong())
        };
        if value.is_null() {
            return Ok(Vec::new());
        }
        match value.as_array() {
            Some(values) => values.iter().map(one).collect(),
            None => one(value).map(|item| vec![item]),
        }
    }
}

fn item(fields: &Map<String, Value>) -> Result<PairItem, ScimError> {
    let of = |name: &str| parse_text(field(fields, name).unwrap_or(&Value::Null));
    Ok(PairItem {
        value: of("value")?,
        primary: field(fields, "primary").and_then(parse_bool),
        kind: of("type")?,
        delete: of("operation")?.eq_ignore_ascii_case("delete"),
    })
}
