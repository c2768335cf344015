//! `POST /reconciliations`: requests the plan of a reconciliation, from a desired state or a rule set.

use axum::Json;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::copied::check_copy;
use super::desired_input::{BodyFormat, People, Staging, match_by};
use super::integrated_accounts::find as find_account;
use super::reconciliation_view::ReconciliationView;
use super::reconciliations::find;
use super::response::{EnvelopeSchema, ItemResponse};
use super::rule_sets;
use super::syncs::{enabled_settings, requested_account};
use crate::domain::ids::{IntegratedAccountId, JobId, ReconciliationId, RuleSetId};
use crate::domain::patch::ValidationError;
use crate::domain::reconciliation::{
    Approval, MatchBy, NewWorkspace, OwnershipMode, ReconciliationGuards, ReconciliationOptions,
    RuleSet, Scope,
};
use crate::domain::strict_json::parse_strict;
use crate::http::extract::{Access, JsonBody, Params, Write, invalid_parameter};
use crate::http::problem::{Problem, ProblemKind, Problems};
use crate::http::state::AppState;
use crate::reconcile::RowReport;
use crate::store::NewReconciliation;

type ReconciliationResponse = EnvelopeSchema<ItemResponse<ReconciliationView>>;

/// Maximum of `max_errors`.
const MAX_MAX_ERRORS: u32 = 100_000;
/// Maximum number of entries of a scope, and of workspaces that are to exist.
const MAX_ENTRIES: usize = 1_000;
/// Maximum length of the name of a workspace or of a desired state, in characters.
const MAX_NAME_CHARS: usize = 200;

/// People and workspaces that are to exist.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct DesiredState {
    /// The field by which people are matched with those of the directory; by default `email`.
    match_by: Option<MatchBy>,
    /// Workspaces that are to exist. Those that exist by name are not changed.
    #[serde(default)]
    #[schema(max_items = 1000)]
    workspaces: Vec<NewWorkspace>,
    /// People: the fields of a user's creation, of which only those that are present are compared, and what they are to
    /// have: `workspaces` and `groups` by ids or names, `roles` with `id` and `workspace_id`.
    #[schema(value_type = Vec<Object>, example = json!([{"email": "ada@example.com", "department": "Sales",
        "workspaces": ["T0EXAMPLE"], "roles": [{"id": "ws:admin", "workspace_id": "T0EXAMPLE"}]}]))]
    users: Vec<Map<String, Value>>,
}

/// Request body for a reconciliation: either `desired` or `rule_set_id`.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!({"integrated_account_id": "acc_01J8ZQ5V9Y3M7T2K4N6P8R0S1T",
    "desired": {"users": [{"email": "ada@example.com", "department": "Sales", "workspaces": ["T0EXAMPLE"]}]}}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct CreateReconciliationRequest {
    /// Account id; required unless the header `X-Integrated-Account-Id` or an account token names the account.
    integrated_account_id: Option<IntegratedAccountId>,
    /// The desired state.
    desired: Option<DesiredState>,
    /// The rule set that gives the desired state of everybody in the directory.
    rule_set_id: Option<RuleSetId>,
    /// What the desired state is called, for people: the name of its file.
    #[schema(max_length = 200)]
    name: Option<String>,
    /// The field by which people are matched with those of the directory; by default `email`.
    match_by: Option<MatchBy>,
    /// Whether people who are not desired in the workspaces, roles and groups that the desired state names are removed
    /// from them (`authoritative`) or not (`additive`); by default that of the rule set, otherwise `additive`.
    mode: Option<OwnershipMode>,
    /// The modes of single workspaces, roles and groups.
    scope: Option<Scope>,
    /// Whether people who are not in the desired state are deactivated; by default `false`.
    prune: Option<bool>,
    /// What the plan must not do; by default that of the rule set.
    guards: Option<ReconciliationGuards>,
    /// Whether people who can't be read are left out; by default `false`: then there is no plan.
    skip_bad_rows: Option<bool>,
    /// After how many failed steps applying stops; by default 10.
    #[schema(minimum = 1, maximum = 100_000)]
    max_errors: Option<u32>,
    /// `if_no_removals`: the plan is applied as soon as it is made, if it has no removals.
    approve: Option<Approval>,
}

