//! `/access-review`: who may do what where, as one streamed document.

use std::io;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::access_review_query::{ReviewFormat, ReviewQuery};
use super::copied;
use crate::domain::policy::ReviewedPerson;
use crate::http::csv::{self, CsvRecords};
use crate::http::extract::{Account, AccountQuery, Params, Read, Source};
use crate::http::problem::{Problem, ProblemKind, Problems};
use crate::http::state::AppState;
use crate::policies::{AccessReview, AccessReviewRow};
use crate::store::CountedEntry;
use crate::sync::CopyError;

/// Estimated size of a page, in bytes.
const PAGE_BYTES: usize = 1 << 20;

/// A document in CSV, for the OpenAPI document.
const CSV_EXAMPLE: &str = concat!(
    "user_id,email,name,username,title,department,status,user_type,last_activity_at,access_type,access_id,",
    "access_name,access_scope,workspace_id,workspace_name,channel_id,is_privileged,granted_at,granted_by_type,",
    "granted_by_id,granted_by_name,is_older_than_sync\r\n",
    "U0EXAMPLE,ada@example.com,Ada Lovelace,ada,Engineer,Engineering,active,member,2026-01-15T09:30:00Z,role,",
    "ws:admin,Workspace Admin,workspace,T0EXAMPLE,Sales,,true,2026-01-15T09:30:00Z,user,U0EXAMPLE,Grace Hopper,",
    "false\r\n",
);

/// A line of NDJSON, for the OpenAPI document.
const NDJSON_EXAMPLE: &str = concat!(
    r#"{"user_id":"U0EXAMPLE","email":"ada@example.com","name":"Ada Lovelace","username":"ada","title":"Engineer","#,
    r#""department":"Engineering","status":"active","user_type":"member","#,
    r#""last_activity_at":"2026-01-15T09:30:00Z","access_type":"role","access_id":"ws:admin","#,
    r#""access_name":"Workspace Admin","access_scope":"workspace","workspace_id":"T0EXAMPLE","#,
    r#""workspace_name":"Sales","channel_id":null,"is_privileged":true,"granted_at":"2026-01-15T09:30:00Z","#,
    r#""granted_by_type":"user","granted_by_id":"U0EXAMPLE","granted_by_name":"Grace Hopper","#,
    r#""is_older_than_sync":false}"#,
    "\n",
);

/// An access review in JSON.
#[derive(Debug, ToSchema)]
#[schema(as = AccessReview)]
#[expect(dead_code, reason = "describes the document, which is written row by row")]
struct ReviewDocument<'a> {
    /// The copy is at least as recent as this; with `as_of`, that time.
    #[schema(format = DateTime)]
    synced_at: String,
    /// The rows, in the order of the users' ids.
    result: Vec<AccessReviewRow<'a>>,
    /// Number of rows.
    #[schema(example = 1)]
    result_count: u64,
}

/// Export an access review
///
/// Returns who may do what where, since when, granted by whom, and who was last active when: one row for each role,
/// workspace and group of each user. A user without any access has one row without access, unless a filter selects
/// access. Reads the synced copy and costs no provider call. The response is one document without pages, of any length:
/// a document that is cut off is an incomplete one. In CSV (RFC 4180), a field that a spreadsheet would take for a
/// formula has a leading apostrophe.
#[utoipa::path(get, path = "/access-review", tag = "Policies", params(AccountQuery, ReviewQuery),
    responses((status = 200, description = "All rows", content(
        (ReviewDocument<'static> = "application/json"),
        (String = "application/x-ndjson", example = json!(NDJSON_EXAMPLE)),
        (String = "text/csv", example = json!(CSV_EXAMPLE)))), Problems))]
