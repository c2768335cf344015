//! A caller of the provider's own APIs, with a token that no gateway knows.

use anyhow::Context as _;
use switchboard::sandbox::{DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET};
use url::Url;

use super::{Caller, Fleet, text};

/// Where the consent page leads back to. Nothing listens there.
const REDIRECT_URI: &str = "http://127.0.0.1:9/back";

impl Fleet {
    /// Returns a caller with a new token of the provider that has these scopes, separated by commas.
    pub(crate) async fn provider(&self, scopes: &str) -> anyhow::Result<Caller> {
        let token = self.provider_token(scopes).await?;
        Caller::new()?.with("authorization", &format!("Bearer {token}"))
    }

    /// Returns a new token of the provider that has these scopes, separated by commas.
    pub(crate) async fn provider_token(&self, scopes: &str) -> anyhow::Result<String> {
        let (caller, sandbox) = (Caller::new()?, self.sandbox.url());
        let arguments = [
            ("client_id", DEFAULT_CLIENT_ID),
            ("user_scope", scopes),
            ("redirect_uri", REDIRECT_URI),
            ("state", "bench"),
        ];
        let consent = Url::parse_with_params(&format!("{sandbox}/oauth/v2/authorize"), arguments)?;
        let returned = caller.approve(consent).await?;
        let code = returned.query_pairs().find(|(name, _)| name == "code").context("no code")?.1;
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", DEFAULT_CLIENT_ID)
            .append_pair("client_secret", DEFAULT_CLIENT_SECRET)
            .append_pair("code", &code)
            .append_pair("redirect_uri", REDIRECT_URI)
            .finish();
        let response = caller.form(&format!("{sandbox}/api/oauth.v2.access"), form).await?;
        Ok(text(&response, "/authed_user/access_token")?.to_owned())
    }
}
