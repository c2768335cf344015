//! Changes one resource: reads it, sends what differs in the form that the server accepts and applies, and starts again
//! when another change came in between.

use http::Method;
use serde_json::Value;

use super::ScimConnector;
use super::api::SuccessResponse;
use super::attribute::{AttributePath, Resource};
use super::attribute_change::{AttributeChange, pending, replacement};
use super::features::{ResourceFeatures, ScimFeatures};
use super::ignored_changes::ignored_changes;
use super::patch::{ChangeForm, operations_with_paths, operations_with_values, patch_body};
use super::rejection::{Rejection, rejection};
use crate::connectors::parse::parse;
use crate::connectors::{CallContext, ConnectorError, ErrorKind, ReadBack};
use crate::domain::patch::WriteOutcome;

/// Maximum number of times that a resource is read again because its version changed.
const MAX_REREADS: u32 = 3;
/// What to do about a resource that is changed all the time.
const CHANGED_MEANWHILE: &str =
    "The resource was changed by others while it was being changed. Repeat the request.";

/// A resource to change.
#[derive(Debug, Clone, Copy)]
pub(super) struct WriteTarget<'a> {
    /// The names of the calls.
    pub(super) methods: &'static WriteMethods,
    /// What the server announced.
    pub(super) features: &'a ScimFeatures,
    /// What the server announced about the resource type.
    pub(super) resource: &'a ResourceFeatures,
    /// The id.
    pub(super) id: &'a str,
}

/// The names of the calls of a resource type.
#[derive(Debug)]
pub(super) struct WriteMethods {
    /// Read one.
    pub(super) get: &'static str,
    /// Create.
    pub(super) post: &'static str,
    /// Change parts.
    pub(super) patch: &'static str,
    /// Replace.
    pub(super) put: &'static str,
    /// Delete.
    pub(super) delete: &'static str,
}

/// The calls of users.
pub(super) const USERS: WriteMethods = WriteMethods {
    get: "scim.users.get",
    post: "scim.users.post",
    patch: "scim.users.patch",
    put: "scim.users.put",
    delete: "scim.users.delete",
};

/// The calls of groups.
pub(super) const GROUPS: WriteMethods = WriteMethods {
    get: "scim.groups.get",
    post: "scim.groups.post",
    patch: "scim.groups.patch",
    put: "scim.groups.put",
    delete: "scim.groups.delete",
};

/// What a change does to a resource as read.
#[derive(Debug, Default)]
pub(super) struct ChangePlan {
    /// The new values.
    pub(super) changes: Vec<AttributeChange>,
    /// PATCH operations of the caller, sent unchanged.
    pub(super) operations: Vec<Value>,
}

/// A resource as read.
#[derive(Debug)]
pub(super) struct CurrentResource {
    /// The resource.
    pub(super) body: Resource,
    /// Its version.
    pub(super) etag: Option<String>,
}

/// A completed change.
#[derive(Debug)]
pub(super) struct Changed {
    /// The outcome.
    pub(super) outcome: WriteOutcome,
    /// The resource before the change.
    pub(super) before: Resource,
}

/// How a change is sent at present.
struct Attempt {
    form: ChangeForm,
    /// Whether the version is sent with every form.
    is_conditional: bool,
    /// Whether the server rejects each version as outdated: it is not sent any more, unless it was announced.
    is_unversioned: bool,
    rereads: u32,
    /// The attributes that the server did not change, although it accepted the last form.
    ignored: Vec<String>,
}

/// What a server did not change, although it accepted the change.
struct Ignored {
    /// The paths of the attributes.
    paths: Vec<String>,
    /// The resource after the change.
    current: CurrentResource,
}

impl Attempt {
    /// Whether the version is sent. Whole values overwrite what others changed in between: they are never sent without
    /// the version where there is one.
    fn sends_version(&self) -> bool {
        match self.form {
            ChangeForm::Paths => self.is_conditional,
            ChangeForm::Values | ChangeForm::Replacement => !self.is_unversioned,
        }
    }
}

impl<'a> WriteTarget<'a> {
    /// Returns a user.
    pub(super) fn user(features: &'a ScimFeatures, id: &'a str) -> Self {
        Self { methods: &USERS, features, resource: &features.user, id }
    }

    /// Returns the path below the base URL.
    pub(super) fn segments(&self) -> [&'a str; 2] {
        [&self.resource.endpoint, self.id]
    }

