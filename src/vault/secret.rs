//! Types of secrets. They can't be printed, serialized or compared; copies share the memory, which is wiped when the
//! last one is dropped.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
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
                Self(secret(text))
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
    /// A refresh token.
    RefreshToken;
    /// An OAuth client secret.
    ClientSecret;
    /// A secret with which a provider signs its requests to us.
    SigningSecret;
    /// A PKCE code verifier.
    PkceVerifier;
    /// A secret with which we sign the requests to a webhook.
    WebhookSecret;
}

/// Copies a text into memory that is wiped: the string's buffer may be longer than the text and would be freed without
/// being wiped.
fn secret(text: String) -> Arc<SecretString> {
    let text = Zeroizing::new(text);
    Arc::new(SecretBox::new(Box::from(text.as_str())))
}

/// The scheme with which an access token is sent in `Authorization`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthScheme {
    /// RFC 6750.
    Bearer,
    /// RFC 7617: user name and password.
    Basic,
}

impl AuthScheme {
    /// Returns the name in the header.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Basic => "Basic",
        }
    }
}

/// An access token: what is sent in `Authorization` after the scheme.
#[derive(Clone)]
pub struct AccessToken {
    text: Arc<SecretString>,
    scheme: AuthScheme,
}

impl AccessToken {
    /// Returns user name and password as they are sent with [`AuthScheme::Basic`].
    #[must_use]
    pub fn basic(user_name: &str, password: &str) -> Self {
        let pair = Zeroizing::new(format!("{user_name}:{password}"));
        Self::encoded_basic(STANDARD.encode(pair.as_bytes()))
    }

    /// Returns encoded user name and password.
    pub(super) fn encoded_basic(text: String) -> Self {
        Self { text: secret(text), scheme: AuthScheme::Basic }
    }

    /// Returns the scheme.
    #[must_use]
    pub fn scheme(&self) -> AuthScheme {
        self.scheme
    }

    /// Returns the plain text. Only `vault` and `upstream` may call it.
    pub(crate) fn expose_secret(&self) -> &str {
        self.text.expose_secret()
    }
}

impl From<String> for AccessToken {
    /// Returns a token with [`AuthScheme::Bearer`].
    fn from(text: String) -> Self {
        Self { text: secret(text), scheme: AuthScheme::Bearer }
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessToken(…)")
    }
}