/// Options of an upload, which has the people alone.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "documents the parameters; they are parsed one by one")]
pub(in crate::http) struct UploadQuery {
    /// Account of an upload. The header `X-Integrated-Account-Id` is equivalent.
    #[param(value_type = Option<String>)]
    integrated_account_id: Option<IntegratedAccountId>,
    /// As in the JSON body, for an upload.
    name: Option<String>,
    /// As in the JSON body, for an upload.
    match_by: Option<MatchBy>,
    /// As in the JSON body, for an upload.
    mode: Option<OwnershipMode>,
    /// As in the JSON body, for an upload: JSON text.
    scope: Option<String>,
    /// As in the JSON body, for an upload.
    prune: Option<bool>,
    /// As in the JSON body, for an upload: JSON text.
    guards: Option<String>,
    /// As in the JSON body, for an upload.
    skip_bad_rows: Option<bool>,
    /// As in the JSON body, for an upload.
    max_errors: Option<u32>,
    /// As in the JSON body, for an upload.
    approve: Option<Approval>,
    /// As `desired.workspaces` in the JSON body, for an upload: JSON text.
    workspaces: Option<String>,
}

/// What is requested.
struct Requested {
    request: CreateReconciliationRequest,
    workspaces: Vec<NewWorkspace>,
    people: Option<People>,
    /// Whether the options are query parameters.
    is_upload: bool,
}

impl Requested {
    async fn read(request: Request, state: &AppState) -> Result<Self, Problem> {
        let mut params = Params::of(request.uri());
        match BodyFormat::of(request.headers())? {
            BodyFormat::Json => {
                params.finish()?;
                let JsonBody(mut request) =
                    JsonBody::<CreateReconciliationRequest>::from_request(request, state).await?;
                let desired = request.desired.take();
                let in_desired = desired.as_ref().and_then(|desired| desired.match_by);
                request.match_by = Some(match_by(request.match_by, in_desired)?);
                let (workspaces, people) = match desired {
                    None => (Vec::new(), None),
                    Some(DesiredState { workspaces, users, .. }) => {
                        (workspaces, Some(People::Listed(users)))
                    }
                };
                Ok(Self { request, workspaces, people, is_upload: false })
            }
            BodyFormat::Rows(format) => {
                let (options, workspaces) = take_options(&mut params)?;
                params.finish()?;
                let people = Some(People::Uploaded(format, request.into_body()));
                Ok(Self { request: options, workspaces, people, is_upload: true })
            }
        }
    }

    /// Returns the options; those that are not named are those of the rule set.
    fn options(&self, rule_set: Option<&RuleSet>) -> Result<ReconciliationOptions, Problem> {
        let request = &self.request;
        let default = ReconciliationOptions::default();
        let scope = request.scope.clone().unwrap_or_default();
        let mode = request.mode.or(rule_set.map(|set| set.mode)).unwrap_or_default();
        let options = ReconciliationOptions {
            name: request.name.clone(),
            match_by: request.match_by.unwrap_or_default(),
            mode,
            scope,
            prune: request.prune.unwrap_or_default(),
            skip_bad_rows: request.skip_bad_rows.unwrap_or_default(),
            guards: guards(request.guards.as_ref(), rule_set.map(|set| &set.guards)),
            max_errors: request.max_errors.unwrap_or(default.max_errors),
            approve: request.approve,
            only_users: None,
        };
        let errors = self.errors(&options);
        if errors.is_empty() {
            return Ok(options);
        }
        if !self.is_upload {
            return Err(Problem::invalid(errors));
        }
        let problem = Problem::new(ProblemKind::InvalidQuery, "A query parameter is invalid.");
        Err(errors.into_iter().fold(problem, |problem, error| {
            problem.with_error(error.pointer.trim_start_matches('/'), error.message)
        }))
    }

