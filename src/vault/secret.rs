//! The types of secrets. None can be printed, serialized or compared; the memory is wiped when
//! the last copy goes; copies share it.

use std::fmt;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretBox, SecretString};
use zeroize::Zeroizing;

macro_rules! secrets {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(Arc<SecretString>);

        impl $name {
            /// The bare text. Only `vault` and `upstream` may ask for it.
            pub(crate) fn expose_secret(&self) -> &str {
                self.0.expose_secret()
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                // Not as it is: the memory behind a text may be longer than the text, and would be given back
                // without being wiped.
                let text = Zeroizing::new(text);
                Self(Arc::new(SecretBox::new(Box::from(text.as_str()))))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )*};
}

secrets! {
    /// What calls to a provider are made with.
    AccessToken;
    /// What a new pair of tokens is asked with.
    RefreshToken;
    /// An OAuth client's secret.
    ClientSecret;
    /// What a provider signs its requests to us with.
    SigningSecret;
    /// A PKCE code verifier.
    PkceVerifier;
}
