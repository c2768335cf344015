//! The apps that the provider knows, as their developers set them up.

use std::collections::BTreeMap;

use url::{Host, Url};

/// The client id of the app that every sandbox knows.
pub const DEFAULT_CLIENT_ID: &str = "1001.2002";
/// Its secret: no secret at all, as anybody can see.
pub const DEFAULT_CLIENT_SECRET: &str = "sandbox-client-secret-not-a-secret";

/// An app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// The id its OAuth requests carry.
    pub client_id: String,
    /// The secret that goes with it.
    pub client_secret: String,
    /// `A…`.
    pub app_id: String,
    /// The name on the consent page.
    pub name: String,
    /// Where codes may be sent.
    pub redirects: Redirects,
    /// Whether access tokens expire and are refreshed.
    pub rotation: bool,
    /// Whether it runs where it can keep no secret, and proves itself by PKCE instead.
    pub public: bool,
}

/// Where an app's codes may be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redirects {
    /// Any `http` or `https` address of this machine, on any port.
    Loopback,
    /// These addresses, and what lies under them.
    Listed(Vec<String>),
}

impl App {
    /// An app with rotation, whose codes may go to any address of this machine.
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

    /// The app that every sandbox knows.
    #[must_use]
    pub fn default_app() -> Self {
        Self::new(DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, "Switchboard")
    }

    /// Whether an address is that of a program on somebody's own device: a scheme of its own, or
    /// this machine for an app that is a public client.
    #[must_use]
    pub fn is_desktop(&self, address: &Url) -> bool {
        !matches!(address.scheme(), "http" | "https") || self.public && is_loopback(address)
    }

    /// Whether codes may be sent to an address.
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

/// Whether an address is one of this machine.
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
pub(crate) struct Apps(BTreeMap<String, App>);

impl Apps {
    /// The default app alone.
    pub(crate) fn new() -> Self {
        let mut apps = Self(BTreeMap::new());
        apps.register(App::default_app());
        apps
    }

    /// Adds an app, in place of an older one with the same client id.
    pub(crate) fn register(&mut self, app: App) {
        self.0.insert(app.client_id.clone(), app);
    }

    /// The app with a client id.
    pub(crate) fn get(&self, client_id: &str) -> Option<App> {
        self.0.get(client_id).cloned()
    }

    /// All apps.
    pub(crate) fn all(&self) -> impl Iterator<Item = &App> {
        self.0.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_go_to_allowed_addresses_only() {
        let mut app = App::default_app();
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