    /// Whether the schema announces that members of groups are returned.
    pub(super) fn announces_members(&self) -> bool {
        let members = self.resource.attributes.get("members");
        members.is_some_and(|members| members.is_returned)
    }

    /// Returns the form of changes to begin with.
    pub(super) fn first_form(&self) -> ChangeForm {
        if self.features.patch { ChangeForm::Paths } else { ChangeForm::Replacement }
    }
}

impl ScimConnector {
    /// Reads a resource before it is changed. An error says that no change was sent.
    pub(super) async fn read_current(
        &self,
        cx: &CallContext<'_>,
        target: WriteTarget<'_>,
    ) -> Result<CurrentResource, ConnectorError> {
        let method = target.methods.get;
        // Not a path segment: the URL would drop it, or a part of it.
        if matches!(target.id, "" | "." | "..") || target.id.contains(char::is_control) {
            return Err(cx.error(method, ErrorKind::NotFound));
        }
        let unsent = |error: ConnectorError| error.with_read_back(ReadBack::NotSent);
        let path = target.segments();
        let response = self.send(cx, method, Method::GET, &path, None, None).await;
        let response = response.map_err(unsent)?;
        let invalid = |odd: &str| unsent(cx.invalid_response(method, odd));
        let body = response.body.ok_or_else(|| invalid("it is empty"))?;
        let body = match body.read::<Value>(cx).map_err(unsent)? {
            Value::Object(body) => body,
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => {
                return Err(invalid("it is not a resource"));
            }
        };
        let version = AttributePath::core("meta").part("version");
        let version = version.get(&body).and_then(Value::as_str).map(str::to_owned);
        Ok(CurrentResource { body, etag: response.etag.or(version) })
    }

    /// Changes a resource to what `plan` makes of it, beginning with a form of change.
    pub(super) async fn change_resource(
        &self,
        cx: &CallContext<'_>,
        target: WriteTarget<'_>,
        first_form: ChangeForm,
        plan: &(dyn Fn(&Resource) -> ChangePlan + Send + Sync),
    ) -> Result<Changed, ConnectorError> {
        let mut current = self.read_current(cx, target).await?;
        let before = current.body.clone();
        let mut attempt = Attempt {
            form: first_form,
            is_conditional: target.features.etag,
            is_unversioned: false,
            rereads: 0,
            ignored: Vec::new(),
        };
        loop {
            let ChangePlan { changes, operations } = plan(&current.body);
            let changes = pending(changes, &current.body);
            if changes.is_empty() && operations.is_empty() {
                // After a conflict it may have been this change that was applied, and whose response was lost.
                let is_old = attempt.rereads == 0 && attempt.ignored.is_empty();
                let outcome = if is_old { WriteOutcome::Unchanged } else { WriteOutcome::Applied };
                return Ok(Changed { outcome, before });
            }
            let (method, verb, body) =
                request(target, attempt.form, &current.body, &changes, &operations);
            let etag = current.etag.as_deref().filter(|_| attempt.sends_version());
            let sent = self.send(cx, method, verb, &target.segments(), Some(&body), etag).await;
            // The caller's own operations have no other form, and may change the same attributes.
            let next_form = attempt.form.next().filter(|_| operations.is_empty());
            let error = match sent {
                Ok(response) => {
                    let sent: &[AttributeChange] =
                        if operations.is_empty() { &changes } else { &[] };
                    let ignored = self.ignored(cx, target, (sent, &current.body), &response);
                    let Some(Ignored { paths, current: after }) = ignored.await else {
                        return Ok(Changed { outcome: WriteOutcome::Applied, before });
                    };
                    let Some(next) = next_form else { return Err(not_applied(cx, method, &paths)) };
                    (attempt.form, attempt.ignored, current) = (next, paths, after);
                    continue;
                }
                Err(error) => error,
            };
            match (rejection(&error), next_form) {
                (Some(Rejection::Outdated), _) if attempt.rereads < MAX_REREADS => {
                    attempt.rereads += 1;
                    current = self.read_current(cx, target).await?;
                }
                (Some(Rejection::Outdated), _)
                    if !attempt.is_conditional && !attempt.is_unversioned =>
                {
                    attempt.is_unversioned = true;
                }
                (Some(Rejection::Outdated), _) => return Err(error.with_fix(CHANGED_MEANWHILE)),
                (Some(Rejection::NoTarget), _) if attempt.rereads == 0 => {
                    attempt.rereads += 1;
                    current = self.read_current(cx, target).await?;
                }
                (Some(Rejection::Unconditional), _)
                    if !attempt.is_conditional && current.etag.is_some() =>
                {
                    attempt.is_conditional = true;
                }
                (Some(Rejection::Form | Rejection::NoTarget), Some(next)) => attempt.form = next,
                (Some(Rejection::Method), Some(_)) => attempt.form = ChangeForm::Replacement,
                (Some(_), _) if !attempt.ignored.is_empty() => {
                    return Err(not_applied(cx, method, &attempt.ignored));
                }
                (Some(_) | None, _) => return Err(error),
            }
        }
    }

