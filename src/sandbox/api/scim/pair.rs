//! Lists of which Slack keeps two elements: addresses and telephone numbers.

use serde_json::{Map, Value};

use super::path::Pick;
use super::value::{field, flag, text};
use super::version::Trouble;

/// The two that are kept; an empty one is absent.
#[derive(Debug)]
pub(super) struct Pair<'a> {
    /// The first one.
    pub(super) first: &'a mut String,
    /// The other one.
    pub(super) second: &'a mut String,
    /// What the list is about.
    pub(super) rules: &'static Rules,
}

/// How a list's elements find their places.
#[derive(Debug)]
pub(super) struct Rules {
    /// The `type` that marks the first one.
    first_type: &'static str,
    /// Whether one that stands alone in a full list is always the first.
    alone_is_first: bool,
    /// What is wrong with a list of another form.
    invalid: &'static str,
}

/// Addresses: the one for work comes first, and there always is one.
pub(super) const EMAILS: Rules =
    Rules { first_type: "work", alone_is_first: true, invalid: "emails_invalid" };

/// Telephone numbers. In requests `mobile` marks the first and `work` the other one.
pub(super) const PHONES: Rules =
    Rules { first_type: "mobile", alone_is_first: false, invalid: "phoneNumbers_invalid" };

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    First,
    Second,
}

struct Item {
    value: String,
    primary: Option<bool>,
    kind: String,
    delete: bool,
}

impl Pair<'_> {
    /// Writes a list, or one element of it; what has no element stays as it is.
    pub(super) fn merge(&mut self, value: &Value) -> Result<(), Trouble> {
        let (gone, given): (Vec<Item>, Vec<Item>) =
            self.items(value)?.into_iter().partition(|item| item.delete);
        for item in gone {
            self.drop_value(&item.value);
        }
        match given.as_slice() {
            [] => {}
            [item] => {
                // A number alone goes to the first place, unless its type says otherwise.
                let unless = item.kind.is_empty() && !self.rules.alone_is_first;
                match self.place(item) {
                    Some(Place::Second) if !unless => self.put_second(&item.value),
                    Some(_) | None => self.put_first(&item.value),
                }
            }
            items => self.fill(items),
        }
        Ok(())
    }

    /// Writes a whole list in place of the old one.
    pub(super) fn replace(&mut self, value: &Value) -> Result<(), Trouble> {
        let items = self.items(value)?;
        self.first.clear();
        self.second.clear();
        self.fill(&items);
        Ok(())
    }

    /// Writes the element that a condition picks out, or its value.
    pub(super) fn write(&mut self, pick: &Pick, value: &Value) -> Result<(), Trouble> {
        let new = if value.is_array() || value.is_object() {
            self.items(value)?.into_iter().next().map(|item| item.value).unwrap_or_default()
        } else {
            text(value).map_err(|_| Trouble::bad(self.rules.invalid))?
        };
        match self.find(pick) {
            Some(Place::First) => *self.first = new,
            Some(Place::Second) => *self.second = new,
            None => return Err(Trouble::bad("invalid_request_payload")),
        }
        Ok(())
    }

    /// Takes away the element that a condition picks out. None may be there.
    pub(super) fn clear(&mut self, pick: &Pick) {
        match self.find(pick) {
            Some(Place::First) => self.first.clear(),
            Some(Place::Second) => self.second.clear(),
            None => {}
        }
    }

    fn find(&self, pick: &Pick) -> Option<Place> {
        let says = |word: &str| pick.value.eq_ignore_ascii_case(word);
        let first = match pick.part.as_str() {
            "primary" => says("true"),
            "type" => says(self.rules.first_type),
            "value" if says(self.first) => true,
            "value" if says(self.second) => false,
            _ => return None,
        };
        Some(if first { Place::First } else { Place::Second })
    }

    fn drop_value(&mut self, value: &str) {
        for kept in [&mut *self.first, &mut *self.second] {
            if kept.eq_ignore_ascii_case(value) {
                kept.clear();
            }
        }
    }

    fn put_first(&mut self, value: &str) {
        if self.second.eq_ignore_ascii_case(value) {
            self.second.clear();
        }
        value.clone_into(self.first);
    }

    fn put_second(&mut self, value: &str) {
        if !self.first.eq_ignore_ascii_case(value) {
            value.clone_into(self.second);
        }
    }

    /// Gives the first two of several elements their places.
    fn fill(&mut self, items: &[Item]) {
        let marked = items.iter().position(|item| item.primary == Some(true));
        let typed = || items.iter().position(|item| self.place(item) == Some(Place::First));
        let open = || items.iter().position(|item| self.place(item).is_none());
        let head = marked.or_else(typed).or_else(open);
        let head = head.or((self.rules.alone_is_first && !items.is_empty()).then_some(0));
        let mut rest = items.iter().enumerate().filter(|(number, _)| Some(*number) != head);
        if let Some(first) = head.and_then(|number| items.get(number)) {
            self.put_first(&first.value);
        }
        if let Some((_, second)) = rest.next() {
            self.put_second(&second.value);
        }
    }

    /// The place that an element asks for.
    fn place(&self, item: &Item) -> Option<Place> {
        let first = match item.primary {
            Some(primary) => primary,
            None if item.kind.is_empty() => return None,
            None => item.kind.eq_ignore_ascii_case(self.rules.first_type),
        };
        Some(if first { Place::First } else { Place::Second })
    }

    fn items(&self, value: &Value) -> Result<Vec<Item>, Trouble> {
        let wrong = || Trouble::bad(self.rules.invalid);
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

fn item(fields: &Map<String, Value>) -> Result<Item, Trouble> {
    let of = |name: &str| text(field(fields, name).unwrap_or(&Value::Null));
    Ok(Item {
        value: of("value")?,
        primary: field(fields, "primary").and_then(flag),
        kind: of("type")?,
        delete: of("operation")?.eq_ignore_ascii_case("delete"),
    })
}
