//! The examples of the OpenAPI document: of each resource by hand, of each request and response composed from these.

use std::borrow::Cow;

use serde_json::{Map, Value, json};
use utoipa::ToSchema as _;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{Content, OpenApi, PathItem, RefOr};

use crate::domain::account::IntegratedAccount;
use crate::domain::api_key::ApiKey;
use crate::domain::assignment::RoleAssignment;
use crate::domain::audit::AuditRow;
use crate::domain::event::Event;
use crate::domain::group::Group;
use crate::domain::ids::{
    AccountTokenId, ApiKeyId, AuditId, DeliveryId, EnvironmentId, EventId, IntegratedAccountId,
    JobId, LinkTokenId, MappingId, PolicyId, PortalLinkId, ProviderAppId, ReconciliationId,
    ReplayId, RuleSetId, SyncRunId, ViolationId, WebhookId,
};
use crate::domain::job::Job;
use crate::domain::mapping::Mapping;
use crate::domain::me::Me;
use crate::domain::role::Role;
use crate::domain::sync::SyncSettings;
use crate::domain::sync_run::SyncRun;
use crate::domain::user::{ResourceRef, User};
use crate::domain::workspace::Workspace;

/// Examples by name of the resource.
const RESOURCES: &str = include_str!("examples.json");
/// The body of a random part of an id: the ULID of `2024-09-26T08:43:52Z`.
const ULID: &str = "01J8ZQ5V9Y3M7T2K4N6P8R0S1T";
const DATE_TIME: &str = "2026-01-15T09:30:00Z";
/// Schemas nested deeper than this get no example.
const MAX_DEPTH: usize = 16;

/// Adds an example to each resource, and to the content of each request and each successful response.
pub(super) fn describe_examples(document: &mut OpenApi) {
    let mut texts: Map<String, Value> = serde_json::from_str(RESOURCES).unwrap_or_default();
    let failed_step = texts.remove("FailedStep").unwrap_or_default();
    let resources = resources().into_iter();
    let resources = resources.filter_map(|(name, key)| Some((name, texts.remove(key)?)));
    let schemas = &mut document.components.get_or_insert_default().schemas;
    for (name, example) in resources.chain(ids()) {
        if let Some(RefOr::T(Schema::Object(schema))) = schemas.get_mut(&*name) {
            schema.example = Some(example);
        }
    }
    let tree = serde_json::to_value(&*document).unwrap_or_default();
    for (path, item) in &mut document.paths.paths {
        let PathItem { get, post, patch, delete, .. } = item;
        for operation in [get, post, patch, delete].into_iter().flatten() {
            describe_operation(operation, &tree, &failed_step);
            describe_path_parameters(path, operation, &tree);
        }
    }
}

/// Sets the example of each id of the provider in a path: the id of the resource that the segment before it names.
fn describe_path_parameters(path: &str, operation: &mut Operation, document: &Value) {
    for parameter in operation.parameters.iter_mut().flatten() {
        let RefOr::T(parameter) = parameter else { continue };
        let is_text = matches!(parameter.schema, Some(RefOr::T(_)));
        if parameter.parameter_in != ParameterIn::Path || !is_text {
            continue;
        }
        let before = path.split(&format!("/{{{}}}", parameter.name)).next().unwrap_or_default();
        let resource = match before.rsplit('/').next().unwrap_or_default() {
            "users" | "members" => User::name(),
            "roles" => Role::name(),
            "role-assignments" => RoleAssignment::name(),
            "workspaces" => Workspace::name(),
            "groups" => Group::name(),
            _ => continue,
        };
        let id = document.pointer(&format!("/components/schemas/{resource}/example/id"));
        if let Some(id) = id {
            let described = ParameterBuilder::from(parameter.clone()).example(Some(id.clone()));
            *parameter = described.build();
        }
    }
}

/// Returns the schemas of the directory's resources, each with its key in the file.
fn resources() -> [(Cow<'static, str>, &'static str); 15] {
    [
        (User::name(), "User"),
        (ResourceRef::name(), "ResourceRef"),
        (Role::name(), "Role"),
        (RoleAssignment::name(), "RoleAssignment"),
        (Workspace::name(), "Workspace"),
        (Group::name(), "Group"),
        (Me::name(), "Me"),
        (IntegratedAccount::name(), "IntegratedAccount"),
        (Mapping::name(), "Mapping"),
        (SyncRun::name(), "SyncRun"),
        (SyncSettings::name(), "SyncSettings"),
        (Job::name(), "Job"),
        (Event::name(), "Event"),
        (AuditRow::name(), "AuditEntry"),
        (ApiKey::name(), "ApiKey"),
    ]
}

