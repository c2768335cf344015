//! The information that the demo prints when it is ready.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use crate::cli::output::print_line;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::sandbox::Sandbox;
use crate::vault::IssuedSecret;

/// URLs and credentials of the demo.
#[derive(Debug, Serialize)]
pub(super) struct DemoInfo {
    pub(super) base_url: String,
    pub(super) api_key: IssuedSecret,
    pub(super) admin_key: IssuedSecret,
    pub(super) environment_id: EnvironmentId,
    pub(super) integrated_account_id: IntegratedAccountId,
    pub(super) sandbox_url: String,
    pub(super) console_url: String,
    pub(super) link_url: String,
    /// Signs in to the console once; not in the JSON, which programs read.
    #[serde(skip)]
    pub(super) sign_in_url: String,
    #[serde(skip)]
    pub(super) example: Example,
}

/// A user of the sandbox, for the printed calls.
#[derive(Debug, Default)]
pub(super) struct Example {
    id: String,
    /// The first letters of the name, encoded for a URL.
    search: String,
}

impl Example {
    /// Returns the primary owner, whom every organization has.
    pub(super) fn of(sandbox: &Sandbox) -> Self {
        let owner = sandbox.with_org(|org| org.primary_owner().cloned());
        owner.map_or_else(Self::default, |owner| {
            let letters: String = owner.first_name.chars().take(3).collect();
            let search = utf8_percent_encode(&letters, NON_ALPHANUMERIC).to_string();
            Self { id: owner.id, search }
        })
    }
}

impl DemoInfo {
    /// Prints it as text, or as one line of JSON.
    pub(super) fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            print_line(serde_json::to_string(self)?)?;
        } else {
            print_line(self.text())?;
        }
        Ok(())
    }

    fn text(&self) -> String {
        let Self { base_url, integrated_account_id: account, sandbox_url, .. } = self;
        let (api_key, admin_key) = (self.api_key.reveal(), self.admin_key.reveal());
        let (link_url, sign_in_url) = (&self.link_url, &self.sign_in_url);
        let Example { id, search } = &self.example;
        format!(
            "
Switchboard is ready: a gateway, its database, and a Slack Enterprise Grid sandbox whose
organization is linked through the OAuth flow.

  gateway    {base_url}
  sandbox    {sandbox_url}
  API key    {api_key}
  admin key  {admin_key}
  account    {account}

Try, in another terminal:

  # Variables of the README and the guides
  export BASE={base_url} KEY={api_key} ADMIN={admin_key} \
    ACCOUNT={account} SANDBOX={sandbox_url}

  # List users: one format for every directory
  curl -s '{base_url}/users?limit=3&integrated_account_id={account}' -H 'Authorization: Bearer {api_key}'

  # List role assignments
  curl -s '{base_url}/role-assignments?limit=3&integrated_account_id={account}' -H 'Authorization: Bearer {api_key}'

  # Search the synced copy, without calls to Slack; it is complete a few seconds after the start
  curl -s '{base_url}/users?source=synced&search={search}&limit=3&integrated_account_id={account}' -H 'Authorization: Bearer {api_key}'

  # List the changes of a user
  curl -s '{base_url}/users/{id}/history?integrated_account_id={account}' -H 'Authorization: Bearer {api_key}'

  # List all changes as events, oldest first
  curl -s '{base_url}/events?limit=3&integrated_account_id={account}' -H 'Authorization: Bearer {api_key}'

  # Call Slack's own API; the gateway adds token, rate limits and retries
  curl -s '{base_url}/proxy/api/auth.test?integrated_account_id={account}' -H 'Authorization: Bearer {api_key}'

Open the console (signs in once):   {sign_in_url}
Link another customer in a browser: {link_url}
See the sandbox's organization:     {sandbox_url}/

Ctrl-C stops everything."
        )
    }
}