    fn errors(&self, options: &ReconciliationOptions) -> Vec<ValidationError> {
        let mut errors = Vec::new();
        let rule_set_id = self.request.rule_set_id;
        if self.people.is_some() == rule_set_id.is_some() {
            let message = "send either `desired` or `rule_set_id`";
            errors.push(ValidationError::at("/desired", message));
        }
        let chars = options.name.as_ref().map(|name| name.chars().count());
        if chars.is_some_and(|chars| !(1..=MAX_NAME_CHARS).contains(&chars)) {
            let message = format!("must have 1 to {MAX_NAME_CHARS} characters");
            errors.push(ValidationError::at("/name", message));
        }
        if rule_set_id.is_some() && options.prune {
            let message =
                "is not allowed with a rule set: its rules are about everybody in the directory";
            errors.push(ValidationError::at("/prune", message));
        }
        if !(1..=MAX_MAX_ERRORS).contains(&options.max_errors) {
            let message = format!("must be between 1 and {MAX_MAX_ERRORS}");
            errors.push(ValidationError::at("/max_errors", message));
        }
        if options.approve == Some(Approval::WithinGuards) {
            let message = "must be `if_no_removals`: other plans are applied with their hash";
            errors.push(ValidationError::at("/approve", message));
        }
        errors.extend(options.guards.validate("/guards"));
        if options.scope.len() > MAX_ENTRIES {
            let message = format!("must have at most {MAX_ENTRIES} entries");
            errors.push(ValidationError::at("/scope", message));
        }
        let pointer = if self.is_upload { "/workspaces" } else { "/desired/workspaces" };
        errors.extend(workspace_errors(&self.workspaces, pointer));
        errors
    }
}

/// Returns the guards of a request, otherwise those of the rule set, whose protected people stay protected.
fn guards(
    requested: Option<&ReconciliationGuards>,
    of_rule_set: Option<&ReconciliationGuards>,
) -> ReconciliationGuards {
    let mut guards = requested.or(of_rule_set).cloned().unwrap_or_default();
    if requested.is_some() {
        guards.protected.extend(of_rule_set.iter().flat_map(|set| set.protected.iter().cloned()));
        guards.protected.sort_unstable();
        guards.protected.dedup();
    }
    guards
}

fn workspace_errors(workspaces: &[NewWorkspace], pointer: &str) -> Vec<ValidationError> {
    let mut errors = Vec::new();
    if workspaces.len() > MAX_ENTRIES {
        let message = format!("must have at most {MAX_ENTRIES} entries");
        errors.push(ValidationError::at(pointer, message));
    }
    for (index, workspace) in workspaces.iter().enumerate() {
        let at = |message: String| ValidationError::at(format!("{pointer}/{index}/name"), message);
        let chars = workspace.name.chars().count();
        if workspace.name.trim().is_empty() || chars > MAX_NAME_CHARS {
            errors.push(at(format!("must have 1 to {MAX_NAME_CHARS} characters")));
        }
        let mut before = workspaces.iter().take(index);
        if before.any(|other| other.name == workspace.name) {
            errors.push(at("occurs more than once".to_owned()));
        }
    }
    errors
}

/// Takes the options of an upload.
fn take_options(
    params: &mut Params,
) -> Result<(CreateReconciliationRequest, Vec<NewWorkspace>), Problem> {
    let request = CreateReconciliationRequest {
        integrated_account_id: params.parse("integrated_account_id")?,
        desired: None,
        rule_set_id: None,
        name: params.take("name")?,
        match_by: params.parse("match_by")?,
        mode: params.parse("mode")?,
        scope: take_json(params, "scope")?,
        prune: params.parse("prune")?,
        guards: take_json(params, "guards")?,
        skip_bad_rows: params.parse("skip_bad_rows")?,
        max_errors: params.parse("max_errors")?,
        approve: params.parse("approve")?,
    };
    Ok((request, take_json(params, "workspaces")?.unwrap_or_default()))
}

