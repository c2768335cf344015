//! The credentials of a form: a token, user name and password, or OAuth 2.0 client credentials.

use zeroize::Zeroizing;

use super::LinkError;
use crate::connectors::FormLink;
use crate::upstream::AddressPolicy;
use crate::vault::secret::{AccessToken, ClientSecret};
use crate::vault::{CustomerClient, SecretPlacement};

/// Maximum length of a user name, a client id or the scopes, in bytes.
const MAX_FIELD_BYTES: usize = 1_000;

/// The credentials that a customer entered.
pub enum FormCredentials {
    /// A bearer token.
    Token(Zeroizing<String>),
    /// User name and password (RFC 7617).
    Basic {
        /// The user name.
        user_name: String,
        /// The password.
        password: Zeroizing<String>,
    },
    /// OAuth 2.0 client credentials (RFC 6749 §4.4).
    ClientCredentials {
        /// The URL of the token endpoint.
        token_url: String,
        /// The client id.
        client_id: String,
        /// The client secret.
        client_secret: ClientSecret,
        /// The scopes, separated by spaces; empty for none.
        scope: String,
    },
}

impl std::fmt::Debug for FormCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Token(_) => "Token(…)",
            Self::Basic { .. } => "Basic(…)",
            Self::ClientCredentials { .. } => "ClientCredentials(…)",
        })
    }
}

/// Valid credentials.
pub(super) enum PreparedCredentials {
    /// A token that is sent as it is.
    Token(AccessToken),
    /// A client that requests tokens.
    Client(CustomerClient),
}

impl FormCredentials {
    /// Validates the credentials.
    ///
    /// # Errors
    ///
    /// `InvalidCredentials` or `InvalidTokenUrl`, with the failed rule.
    pub(super) fn prepare(
        self,
        form: &dyn FormLink,
        policy: AddressPolicy,
    ) -> Result<PreparedCredentials, LinkError> {
        match self {
            Self::Token(token) if token.is_empty() => {
                Err(LinkError::InvalidCredentials("Enter a token."))
            }
            Self::Token(token) => {
                Ok(PreparedCredentials::Token(AccessToken::from(token.as_str().to_owned())))
            }
            Self::Basic { user_name, password } => {
                if user_name.is_empty() || password.is_empty() {
                    return Err(LinkError::InvalidCredentials("Enter user name and password."));
                }
                check_length(&user_name)?;
                if user_name.contains(':') || user_name.contains(char::is_control) {
                    return Err(LinkError::InvalidCredentials(
                        "The user name must not contain a colon or a control character.",
                    ));
                }
                Ok(PreparedCredentials::Token(AccessToken::basic(&user_name, &password)))
            }
            Self::ClientCredentials { token_url, client_id, client_secret, scope } => {
                let token_url =
                    form.token_url(&token_url, policy).map_err(LinkError::InvalidTokenUrl)?;
                if client_id.is_empty() {
                    return Err(LinkError::InvalidCredentials("Enter client id and secret."));
                }
                check_length(&client_id)?;
                check_length(&scope)?;
                let scope = scope.split_whitespace().collect::<Vec<_>>().join(" ");
                Ok(PreparedCredentials::Client(CustomerClient {
                    token_url,
                    client_id,
                    client_secret,
                    scope,
                    secret_in: SecretPlacement::Header,
                }))
            }
        }
    }
}

fn check_length(text: &str) -> Result<(), LinkError> {
    let too_long = "A user name, a client id and the scopes have at most 1,000 characters.";
    if text.len() > MAX_FIELD_BYTES { Err(LinkError::InvalidCredentials(too_long)) } else { Ok(()) }
}