/// Returns the schemas of the gateway's ids, each with an example.
fn ids() -> impl Iterator<Item = (Cow<'static, str>, Value)> {
    let names = [
        (AccountTokenId::name(), "atk"),
        (ApiKeyId::name(), "key"),
        (AuditId::name(), "aud"),
        (DeliveryId::name(), "dlv"),
        (EnvironmentId::name(), "env"),
        (EventId::name(), "evt"),
        (IntegratedAccountId::name(), "acc"),
        (JobId::name(), "job"),
        (LinkTokenId::name(), "lnk"),
        (MappingId::name(), "map"),
        (PolicyId::name(), "pol"),
        (PortalLinkId::name(), "plk"),
        (ProviderAppId::name(), "app"),
        (ReplayId::name(), "rpl"),
        (SyncRunId::name(), "syn"),
        (ViolationId::name(), "vio"),
        (ReconciliationId::name(), "rec"),
        (RuleSetId::name(), "rls"),
        (WebhookId::name(), "whk"),
    ];
    names.into_iter().map(|(name, prefix)| (name, format!("{prefix}_{ULID}").into()))
}

fn describe_operation(operation: &mut Operation, document: &Value, failed_step: &Value) {
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        for content in inline(body.content.values_mut()) {
            content.example = example_of(content, document);
        }
    }
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        if !status.starts_with('2') {
            continue;
        }
        for content in inline(response.content.values_mut()) {
            let mut example = example_of(content, document);
            // 207 Multi-Status: at least one step failed.
            let steps = example.as_mut().and_then(|example| example.get_mut("parts"));
            if let Some(Value::Array(steps)) = steps.filter(|_| status == "207") {
                steps.push(failed_step.clone());
            }
            content.example = example;
        }
    }
}

/// Returns the contents that are not references.
fn inline<'c>(
    contents: impl Iterator<Item = &'c mut RefOr<Content>>,
) -> impl Iterator<Item = &'c mut Content> {
    contents.filter_map(|content| match content {
        RefOr::T(content) => Some(content),
        RefOr::Ref(_) => None,
    })
}

/// Returns the example of a content: its own, or one composed from its schema.
fn example_of(content: &Content, document: &Value) -> Option<Value> {
    if content.example.is_some() {
        return content.example.clone();
    }
    let schema = serde_json::to_value(content.schema.as_ref()?).ok()?;
    compose(document, &schema, 0)
}

/// Composes an example of a schema from the examples inside of it. `None` where the schema does not determine one.
fn compose(document: &Value, schema: &Value, depth: usize) -> Option<Value> {
    if depth > MAX_DEPTH {
        return None;
    }
    if let Some(example) = schema.get("example") {
        return Some(example.clone());
    }
    let compose = |schema: &Value| compose(document, schema, depth + 1);
    if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
        return compose(document.pointer(target.strip_prefix('#')?)?);
    }
    if let Some(all) = schema.get("allOf").and_then(Value::as_array) {
        let fields = all.iter().filter_map(|one| match compose(one)? {
            Value::Object(fields) => Some(fields),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => None,
        });
        return Some(Value::Object(fields.flatten().collect()));
    }
    if let Some(some) = schema.get("oneOf").and_then(Value::as_array) {
        return some.iter().filter(|one| !is_null(one)).find_map(compose);
    }
    if let Some(default) = schema.get("default") {
        return Some(default.clone());
    }
    match schema.get("type")? {
        // Nullable types without an example.
        Value::Array(_) => Some(Value::Null),
        Value::String(kind) => match kind.as_str() {
            "object" => Some(object(schema, compose)),
            "array" => Some(schema.get("items").and_then(compose).into_iter().collect()),
            "boolean" => Some(false.into()),
            "integer" | "number" => Some(schema.get("minimum").cloned().unwrap_or(json!(1))),
            "string" => Some(string(schema)),
            _ => None,
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

/// Composes an object. Fields that may be null are null, unless they are required or have an example; other optional
/// fields are omitted.
fn object(schema: &Value, compose: impl Fn(&Value) -> Option<Value>) -> Value {
    let required = schema.get("required").and_then(Value::as_array);
    let is_required =
        |name: &str| required.is_some_and(|all| all.iter().any(|one| one.as_str() == Some(name)));
    let fields = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    let value = |name: &str, field: &Value| {
        if is_required(name) || field.get("example").is_some() {
            return compose(field);
        }
        is_nullable(field).then_some(Value::Null)
    };
    fields.filter_map(|(name, field)| Some((name.clone(), value(name, field)?))).collect()
}

fn is_nullable(schema: &Value) -> bool {
    let mut variants = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    schema.get("type").is_some_and(Value::is_array) || variants.any(is_null)
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").is_some_and(|kind| kind == "null")
}

fn string(schema: &Value) -> Value {
    if let Some(first) = schema.pointer("/enum/0") {
        return first.clone();
    }
    let is_date_time = schema.get("format").is_some_and(|format| format == "date-time");
    if is_date_time { DATE_TIME.into() } else { "…".into() }
}
