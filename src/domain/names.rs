//! Enums whose values have names in the API and the database.

/// Gives an enum its names: `ALL`, `name`, `Display`, and `FromStr` with an error of its own.
macro_rules! names {
    ($type:ident, $error:ident, $message:literal, $($variant:ident = $name:literal,)*) => {
        impl $type {
            /// Every value, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Returns the name in the API and the database.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        #[doc = "A text that is not a name of [`"]
        #[doc = stringify!($type)]
        #[doc = "`]."]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
        #[error($message)]
        pub struct $error;

        impl std::str::FromStr for $type {
            type Err = $error;

            fn from_str(name: &str) -> Result<Self, $error> {
                Self::ALL.iter().copied().find(|one| one.name() == name).ok_or($error)
            }
        }
    };
}

pub(super) use names;
