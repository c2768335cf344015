//! Expansions of a list of users: profiles and groups by SCIM, places of system roles.

use std::collections::HashMap;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::connectors::response::merge_remote;
use crate::connectors::slack_enterprise::api::unavailable_as_none;
use crate::connectors::slack_enterprise::workspace_admins::MAX_CONCURRENT_CALLS;
use crate::connectors::slack_enterprise::{SlackConnector, map, roles, wire};
use crate::connectors::{CallContext, ConnectorError, Unified};
use crate::domain::filter::{Expand, Expansion, Filter as _, RemoteQuery, UserFilter};
use crate::domain::user::{User, UserType};

impl SlackConnector {
    /// Adds the requested expansions to the rows that may match the filter: one SCIM call per user, one scan of the
    /// system roles for all.
    pub(super) async fn expand_users(
        &self,
        cx: &CallContext<'_>,
        filter: &UserFilter,
        expand: &Expand,
        items: Vec<Unified<User>>,
    ) -> Result<Vec<Unified<User>>, ConnectorError> {
        // Fields that SCIM may change are filtered later.
        let sure = UserFilter { email: None, search: None, user_type: None, ..filter.clone() };
        let mut items: Vec<_> =
            items.into_iter().filter(|record| sure.matches(&record.resource)).collect();
        if expand.includes_any(&[Expansion::Profile, Expansion::Groups]) {
            let reads = items.into_iter().map(|record| self.with_profile(cx, record));
            items = stream::iter(reads).buffered(MAX_CONCURRENT_CALLS).try_collect().await?;
        }
        if expand.includes_any(&[Expansion::Roles]) {
            self.add_system_roles(cx, &mut items).await?;
        }
        Ok(items)
    }

    async fn with_profile(
        &self,
        cx: &CallContext<'_>,
        mut record: Unified<User>,
    ) -> Result<Unified<User>, ConnectorError> {
        let user = &mut record.resource;
        if user.user_type == UserType::Bot {
            return Ok(record);
        }
        let scim = self.scim_get(cx, "scim.users.get", &format!("Users/{}", user.id)).await;
        if let Some(scim) = unavailable_as_none(scim)? {
            map::add_scim(user, scim.read(cx)?);
            record.remote = record.remote.map(|row| {
                merge_remote([("row", Some(&*row)), ("scim.users.get", Some(&*scim.remote()))])
            });
        }
        Ok(record)
    }

    /// Replaces the system roles of rows, which have no places, by those of `admin.roles.listAssignments`.
    pub(super) async fn add_system_roles(
        &self,
        cx: &CallContext<'_>,
        items: &mut [Unified<User>],
    ) -> Result<(), ConnectorError> {
        if items.is_empty() {
            return Ok(());
        }
        // A user may be listed under either id.
        let people: HashMap<String, usize> = (0..)
            .zip(items.iter())
            .flat_map(|(at, record)| map::ids(&record.resource).map(move |id| (id.to_owned(), at)))
            .collect();
        let none = RemoteQuery::default();
        let wanted = |row: &wire::SystemAssignment| people.contains_key(&row.user_id);
        let rows = self.all_system_assignments(cx, &[], &none, wanted).await;
        let Some(rows) = unavailable_as_none(rows)? else { return Ok(()) };
        for user in items.iter_mut().map(|record| &mut record.resource) {
            user.roles.retain(|role| !roles::is_provider_id(&role.id));
        }
        for (row, _) in rows {
            let at = people.get(&row.user_id);
            if let Some(record) = at.and_then(|at| items.get_mut(*at)) {
                record.resource.roles.push(map::system_role(row, &cx.account.organization.id));
            }
        }
        Ok(())
    }
}
