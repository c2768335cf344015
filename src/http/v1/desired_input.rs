//! Receives the desired state of a request: people in a JSON body, or an upload as CSV or NDJSON that is stored while it
//! arrives.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::domain::ids::{IntegratedAccountId, ReconciliationId};
use crate::domain::patch::ValidationError;
use crate::domain::reconciliation::{MatchBy, ReconciliationOptions, RowError};
use crate::http::extract::{Access, Write, incomplete_body, reserve_memory};
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::AppState;
use crate::reconcile::{DesiredRows, RowFormat, RowReport};
use crate::store::{RunningQuery, StagedRow, StoreError, TenantDb};

/// The memory of an upload: the digests of the keys, and the rows that are stored next.
const UPLOAD_MEMORY_BYTES: usize = 12 * 1024 * 1024;
/// How much of an upload is read before rows are stored.
const PIECE_BYTES: usize = 65_536;
/// The size of the rows that are read before they are stored, in bytes.
const STAGED_BYTES: usize = 512 * 1024;
/// Maximum number of rows that one statement stores.
const STAGED_ROWS: usize = 2_000;

/// What the body of a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyFormat {
    /// A JSON object.
    Json,
    /// Rows.
    Rows(RowFormat),
}

impl BodyFormat {
    /// Returns the format that the request declares.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let declared = headers.get(header::CONTENT_TYPE);
        let declared = declared.map(|kind| kind.to_str().unwrap_or_default()).unwrap_or_default();
        let mut parts = declared.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let is_utf8 = |value: &str| value.trim_matches('"').eq_ignore_ascii_case("utf-8");
        let format = match kind.as_str() {
            "text/csv" => Self::Rows(RowFormat::Csv),
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" => {
                Self::Rows(RowFormat::Ndjson)
            }
            // Checked with the body.
            _ if kind == "application/json" || kind.ends_with("+json") => return Ok(Self::Json),
            _ => {
                return Err(unsupported(
                    "must be application/json, text/csv or application/x-ndjson",
                ));
            }
        };
        let charset = parts.find_map(|part| part.strip_prefix("charset="));
        if charset.is_some_and(|charset| !is_utf8(charset)) {
            return Err(unsupported("must have the charset utf-8"));
        }
        Ok(format)
    }
}

fn unsupported(message: &str) -> Problem {
    let detail = "Send a desired state as JSON (`application/json`), as CSV (`text/csv`) or as a JSON object in each \
                  line (`application/x-ndjson`), in UTF-8.";
    Problem::new(ProblemKind::UnsupportedMediaType, detail).with_error("Content-Type", message)
}

/// Stores the people of one reconciliation.
pub(super) struct Staging<'a> {
    pub(super) state: &'a AppState,
    pub(super) access: &'a Access<Write>,
    pub(super) account_id: IntegratedAccountId,
    pub(super) id: ReconciliationId,
    pub(super) options: &'a ReconciliationOptions,
}

/// Where the people of a desired state are in a request.
pub(super) enum People {
    /// In the list `desired.users`.
    Listed(Vec<Map<String, Value>>),
    /// In an upload.
    Uploaded(RowFormat, Body),
}

/// Waits until rows are stored.
async fn finished(storing: &mut Option<RunningQuery<()>>) -> Result<(), StoreError> {
    match storing.take() {
        Some(storing) => storing.result().await,
        None => Ok(()),
    }
}

async fn store(
    db: &TenantDb,
    (account_id, id): (IntegratedAccountId, ReconciliationId),
    rows: &[StagedRow],
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    for rows in rows.chunks(STAGED_ROWS) {
        db.stage_rows(account_id, id, rows, now).await?;
    }
    Ok(())
}

