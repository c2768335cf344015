//! Complex types of SCIM (RFC 7643 §2.3.8): objects whose attributes have names in any case (RFC 7643 §2.1).

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{
    self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor,
};

/// A complex type: an object with attributes.
pub(super) trait ComplexType: Default {
    /// The names of the attributes.
    const NAMES: &'static [&'static str];

    /// Reads the value of an attribute.
    ///
    /// # Errors
    ///
    /// When the value can't be converted to the type of the attribute.
    fn read_attribute<'de, A: MapAccess<'de>>(
        &mut self,
        name: &str,
        access: &mut A,
    ) -> Result<(), A::Error>;

    /// Returns the name of a required attribute that is absent.
    fn missing(&self) -> Option<&'static str> {
        None
    }

    /// Returns the object that a text in its place means.
    fn from_text(_: &str) -> Option<Self> {
        None
    }
}

/// A visitor of an object. Of a list it takes the first element.
pub(super) struct ObjectVisitor<T>(pub(super) PhantomData<T>);

impl<T: ComplexType> ObjectVisitor<T> {
    fn complete<E: de::Error>(object: T) -> Result<T, E> {
        match object.missing() {
            Some(name) => Err(E::missing_field(name)),
            None => Ok(object),
        }
    }
}

impl<'de, T: ComplexType + Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E: de::Error>(self) -> Result<T, E> {
        Self::complete(T::default())
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<T, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<T, E> {
        self.visit_str(&value.to_string())
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        let object = T::from_text(text);
        Self::complete(object.ok_or_else(|| E::invalid_type(Unexpected::Str(text), &self))?)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<T, A::Error> {
        let first = access.next_element()?;
        while access.next_element::<IgnoredAny>()?.is_some() {}
        first.map_or_else(|| Self::complete(T::default()), Ok)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<T, A::Error> {
        let (mut object, mut seen) = (T::default(), SeenNames::default());
        while let Some(known) = access.next_key_seed(NameSeed(T::NAMES))? {
            match known {
                None => {
                    access.next_value::<IgnoredAny>()?;
                }
                Some(known) => {
                    let name = seen.add(known)?;
                    object.read_attribute(name, &mut access)?;
                }
            }
        }
        Self::complete(object)
    }
}

/// A known name, with its number.
type KnownName = (u32, &'static str);

/// Reads the name of an attribute in any case, as one of these; `None` for an unknown one.
pub(super) struct NameSeed(pub(super) &'static [&'static str]);

impl<'de> DeserializeSeed<'de> for NameSeed {
    type Value = Option<KnownName>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl Visitor<'_> for NameSeed {
    type Value = Option<KnownName>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        let mut known = (0_u32..).zip(self.0.iter().copied());
        Ok(known.find(|(_, name)| name.eq_ignore_ascii_case(text)))
    }
}

/// The names that an object had before, one bit each.
#[derive(Debug, Default)]
pub(super) struct SeenNames(u64);

impl SeenNames {
    /// Adds a name and returns it.
    ///
    /// # Errors
    ///
    /// When the object had it before, in whatever case.
    pub(super) fn add<E: de::Error>(
        &mut self,
        (number, name): KnownName,
    ) -> Result<&'static str, E> {
        let bit = 1_u64.checked_shl(number).unwrap_or_default();
        if self.0 & bit != 0 {
            return Err(E::duplicate_field(name));
        }
        self.0 |= bit;
        Ok(name)
    }
}

/// Declares complex types: their fields with the names of their attributes. `required` names the attribute without
/// which an object can't be read, `text` the one that a text in place of an object is.
macro_rules! complex_types {
    ($(
        $(#[$meta:meta])*
        struct $type:ident $(required $required:ident = $required_name:literal)? $(text $text:ident)?
        {
            $($field:ident: $value:ty = $name:literal,)*
        }
    )*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq)]
        pub(super) struct $type {
            $(pub(super) $field: $value,)*
        }

        impl $crate::connectors::scim::complex_type::ComplexType for $type {
            const NAMES: &'static [&'static str] = &[$($name),*];

            fn read_attribute<'de, A: serde::de::MapAccess<'de>>(
                &mut self,
                name: &str,
                access: &mut A,
            ) -> Result<(), A::Error> {
                match name {
                    $($name => {
                        let value: $crate::connectors::scim::values::Attribute<$value> =
                            access.next_value()?;
                        self.$field = value.0;
                    })*
                    _ => {}
                }
                Ok(())
            }

            $(fn missing(&self) -> Option<&'static str> {
                self.$required.is_empty().then_some($required_name)
            })?

            $(fn from_text(text: &str) -> Option<Self> {
                Some(Self { $text: Some(text.to_owned()), ..Self::default() })
            })?
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let fields = std::marker::PhantomData;
                from.deserialize_any($crate::connectors::scim::complex_type::ObjectVisitor(fields))
            }
        }

        impl<'de> $crate::connectors::scim::values::AttributeValue<'de> for $type {
            fn read<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                serde::Deserialize::deserialize(from)
            }
        }
    )*};
}
pub(super) use complex_types;