pub(in crate::http) async fn export_access_review(
    State(state): State<AppState>,
    account: Account<Read>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut params = Params::of(&uri);
    AccountQuery::take(&mut params)?;
    let query = ReviewQuery::take(&mut params, &headers)?;
    params.finish()?;
    let (format, as_of) = (query.format.unwrap_or_default(), query.as_of);
    let (review, now) = {
        let copy = account.copy(&state);
        let connector = state.registry.connector(account.provider());
        let review = AccessReview::begin(&copy, connector, query.filter(copy.now), as_of).await;
        (review.map_err(problem)?, copy.now)
    };
    record_export(&account, &state);
    let synced_at = review.synced_at();
    let mut document = Document { account, state, review, format, rows: 0, is_begun: false };
    // The first page is read before the response starts, so that an early error is an ordinary problem.
    let first = document.next_part().await?.unwrap_or_default();
    let rest = stream::unfold(Some(document), |document| async move {
        let mut document = document?;
        match document.next_part().await {
            Ok(Some(part)) => Some((Ok(part), Some(document))),
            Ok(None) => None,
            Err(problem) => {
                problem.log(document.account.request_id());
                // The end of the connection shows that the document is incomplete.
                Some((Err(io::Error::other("the access review could not be read")), None))
            }
        }
    });
    let parts = stream::iter([Ok(first)]).chain(rest);
    let mut response = Response::new(Body::from_stream(parts));
    let media_type = HeaderValue::from_static(match format {
        ReviewFormat::Json => "application/json",
        ReviewFormat::Ndjson => "application/x-ndjson",
        ReviewFormat::Csv => csv::MEDIA_TYPE,
    });
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    Ok(copied::with_age(response, synced_at, now))
}

/// Records the export in the audit log.
fn record_export(account: &Account<Read>, state: &AppState) {
    let caller = account.caller();
    state.uses.count_entry(&CountedEntry {
        environment_id: caller.environment_id,
        actor: &caller.key_id,
        action: "access_review.exported",
        reason: None,
        account_id: Some(account.id()),
        request_id: account.request_id(),
        status: 200,
    });
}

fn problem(error: CopyError) -> Problem {
    if let CopyError::NotSynced(resource) = error
        && resource != "users"
    {
        return Problem::new(
            ProblemKind::NotSynced,
            format!(
                "The account has no complete synced copy of {resource}, so the review would miss access. Copy them \
                 (`resources` of the sync settings), or select other access with `access_type`."
            ),
        );
    }
    copied::problem(error, Source::Synced)
}

/// A document while it is written.
struct Document {
    account: Account<Read>,
    state: AppState,
    review: AccessReview,
    format: ReviewFormat,
    /// The number of rows that were written.
    rows: u64,
    is_begun: bool,
}

impl Document {
    /// Returns the next part; `None` behind the end.
    async fn next_part(&mut self) -> Result<Option<Bytes>, Problem> {
        if self.is_begun && self.review.is_at_end() {
            return Ok(None);
        }
        let copy = self.account.copy(&self.state);
        let people = self.review.next_page(&copy).await.map_err(problem)?;
        let part = match self.format {
            ReviewFormat::Json => self.json(&people),
            ReviewFormat::Ndjson => self.lines(&people),
            ReviewFormat::Csv => self.records(&people),
        };
        self.is_begun = true;
        Ok(Some(part.ok_or_else(Problem::internal)?.into()))
    }

    fn json(&mut self, people: &[ReviewedPerson]) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(PAGE_BYTES);
        if !self.is_begun {
            let synced_at = serde_json::to_string(&Timestamp(self.review.synced_at())).ok()?;
            out.extend(format!("{{\"synced_at\":{synced_at},\"result\":[").into_bytes());
        }
        for row in people.iter().flat_map(|person| self.review.rows(person)) {
            if self.rows > 0 {
                out.push(b',');
            }
            serde_json::to_writer(&mut out, &row).ok()?;
            self.rows += 1;
        }
        if self.review.is_at_end() {
            out.extend(format!("],\"result_count\":{}}}", self.rows).into_bytes());
        }
        Some(out)
    }

    fn lines(&self, people: &[ReviewedPerson]) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(PAGE_BYTES);
        for row in people.iter().flat_map(|person| self.review.rows(person)) {
            serde_json::to_writer(&mut out, &row).ok()?;
            out.push(b'\n');
        }
        Some(out)
    }

    fn records(&self, people: &[ReviewedPerson]) -> Option<Vec<u8>> {
        let mut records = CsvRecords::with_capacity(PAGE_BYTES);
        if !self.is_begun {
            records.write(AccessReviewRow::COLUMNS.map(Into::into)).ok()?;
        }
        for row in people.iter().flat_map(|person| self.review.rows(person)) {
            records.write(row.texts()).ok()?;
        }
        records.into_bytes().ok()
    }
}

/// A time as in the API.
#[derive(Serialize)]
struct Timestamp(#[serde(with = "time::serde::rfc3339")] OffsetDateTime);
