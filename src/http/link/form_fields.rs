//! The fields of a submitted form.

use url::form_urlencoded;
use zeroize::Zeroizing;

use crate::link::{FormCredentials, SameOrganization};
use crate::vault::secret::ClientSecret;

/// How the gateway authenticates at the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum AuthMethod {
    /// A bearer token.
    #[default]
    Token,
    /// User name and password.
    Basic,
    /// OAuth 2.0 client credentials.
    ClientCredentials,
}

impl AuthMethod {
    /// Every method, in display order.
    pub(super) const ALL: [Self; 3] = [Self::Token, Self::Basic, Self::ClientCredentials];

    /// Returns the value of the form.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Basic => "basic",
            Self::ClientCredentials => "client_credentials",
        }
    }

    /// Returns the label of the form.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Token => "Token",
            Self::Basic => "User name and password",
            Self::ClientCredentials => "OAuth 2.0 client credentials",
        }
    }
}

/// The fields of a submitted form. Secrets are not shown again.
pub(super) struct FormFields {
    /// The base URL.
    pub(super) base_url: String,
    /// The authentication method; a token without one.
    pub(super) method: AuthMethod,
    /// The user name.
    pub(super) user_name: String,
    /// The URL of the token endpoint.
    pub(super) token_url: String,
    /// The client id.
    pub(super) client_id: String,
    /// The scopes.
    pub(super) scope: String,
    /// Whether the customer confirmed that the organization is the same.
    pub(super) confirmation: SameOrganization,
    token: Zeroizing<String>,
    password: Zeroizing<String>,
    client_secret: Zeroizing<String>,
}

impl FormFields {
    /// Reads a form; absent fields are empty.
    pub(super) fn parse(form: &str) -> Self {
        let field = |wanted: &str| {
            let mut pairs = form_urlencoded::parse(form.as_bytes());
            // The value may be a secret.
            let value = pairs.find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned());
            Zeroizing::new(value.unwrap_or_default())
        };
        let trimmed = |wanted: &str| field(wanted).trim().to_owned();
        let method = trimmed("auth");
        let is_confirmed = *field("same_organization") == "yes";
        Self {
            base_url: trimmed("base_url"),
            method: AuthMethod::ALL
                .into_iter()
                .find(|one| one.name() == method)
                .unwrap_or_default(),
            user_name: trimmed("user_name"),
            token_url: trimmed("token_url"),
            client_id: trimmed("client_id"),
            scope: trimmed("scope"),
            confirmation: if is_confirmed {
                SameOrganization::Confirmed
            } else {
                SameOrganization::Unconfirmed
            },
            token: Zeroizing::new(trimmed("token")),
            // Spaces may be a part of a password.
            password: field("password"),
            client_secret: Zeroizing::new(trimmed("client_secret")),
        }
    }

    /// Returns the credentials of the selected method.
    pub(super) fn credentials(&self) -> FormCredentials {
        match self.method {
            AuthMethod::Token => FormCredentials::Token(self.token.clone()),
            AuthMethod::Basic => FormCredentials::Basic {
                user_name: self.user_name.clone(),
                password: self.password.clone(),
            },
            AuthMethod::ClientCredentials => FormCredentials::ClientCredentials {
                token_url: self.token_url.clone(),
                client_id: self.client_id.clone(),
                client_secret: ClientSecret::from(self.client_secret.as_str().to_owned()),
                scope: self.scope.clone(),
            },
        }
    }
}

impl std::fmt::Debug for FormFields {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FormFields").field("method", &self.method).finish_non_exhaustive()
    }
}
