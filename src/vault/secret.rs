//! Types of secrets. They can't be printed, serialized or compared; copies share the memory, which is wiped when the
//! last one is dropped.

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
            /// Returns the plain text. Only `vault` and `upstream` may call it.
            pub(crate) fn expose_secret(&self) -> &str {
                self.0.expose_secret()
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                // Copied, because the string's buffer may be longer than the text and would be freed without being
                // wiped.
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
    /// An access token.
    AccessToken;
    /// A refresh token.
    RefreshToken;
    /// An OAuth client secret.
    ClientSecret;
    /// A secret with which a provider signs its requests to us.
    SigningSecret;
    /// A PKCE code verifier.
    PkceVerifier;
}
