//! Values of SCIM attributes as servers send them: a scalar of another type, and one value in place of a list or the
//! other way round.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::{I64Deserializer, MapAccessDeserializer, StrDeserializer, U64Deserializer};
use serde::de::{self, Deserializer, Error as _, MapAccess, SeqAccess, Unexpected, Visitor};

/// The largest integer up to which a number with a fraction is exact: a larger id could be another one's.
const MAX_EXACT_FLOAT: f64 = 9_007_199_254_740_992.0;

/// A type of the value of an attribute.
pub(super) trait AttributeValue<'de>: Sized {
    /// Reads a value.
    ///
    /// # Errors
    ///
    /// When the value can't be converted to the type.
    fn read<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

/// The value of an attribute, read leniently.
pub(super) struct Attribute<T>(pub(super) T);

impl<'de, T: AttributeValue<'de>> Deserialize<'de> for Attribute<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::read(deserializer).map(Self)
    }
}

impl<'de> AttributeValue<'de> for Option<String> {
    fn read<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor::alone())
    }
}

impl<'de> AttributeValue<'de> for String {
    fn read<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::<Self>::read(deserializer).map(Option::unwrap_or_default)
    }
}

impl<'de> AttributeValue<'de> for Option<bool> {
    fn read<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ScalarVisitor::alone())
    }
}

impl<'de, T: Deserialize<'de>> AttributeValue<'de> for Vec<T> {
    fn read<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<Self>::read(deserializer)?.unwrap_or_default())
    }
}

impl<'de, T: Deserialize<'de>> AttributeValue<'de> for Option<Vec<T>> {
    fn read<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}

/// A value that can't be converted.
struct Inconvertible;

/// A type of single values.
trait Scalar: Sized {
    /// Describes the type.
    const EXPECTED: &'static str;

    fn from_text(text: &str) -> Result<Option<Self>, Inconvertible>;
    fn from_bool(value: bool) -> Self;
    fn from_integer(value: i128) -> Result<Self, Inconvertible>;
    fn from_float(value: f64) -> Result<Self, Inconvertible>;
}

impl Scalar for String {
    const EXPECTED: &'static str = "text";

    fn from_text(text: &str) -> Result<Option<Self>, Inconvertible> {
        Ok(Some(text.to_owned()))
    }

    fn from_bool(value: bool) -> Self {
        value.to_string()
    }

    fn from_integer(value: i128) -> Result<Self, Inconvertible> {
        Ok(value.to_string())
    }

    fn from_float(value: f64) -> Result<Self, Inconvertible> {
        if value.abs() < MAX_EXACT_FLOAT { Ok(value.to_string()) } else { Err(Inconvertible) }
    }
}

impl Scalar for bool {
    const EXPECTED: &'static str = "a boolean";

    fn from_text(text: &str) -> Result<Option<Self>, Inconvertible> {
        match text.trim() {
            "" => Ok(None),
            "1" => Ok(Some(true)),
            "0" => Ok(Some(false)),
            word if word.eq_ignore_ascii_case("true") => Ok(Some(true)),
            word if word.eq_ignore_ascii_case("false") => Ok(Some(false)),
            _ => Err(Inconvertible),
        }
    }

    fn from_bool(value: bool) -> Self {
        value
    }

    fn from_integer(value: i128) -> Result<Self, Inconvertible> {
        match value {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Inconvertible),
        }
    }

    fn from_float(_: f64) -> Result<Self, Inconvertible> {
        Err(Inconvertible)
    }
}

/// A visitor of a single value. Of a list it takes the first element that has a value.
struct ScalarVisitor<S> {
    is_element: bool,
    scalar: PhantomData<S>,
}

impl<S> ScalarVisitor<S> {
    /// Returns the visitor of a value that is not in a list.
    fn alone() -> Self {
        Self { is_element: false, scalar: PhantomData }
    }
}

/// An element of a list in place of a single value.
struct Element<S>(Option<S>);

impl<'de, S: Scalar> Deserialize<'de> for Element<S> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let visitor = ScalarVisitor { is_element: true, scalar: PhantomData };
        deserializer.deserialize_any(visitor).map(Self)
    }
}

impl<'de, S: Scalar> Visitor<'de> for ScalarVisitor<S> {
    type Value = Option<S>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(S::EXPECTED)
    }

    fn visit_unit<E: de::Error>(self) -> Result<Option<S>, E> {
        Ok(None)
    }

    fn visit_none<E: de::Error>(self) -> Result<Option<S>, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, some: D) -> Result<Option<S>, D::Error> {
        some.deserialize_any(self)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Option<S>, E> {
        Ok(Some(S::from_bool(value)))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Option<S>, E> {
        let scalar = S::from_integer(value.into());
        scalar.map(Some).map_err(|_| E::invalid_value(Unexpected::Signed(value), &self))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Option<S>, E> {
        let scalar = S::from_integer(value.into());
        scalar.map(Some).map_err(|_| E::invalid_value(Unexpected::Unsigned(value), &self))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Option<S>, E> {
        let scalar = S::from_float(value);
        scalar.map(Some).map_err(|_| E::invalid_value(Unexpected::Float(value), &self))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Option<S>, E> {
        S::from_text(text).map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Option<S>, A::Error> {
        if self.is_element {
            return Err(A::Error::invalid_type(Unexpected::Seq, &self));
        }
        let mut first = None;
        while let Some(Element(scalar)) = access.next_element()? {
            first = first.or(scalar);
        }
        Ok(first)
    }
}

/// A visitor of a list. One value is a list of one element, null is none.
struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = Option<Vec<T>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_none<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, some: D) -> Result<Self::Value, D::Error> {
        some.deserialize_any(self)
    }

    /// `false` is none: PHP has it for absent values.
    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Self::Value, E> {
        if value { Err(E::invalid_type(Unexpected::Bool(value), &self)) } else { Ok(None) }
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Some(vec![T::deserialize(I64Deserializer::<E>::new(value))?]))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Some(vec![T::deserialize(U64Deserializer::<E>::new(value))?]))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        if text.trim().is_empty() {
            return Ok(None);
        }
        Ok(Some(vec![T::deserialize(StrDeserializer::<E>::new(text))?]))
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Self::Value, A::Error> {
        Ok(Some(vec![T::deserialize(MapAccessDeserializer::new(access))?]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(element) = access.next_element()? {
            all.push(element);
        }
        Ok(Some(all))
    }
}
