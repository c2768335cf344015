//! How new access tokens of a grant are obtained: by a refresh token, or by a customer's client credentials.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use url::Url;
use zeroize::Zeroizing;

use super::cipher::CipherError;
use super::secret::{ClientSecret, RefreshToken};

/// How new access tokens are obtained.
#[derive(Debug, Clone)]
pub enum Renewal {
    /// By a refresh token, with the client of the provider app (RFC 6749 §6).
    RefreshToken(RefreshToken),
    /// By the client credentials of the customer (RFC 6749 §4.4). They are not consumed.
    ClientCredentials(Box<CustomerClient>),
}

impl Renewal {
    /// Returns the refresh token, if it is one.
    #[must_use]
    pub fn refresh_token(&self) -> Option<&RefreshToken> {
        match self {
            Self::RefreshToken(token) => Some(token),
            Self::ClientCredentials(_) => None,
        }
    }
}

/// Where a token endpoint expects the client secret (RFC 6749 §2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretPlacement {
    /// In `Authorization`.
    Header,
    /// In the body, with the client id.
    Body,
}

/// An OAuth client that a customer created for itself at its own token endpoint.
#[derive(Debug, Clone)]
pub struct CustomerClient {
    /// The token endpoint.
    pub token_url: Url,
    /// The client id.
    pub client_id: String,
    /// The client secret.
    pub client_secret: ClientSecret,
    /// The requested scopes, separated by spaces; empty for none.
    pub scope: String,
    /// Where the endpoint expects the secret.
    pub secret_in: SecretPlacement,
}

/// The client as stored.
#[derive(Serialize, Deserialize)]
struct StoredClient<'a> {
    token_url: Cow<'a, str>,
    client_id: Cow<'a, str>,
    client_secret: Cow<'a, str>,
    scope: Cow<'a, str>,
    secret_in: SecretPlacement,
}

impl CustomerClient {
    /// Returns the client as text to be sealed. The endpoint is part of it, so that a changed row in the database can't
    /// direct the secret to another server.
    pub(super) fn to_text(&self) -> Result<Zeroizing<String>, CipherError> {
        let stored = StoredClient {
            token_url: self.token_url.as_str().into(),
            client_id: self.client_id.as_str().into(),
            client_secret: self.client_secret.expose_secret().into(),
            scope: self.scope.as_str().into(),
            secret_in: self.secret_in,
        };
        serde_json::to_string(&stored).map(Zeroizing::new).map_err(|_| CipherError::Corrupt)
    }

    /// Reads a client from its text.
    pub(super) fn from_text(text: String) -> Result<Self, CipherError> {
        let text = Zeroizing::new(text);
        let stored: StoredClient<'_> =
            serde_json::from_str(&text).map_err(|_| CipherError::Corrupt)?;
        Ok(Self {
            token_url: Url::parse(&stored.token_url).map_err(|_| CipherError::Corrupt)?,
            client_id: stored.client_id.into_owned(),
            client_secret: stored.client_secret.into_owned().into(),
            scope: stored.scope.into_owned(),
            secret_in: stored.secret_in,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_survives_its_text() {
        let client = CustomerClient {
            token_url: Url::parse("https://id.example.com/token?tenant=1").unwrap(),
            client_id: "client".to_owned(),
            client_secret: "s\"ecret\n".to_owned().into(),
            scope: "a b".to_owned(),
            secret_in: SecretPlacement::Body,
        };
        let text = client.to_text().unwrap();
        let read = CustomerClient::from_text(text.to_string()).unwrap();
        assert_eq!(read.client_secret.expose_secret(), "s\"ecret\n");
        assert_eq!((read.token_url, read.secret_in), (client.token_url, client.secret_in));
        assert_eq!((read.client_id, read.scope), (client.client_id, client.scope));
        assert!(CustomerClient::from_text("refresh-token".to_owned()).is_err());
    }
}
