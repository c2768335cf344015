//! Changes titles at the provider at a constant rate, each of another user.

use std::time::{Duration, Instant};

use reqwest::{Method, header};
use serde_json::json;
use tokio::task::JoinSet;

use super::fleet::{self, Caller};

/// The beginning of all titles; the number of the change follows.
const TITLE: &str = "Title change ";

/// A change that the provider has made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TitleChange {
    /// When it was requested.
    pub(crate) requested: Instant,
    /// Time until the provider's response.
    pub(crate) response: Duration,
}

/// Gives each user a title of its own, to `per_s` users a second. Returns the changes in the order of the users: the
/// position of a change is its number.
pub(crate) async fn change_titles(
    provider: &Caller,
    sandbox: &str,
    users: &[String],
    per_s: u32,
) -> anyhow::Result<Vec<TitleChange>> {
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / per_s);
    let mut requests = JoinSet::new();
    for (number, user) in users.iter().enumerate() {
        ticks.tick().await;
        let request = provider.request(Method::PATCH, &format!("{sandbox}/scim/v2/Users/{user}"));
        let request = request.header(header::CONTENT_TYPE, "application/json").body(patch(number));
        requests.spawn(async move {
            let requested = Instant::now();
            fleet::json(request).await?;
            anyhow::Ok((number, TitleChange { requested, response: requested.elapsed() }))
        });
    }
    let mut changes = Vec::with_capacity(users.len());
    while let Some(change) = requests.join_next().await {
        changes.push(change??);
    }
    changes.sort_by_key(|(number, _)| *number);
    Ok(changes.into_iter().map(|(_, change)| change).collect())
}

/// Returns the number of the change that gave a user this title, if one did.
pub(crate) fn number_of(title: &str) -> Option<usize> {
    title.strip_prefix(TITLE)?.parse().ok()
}

/// Returns the SCIM request body of a change.
fn patch(number: usize) -> String {
    let operation = json!({"op": "replace", "path": "title", "value": format!("{TITLE}{number}")});
    let schemas = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"];
    json!({"schemas": schemas, "Operations": [operation]}).to_string()
}