impl Staging<'_> {
    /// Stores the people. Nothing stays stored when some of them can't be used and must not be left out.
    pub(super) async fn stage(&self, people: People) -> Result<RowReport, Problem> {
        let pointer = match &people {
            People::Listed(_) => Some("/desired/users"),
            People::Uploaded(..) => None,
        };
        let staged = match people {
            People::Listed(people) => self.stage_list(people).await,
            People::Uploaded(format, body) => self.stage_upload(format, body).await,
        };
        let checked = staged.and_then(|report| match refusal(&report, self.options, pointer) {
            None => Ok(report),
            Some(problem) => Err(problem),
        });
        if checked.is_err() {
            self.access.db.drop_rows(self.account_id, self.id).await?;
        }
        checked
    }

    async fn stage_list(&self, people: Vec<Map<String, Value>>) -> Result<RowReport, Problem> {
        let (rows, report) = DesiredRows::of_list(people, self.options.match_by);
        let now = self.state.clock.now();
        store(&self.access.db, (self.account_id, self.id), &rows, now).await?;
        Ok(report)
    }

    async fn stage_upload(&self, format: RowFormat, body: Body) -> Result<RowReport, Problem> {
        reserve_memory(self.state, self.access.request(), UPLOAD_MEMORY_BYTES)?;
        let mut storing = None;
        let received = self.receive(format, body, &mut storing).await;
        let stored = finished(&mut storing).await;
        let report = received?;
        stored?;
        Ok(report)
    }

    /// Receives an upload, and stores its rows while the next ones arrive.
    async fn receive(
        &self,
        format: RowFormat,
        mut body: Body,
        storing: &mut Option<RunningQuery<()>>,
    ) -> Result<RowReport, Problem> {
        let mut rows = DesiredRows::new(format, self.options.match_by);
        let until = Instant::now() + self.state.upload_timeout;
        let mut received = 0;
        while let Some(bytes) = self.next_bytes(&mut body, until).await? {
            received += bytes.len();
            if received > self.state.max_upload_bytes {
                return Err(self.too_large());
            }
            for piece in bytes.chunks(PIECE_BYTES) {
                rows.push(piece);
                if rows.pending_rows() >= STAGED_ROWS || rows.pending_bytes() >= STAGED_BYTES {
                    self.begin_to_store(rows.take(), storing).await?;
                }
            }
        }
        rows.finish();
        self.begin_to_store(rows.take(), storing).await?;
        Ok(rows.into_report())
    }

    /// Begins to store rows, when those before are stored.
    async fn begin_to_store(
        &self,
        rows: Vec<StagedRow>,
        storing: &mut Option<RunningQuery<()>>,
    ) -> Result<(), StoreError> {
        finished(storing).await?;
        let (db, account_id, id) = (self.access.db.clone(), self.account_id, self.id);
        let now = self.state.clock.now();
        let store = async move { store(&db, (account_id, id), &rows, now).await };
        *storing = Some(RunningQuery::start(store).await);
        Ok(())
    }

    /// Receives the next bytes; `None` at the end.
    async fn next_bytes(&self, body: &mut Body, until: Instant) -> Result<Option<Bytes>, Problem> {
        let pause = until.min(Instant::now() + self.state.body_timeout);
        let frame = tokio::time::timeout_at(pause, body.frame()).await;
        let frame = frame.map_err(|_| self.too_slow(pause < until))?;
        let frame = frame.transpose().map_err(|_| incomplete_body())?;
        // Trailers are of no interest.
        Ok(frame.map(|frame| frame.into_data().unwrap_or_default()))
    }

    fn too_large(&self) -> Problem {
        let max = self.state.max_upload_bytes;
        let detail = format!(
            "The upload must not exceed {max} bytes. The operator sets the limit as `server.max_upload_bytes`."
        );
        Problem::new(ProblemKind::BodyTooLarge, detail)
    }

    fn too_slow(&self, is_pause: bool) -> Problem {
        let (time, what): (Duration, &str) = if is_pause {
            (self.state.body_timeout, "The upload paused for more than")
        } else {
            (self.state.upload_timeout, "The upload was not received within")
        };
        let detail = format!("{what} {} s.", time.as_secs_f64());
        Problem::new(ProblemKind::RequestTimeout, detail)
    }
}

/// Returns why no plan is made of rows; `pointer` is the place of their list.
fn refusal(
    report: &RowReport,
    options: &ReconciliationOptions,
    pointer: Option<&str>,
) -> Option<Problem> {
    let RowReport { rows, bad_rows, errors, is_unusable } = report;
    let detail = if *is_unusable {
        "The desired state can't be read.".to_owned()
    } else if *bad_rows == 0 && *rows == 0 && options.removes_absent() {
        "The desired state has no people: with `prune` or the mode `authoritative`, everybody would lose access."
            .to_owned()
    } else if *bad_rows == 0 {
        return None;
    } else if !options.skip_bad_rows {
        format!(
            "{bad_rows} of {} rows can't be used. Correct them, or leave them out with `skip_bad_rows`.",
            rows + bad_rows
        )
    } else if options.removes_absent() {
        format!(
            "{bad_rows} of {} rows can't be used. They can't be left out with `prune` or the mode `authoritative`: \
             the people in them would lose access.",
            rows + bad_rows
        )
    } else {
        return None;
    };
    let detail = format!("{detail} No plan was made.");
    let problem = Problem::new(ProblemKind::InvalidDesiredState, detail);
    Some(errors.iter().fold(problem, |problem, error| {
        let RowError { row, column, message } = error;
        let column = column.as_deref().unwrap_or_default();
        let place = match pointer {
            Some(list) if column.is_empty() => format!("{list}/{}", row - 1),
            Some(list) => format!("{list}/{}/{}", row - 1, column.replace('.', "/")),
            None => column.to_owned(),
        };
        problem.with_row_error(*row, place, message)
    }))
}

/// Returns the fields by which people are matched that two places of a request name.
pub(super) fn match_by(one: Option<MatchBy>, other: Option<MatchBy>) -> Result<MatchBy, Problem> {
    if one.zip(other).is_some_and(|(one, other)| one != other) {
        let errors = ValidationError::conflict("/match_by", "/desired/match_by");
        return Err(Problem::invalid(errors.into()));
    }
    Ok(one.or(other).unwrap_or_default())
}
