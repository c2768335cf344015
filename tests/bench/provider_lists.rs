//! The lists of the provider that a run of the directory sync reads, read by plain requests one after the other.

use anyhow::Context as _;
use reqwest::Method;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use url::Url;

use super::fleet::Caller;

/// Scopes of the token that reads them.
pub(crate) const SCOPES: &str = "admin,admin.users:read,admin.teams:read,admin.roles:read,\
    admin.usergroups:read,users:read,users:read.email,team:read";
/// Page sizes of a run: see `src/sync/passes.rs` and the connector.
const MAX_PAGE_ROWS: &str = "1000";
const WORKSPACES_PER_PAGE: &str = "10";
const WORKSPACES_PER_SCAN_PAGE: &str = "20";
const GROUPS_PER_PAGE: &str = "100";
const ASSIGNMENTS_PER_PAGE: &str = "200";

/// The lists of one organization.
#[derive(Debug)]
pub(crate) struct ProviderLists {
    /// A caller with the provider's token.
    pub(crate) caller: Caller,
    /// The provider's URL.
    pub(crate) base: String,
}

/// A page of the Web API. Only workspaces are parsed.
#[derive(Debug, Deserialize)]
struct WebPage {
    ok: bool,
    error: Option<String>,
    #[serde(default)]
    teams: Vec<Workspace>,
    #[serde(default)]
    response_metadata: Metadata,
}

#[derive(Debug, Deserialize)]
struct Workspace {
    id: String,
}

#[derive(Debug, Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    next_cursor: String,
}

/// A page of SCIM, whose rows are counted.
#[derive(Debug, Deserialize)]
struct ScimPage {
    #[serde(rename = "totalResults")]
    total: usize,
    #[serde(rename = "Resources", default)]
    rows: Vec<IgnoredAny>,
}

impl ProviderLists {
    /// Reads all of them to their ends.
    pub(crate) async fn read(&self) -> anyhow::Result<()> {
        let limit = ("limit", MAX_PAGE_ROWS);
        for team in self.web("admin.teams.list", &[("limit", WORKSPACES_PER_PAGE)]).await? {
            let team = ("team_id", team.as_str());
            self.web("admin.teams.settings.info", &[team]).await?;
            self.web("admin.teams.owners.list", &[team, limit]).await?;
            self.web("admin.teams.admins.list", &[team, limit]).await?;
        }
        self.scim("Users", MAX_PAGE_ROWS).await?;
        for is_active in ["true", "false"] {
            self.web("admin.users.list", &[("is_active", is_active), limit]).await?;
        }
        self.scim("Groups", GROUPS_PER_PAGE).await?;
        // Role assignments: levels in the organization, levels in each workspace, system roles.
        self.web("admin.users.list", &[limit]).await?;
        for team in self.web("admin.teams.list", &[("limit", WORKSPACES_PER_SCAN_PAGE)]).await? {
            self.web("admin.users.list", &[("team_id", &*team), limit]).await?;
        }
        self.web("admin.roles.listAssignments", &[("limit", ASSIGNMENTS_PER_PAGE)]).await?;
        Ok(())
    }

    /// Reads all pages of a method. Returns the ids of the workspaces, if it lists workspaces.
    async fn web(&self, method: &str, arguments: &[(&str, &str)]) -> anyhow::Result<Vec<String>> {
        let (mut teams, mut cursor) = (Vec::new(), String::new());
        loop {
            let page: WebPage = {
                let mut query = arguments.to_vec();
                if !cursor.is_empty() {
                    query.push(("cursor", &*cursor));
                }
                self.page(&format!("api/{method}"), &query).await?
            };
            anyhow::ensure!(page.ok, "{method}: {}", page.error.unwrap_or_default());
            teams.extend(page.teams.into_iter().map(|team| team.id));
            cursor = page.response_metadata.next_cursor;
            if cursor.is_empty() {
                return Ok(teams);
            }
        }
    }

    /// Reads all pages of a SCIM list.
    async fn scim(&self, list: &str, count: &str) -> anyhow::Result<()> {
        let mut start = 1;
        loop {
            let first = start.to_string();
            let query = [("startIndex", &*first), ("count", count)];
            let page: ScimPage = self.page(&format!("scim/v2/{list}"), &query).await?;
            start += page.rows.len();
            if page.rows.is_empty() || start > page.total {
                return Ok(());
            }
        }
    }

    async fn page<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> anyhow::Result<T> {
        let url = Url::parse_with_params(&format!("{}/{path}", self.base), query)?;
        let response = self.caller.request(Method::GET, url.as_str()).send().await?;
        let bytes = response.error_for_status()?.bytes().await?;
        serde_json::from_slice(&bytes).with_context(|| {
            let start: String = String::from_utf8_lossy(&bytes).chars().take(200).collect();
            format!("{path}: {start}")
        })
    }
}
