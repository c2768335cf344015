//! `slack-morphism`, a Rust SDK of Slack, unmodified, with the gateway in Slack's place.

use anyhow::Context as _;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use slack_morphism::errors::SlackClientError;
use slack_morphism::prelude::{
    SlackApiToken, SlackApiUsersInfoRequest, SlackApiUsersListRequest, SlackClient,
    SlackClientHyperConnector, SlackUserId,
};
use sqlx::PgPool;
use url::Url;

use super::method_restrictions;
use crate::support::TestApp;

type Sdk = SlackClient<SlackClientHyperConnector<HttpConnector>>;

fn sdk(base_url: &Url) -> Sdk {
    let connector = SlackClientHyperConnector::with_connector(HttpConnector::new());
    SlackClient::new(connector.with_slack_api_url(&format!("{base_url}proxy/api")))
}

/// Body of a failure with an HTTP status.
fn error_response(error: &SlackClientError) -> anyhow::Result<(u16, Value)> {
    let SlackClientError::HttpError(failure) = error else { anyhow::bail!("{error:?}") };
    let body = failure.http_response_body.as_deref().context("no body")?;
    Ok((failure.status_code.as_u16(), serde_json::from_str(body)?))
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn slack_morphism_works_with_another_base_url(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let token = method_restrictions::token(&app, &json!({"scopes": ["proxy"]})).await?;
    let sdk_here = sdk(&app.base_url);
    let token = SlackApiToken::new(token.into());
    let session = sdk_here.open_session(&token);
    let me = session.auth_test().await?;
    let own = session.users_info(&SlackApiUsersInfoRequest::new(me.user_id.clone())).await?;
    assert_eq!(own.user.id, me.user_id);
    let anonymous = SlackApiUsersInfoRequest::new(SlackUserId("W00000000".to_owned()));
    let unknown =
        session.users_info(&anonymous).await.err().context("an unknown user was found")?;
    let SlackClientError::ApiError(unknown) = unknown else { anyhow::bail!("{unknown:?}") };
    assert_eq!(unknown.code, "user_not_found");

    let team = app.sandbox.with_org(|org| org.workspaces.first().map(|one| one.id.clone()));
    let team = team.context("no workspace")?;
    let (mut people, mut cursor) = (Vec::new(), None);
    loop {
        let page = SlackApiUsersListRequest::new().with_limit(20).with_team_id(team.clone().into());
        let page = session.users_list(&page.opt_cursor(cursor.take())).await?;
        people.extend(page.members.into_iter().map(|one| one.id));
        cursor = page.response_metadata.and_then(|more| more.next_cursor);
        cursor = cursor.filter(|next| !next.0.is_empty());
        if cursor.is_none() {
            break;
        }
        assert!(people.len() < 1_000, "the list is endless");
    }
    assert!(people.len() > 20, "{}", people.len());

    // It parses the gateway's errors as Slack's.
    let wrong = SlackApiToken::new("sb_acct_wrong".to_owned().into());
    let rejected = sdk_here.open_session(&wrong).auth_test().await.err().context("not rejected")?;
    let (status, body) = error_response(&rejected)?;
    assert_eq!((status, &body["error"]), (401, &json!("invalid_auth")));
    let mut guarded = app.config.clone();
    guarded.server.failed_auth_per_minute = 1;
    let (url, _) = app.second_gateway(&guarded).await?;
    let throttled = sdk(&url);
    let throttled = throttled.open_session(&wrong);
    assert_eq!(error_response(&throttled.auth_test().await.err().context("not rejected")?)?.0, 401);
    let rejected = throttled.auth_test().await.err().context("not throttled")?;
    let SlackClientError::RateLimitError(limit) = rejected else { anyhow::bail!("{rejected:?}") };
    assert_eq!(limit.code.as_deref(), Some("ratelimited"));
    assert!(limit.retry_after.is_some_and(|pause| !pause.is_zero()), "{limit:?}");
    Ok(())
}