fn take_json<T: DeserializeOwned>(params: &mut Params, name: &str) -> Result<Option<T>, Problem> {
    let Some(text) = params.take(name)? else { return Ok(None) };
    let mut json = serde_json::Deserializer::from_str(&text);
    let value = parse_strict(&mut json).and_then(|value| {
        json.end().map(|()| value).map_err(|error| (String::new(), error.to_string()))
    });
    value.map(Some).map_err(|(pointer, message)| {
        invalid_parameter(name, format!("must be JSON text; {pointer} {message}"))
    })
}

/// Plan a reconciliation
///
/// Makes a plan: the steps that lead from the synced copy of a directory to the desired state. Nothing is changed before
/// the plan is applied with `POST /reconciliations/{id}/apply`.
///
/// The desired state is in the JSON body, follows from a rule set, or is uploaded as CSV or NDJSON (up to 100,000 people)
/// with the options as query parameters. People are compared by the fields that are present. CSV needs a header row with
/// names of fields (`email`, `manager.id`, `custom_fields.NAME`); lists (`workspaces`, `roles`, `groups`, `channel_ids`)
/// are separated by `;`, a role is `ID` or `ID@WORKSPACE`, an empty cell leaves the field as it is, `null` clears it.
#[utoipa::path(post, path = "/reconciliations", tag = "Reconciliations", params(UploadQuery),
    request_body(content(
        (CreateReconciliationRequest = "application/json"),
        (String = "text/csv", example = "email,department,workspaces\nada@example.com,Sales,T0EXAMPLE\n"),
        (String = "application/x-ndjson", example = "{\"email\": \"ada@example.com\", \"department\": \"Sales\"}\n"),
    )),
    responses((status = 202, description = "The reconciliation; its plan is being made", body = ReconciliationResponse),
        Problems))]
pub(in crate::http) async fn create_reconciliation(
    State(state): State<AppState>,
    access: Access<Write>,
    request: Request,
) -> Result<(StatusCode, Json<ItemResponse<ReconciliationView>>), Problem> {
    let headers = request.headers().clone();
    let requested = Requested::read(request, &state).await?;
    let in_request = requested.request.integrated_account_id;
    let account_id = requested_account(&access, &headers, in_request)?;
    enabled_settings(&access, account_id).await?;
    let account = find_account(&access, &account_id.text()).await?;
    check_copy(&state, &access, &account, None).await?;
    let rule_set = rule_set(&access, account_id, requested.request.rule_set_id).await?;
    let options = requested.options(rule_set.as_ref())?;
    let id = ReconciliationId::generate(&*state.clock, &*state.entropy);
    let staging = Staging { state: &state, access: &access, account_id, id, options: &options };
    let report = match requested.people {
        Some(people) => staging.stage(people).await?,
        None => RowReport::default(),
    };
    let new = NewReconciliation {
        id,
        job_id: JobId::generate(&*state.clock, &*state.entropy),
        account_id,
        options: &options,
        rule_set_id: rule_set.map(|set| set.id),
        inverse_of: None,
        new_workspaces: &requested.workspaces,
        desired_users: report.rows,
        row_errors: &report.errors,
        created_by: &access.caller.key_id,
    };
    let subject = id.text();
    let entry =
        access.audit_entry(&state, "reconciliation.requested", (Some(account_id), Some(&subject)));
    access.db.insert_reconciliation(&new, state.clock.now(), Some(&entry)).await?;
    let created = find(&access, &state, &subject).await?;
    let view = ReconciliationView::of(created, state.clock.now());
    Ok((StatusCode::ACCEPTED, Json(ItemResponse::of(view))))
}

/// Returns the rule set that a request names; it must be one of the account.
async fn rule_set(
    access: &Access<Write>,
    account_id: IntegratedAccountId,
    id: Option<RuleSetId>,
) -> Result<Option<RuleSet>, Problem> {
    let Some(id) = id else { return Ok(None) };
    let found = access.db.rule_set(id).await?;
    let found = found.filter(|set| set.integrated_account_id == account_id);
    let errors = || vec![ValidationError::at("/rule_set_id", rule_sets::UNKNOWN)];
    found.map(Some).ok_or_else(|| Problem::invalid(errors()))
}