    /// Returns what a server did not change, although it accepted the change: by its response, or by a read where the
    /// response does not have the new values. A resource that can't be read then is no evidence.
    async fn ignored(
        &self,
        cx: &CallContext<'_>,
        target: WriteTarget<'_>,
        (changes, before): (&[AttributeChange], &Resource),
        response: &SuccessResponse,
    ) -> Option<Ignored> {
        let has_all = |after: Resource| changes.iter().all(|change| !change.is_pending(&after));
        if changes.is_empty() || resource_in(response).is_some_and(has_all) {
            return None;
        }
        let current = self.read_current(cx, target).await.ok()?;
        let paths = ignored_changes(changes, before, &current.body);
        (!paths.is_empty()).then_some(Ignored { paths, current })
    }

    /// Deletes a resource that was read before.
    pub(super) async fn delete_resource(
        &self,
        cx: &CallContext<'_>,
        target: WriteTarget<'_>,
    ) -> Result<WriteOutcome, ConnectorError> {
        let mut current = self.read_current(cx, target).await?;
        let mut is_conditional = target.features.etag;
        let mut rereads = 0;
        loop {
            let etag = current.etag.as_deref().filter(|_| is_conditional);
            let method = target.methods.delete;
            let sent = self.send(cx, method, Method::DELETE, &target.segments(), None, etag).await;
            let Err(error) = sent else { return Ok(WriteOutcome::Applied) };
            match rejection(&error) {
                // It was there: an earlier attempt of this call deleted it, or another request did.
                _ if error.kind == ErrorKind::NotFound => return Ok(WriteOutcome::Applied),
                Some(Rejection::Outdated) if rereads < MAX_REREADS => {
                    rereads += 1;
                    current = self.read_current(cx, target).await?;
                }
                Some(Rejection::Outdated) => return Err(error.with_fix(CHANGED_MEANWHILE)),
                Some(Rejection::Unconditional) if !is_conditional && current.etag.is_some() => {
                    is_conditional = true;
                }
                Some(_) | None => return Err(error),
            }
        }
    }
}

/// Returns the resource in the response to a change; `None` where it has none.
pub(super) fn resource_in(response: &SuccessResponse) -> Option<Resource> {
    match parse::<Value>(&response.body.as_ref()?.body).ok()? {
        Value::Object(resource) => Some(resource),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            None
        }
    }
}

/// Returns the error of a change that the server accepts and does not apply.
fn not_applied(cx: &CallContext<'_>, method: &'static str, paths: &[String]) -> ConnectorError {
    let paths: Vec<String> = paths.iter().map(|path| format!("`{path}`")).collect();
    let paths = paths.join(", ");
    let odd = format!("it accepts the change, and these attributes have their old values: {paths}");
    cx.invalid_response(method, odd)
}

/// Returns the call of a change: its name, its HTTP method and its body.
fn request(
    target: WriteTarget<'_>,
    form: ChangeForm,
    current: &Resource,
    changes: &[AttributeChange],
    operations: &[Value],
) -> (&'static str, Method, Value) {
    let methods = target.methods;
    let patch = |ours: Vec<Value>| patch_body(&[ours, operations.to_vec()].concat());
    match form {
        ChangeForm::Paths => {
            (methods.patch, Method::PATCH, patch(operations_with_paths(changes, current)))
        }
        ChangeForm::Values => {
            (methods.patch, Method::PATCH, patch(operations_with_values(changes, current)))
        }
        ChangeForm::Replacement => {
            (methods.put, Method::PUT, replacement(current, changes, target.resource))
        }
    }
}
