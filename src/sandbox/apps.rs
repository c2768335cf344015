//! The apps that are registered at the provider, with their developers' settings.

use std::collections::BTreeMap;

use url::{Host, Url};

/// Client id of the app that every sandbox has.
pub const DEFAULT_CLIENT_ID: &str = "1001.2002";
/// Its client secret. It protects nothing: the value is public.
pub const DEFAULT_CLIENT_SECRET: &str = "sandbox-client-secret-not-a-secret";

/// An app and its OAuth settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlackApp {
    /// Client id.
    pub client_id: String,
    /// Client secret.
    pub client_secret: String,
    /// `A…`.
    pub app_id: String,
    /// The name on the consent page.
    pub name: String,
    /// Redirect URIs that may receive authorization codes.
    pub redirects: Redirects,
    /// Whether access tokens expire and are refreshed.
    pub rotation: bool,
    /// Whether it is a public client: it has no client secret and uses PKCE.
    pub public: bool,
}

/// Redirect URIs that may receive an app's authorization codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redirects {
    /// Any `http` or `https` URL of a loopback host, on any port.
    Loopback,
    /// These URLs and the paths below them.
    Listed(Vec<String>),
}

impl SlackApp {
    /// Returns an app with token rotation and loopback redirect URIs.
    #[must_use]
    pub fn new(client_id: &str, client_secret: &str, name: &str) -> Self {
        let digits = client_id.chars().filter(char::is_ascii_alphanumeric);
        Self {
            client_id: client_id.to_owned(),
            client_secret: client_secret.to_owned(),
            app_id: format!("A0{}", digits.collect::<String>().to_uppercase()),
            name: name.to_owned(),
            redirects: Redirects::Loopback,
            rotation: true,
            public: false,
        }
    }

    /// Returns the app that every sandbox has.
    #[must_use]
    pub fn default_app() -> Self {
        Self::new(DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, "Switchboard")
    }

    /// Whether a redirect URI belongs to a native app: a custom scheme, or a loopback host for a
    /// public client.
    #[must_use]
    pub fn is_native_redirect(&self, address: &Url) -> bool {
        !matches!(address.scheme(), "http" | "https") || self.public && is_loopback(address)
    }

    /// Whether a redirect URI may receive authorization codes.
    #[must_use]
    pub fn allows_redirect(&self, address: &str) -> bool {
        let Ok(url) = Url::parse(address) else {
            return false;
        };
        if url.fragment().is_some() {
            return false;
        }
        match &self.redirects {
            Redirects::Loopback => is_loopback(&url),
            Redirects::Listed(list) => list.iter().any(|listed| {
                let rest = address.strip_prefix(listed.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
            }),
        }
    }
}

/// Whether a URL has a loopback host.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    local && matches!(url.scheme(), "http" | "https")
}

/// All apps by client id.
#[derive(Debug)]
pub(crate) struct Apps(BTreeMap<String, SlackApp>);

impl Apps {
    /// Returns a registry with the default app only.
    pub(crate) fn new() -> Self {
        let mut apps = Self(BTreeMap::new());
        apps.register(SlackApp::default_app());
        apps
    }

    /// Adds an app; it replaces an app with the same client id.
    pub(crate) fn register(&mut self, app: SlackApp) {
        self.0.insert(app.client_id.clone(), app);
    }

    /// Returns the app with this client id.
    pub(crate) fn get(&self, client_id: &str) -> Option<SlackApp> {
        self.0.get(client_id).cloned()
    }

    /// Returns all apps, ordered by client id.
    pub(crate) fn all(&self) -> impl Iterator<Item = &SlackApp> {
        self.0.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sends_codes_to_allowed_redirect_uris_only() {
        let mut app = SlackApp::default_app();
        for allowed in ["http://127.0.0.1:9/cb", "http://localhost/cb?a=b", "http://[::1]:80/"] {
            assert!(app.allows_redirect(allowed), "{allowed}");
        }
        for refused in
            ["http://evil.example/", "http://localhost.evil.example/", "x", "ftp://localhost/"]
        {
            assert!(!app.allows_redirect(refused), "{refused}");
        }
        app.redirects = Redirects::Listed(vec!["https://app.example/oauth".to_owned()]);
        assert!(app.allows_redirect("https://app.example/oauth"));
        assert!(app.allows_redirect("https://app.example/oauth/slack"));
        assert!(!app.allows_redirect("https://app.example/oauthx"));
        assert!(!app.allows_redirect("http://localhost/"));
    }
}
