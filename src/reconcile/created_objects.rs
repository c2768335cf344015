//! The objects that a plan itself created: steps refer to them by their keys.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::domain::ids::ReconciliationId;
use crate::domain::policy::DirectoryOperation;
use crate::domain::reconciliation::{CreateOperation, new_object_key};
use crate::store::{StoreError, TenantDb};

/// Returns an operation with the ids of what the plan created; the inner error says what was not created.
pub(super) async fn with_ids(
    (db, id): (&TenantDb, ReconciliationId),
    operation: DirectoryOperation,
) -> Result<Result<DirectoryOperation, String>, StoreError> {
    let mut keys = Vec::new();
    let collected = operation.clone().with_ids(|id| {
        keys.extend(new_object_key(id).map(str::to_owned));
        Ok::<_, String>(id.to_owned())
    });
    if keys.is_empty() {
        return Ok(collected);
    }
    let created = created((db, id), keys).await?;
    Ok(operation.with_ids(|id| created.resolve(id)))
}

/// Returns a creation with the ids of the workspaces that the plan created.
pub(super) async fn with_created_ids(
    (db, id): (&TenantDb, ReconciliationId),
    operation: CreateOperation,
) -> Result<Result<CreateOperation, String>, StoreError> {
    let CreateOperation::User { mut user } = operation else { return Ok(Ok(operation)) };
    let keys = workspace_ids(&mut user)
        .filter_map(|id| new_object_key(id.as_str()?).map(str::to_owned))
        .collect();
    let created = created((db, id), keys).await?;
    for id in workspace_ids(&mut user) {
        match id.as_str().map(|id| created.resolve(id)) {
            Some(Ok(resolved)) => *id = resolved.into(),
            Some(Err(missing)) => return Ok(Err(missing)),
            None => {}
        }
    }
    Ok(Ok(CreateOperation::User { user }))
}

async fn created(
    (db, id): (&TenantDb, ReconciliationId),
    keys: Vec<String>,
) -> Result<CreatedObjects, StoreError> {
    let mut created = BTreeMap::new();
    for key in keys {
        if let Some(object) = db.created_object(id, &key).await? {
            created.insert(key, object);
        }
    }
    Ok(CreatedObjects(created))
}

/// The ids of objects that the plan created, by their keys.
struct CreatedObjects(BTreeMap<String, String>);

impl CreatedObjects {
    /// Returns an id in the place of one of an object that the plan creates.
    fn resolve(&self, id: &str) -> Result<String, String> {
        let Some(key) = new_object_key(id) else { return Ok(id.to_owned()) };
        let created = self.0.get(key).cloned();
        created.ok_or_else(|| format!("`{key}` was not created. Make a new plan."))
    }
}

/// Returns the ids of workspaces in the body of a user's creation.
fn workspace_ids(user: &mut Map<String, Value>) -> impl Iterator<Item = &mut Value> {
    user.iter_mut().flat_map(|(name, list)| {
        let field = match name.as_str() {
            "workspaces" => Some("id"),
            "roles" => Some("workspace_id"),
            _ => None,
        };
        let entries = list.as_array_mut().into_iter().flatten();
        entries.filter_map(move |entry| entry.get_mut(field?))
    })
}
