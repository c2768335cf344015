//! What a list of users brings when it is asked to: profiles and groups by SCIM, the places of roles.

use std::collections::HashMap;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::connectors::reading::together;
use crate::connectors::slack_enterprise::api::optional;
use crate::connectors::slack_enterprise::ranks::AT_ONCE;
use crate::connectors::slack_enterprise::{SlackEnterprise, map, roles, wire};
use crate::connectors::{CallContext, ConnectorError, Record};
use crate::domain::filter::{Expand, Expansion, Filter as _, RemoteQuery, UserFilter};
use crate::domain::user::{User, UserType};

impl SlackEnterprise {
    /// Adds what was asked for to the rows that the filter may admit: a SCIM call for each person, one
    /// scan of the system roles for all.
    pub(super) async fn expand_users(
        &self,
        cx: &CallContext<'_>,
        filter: &UserFilter,
        expand: &Expand,
        items: Vec<Record<User>>,
    ) -> Result<Vec<Record<User>>, ConnectorError> {
        // What SCIM can still change decides later.
        let sure = UserFilter { email: None, search: None, user_type: None, ..filter.clone() };
        let mut items: Vec<_> =
            items.into_iter().filter(|record| sure.admits(&record.unified)).collect();
        if expand.asks_for(&[Expansion::Profile, Expansion::Groups]) {
            let reads = items.into_iter().map(|record| self.with_profile(cx, record));
            items = stream::iter(reads).buffered(AT_ONCE).try_collect().await?;
        }
        if expand.asks_for(&[Expansion::Roles]) {
            self.add_system_roles(cx, &mut items).await?;
        }
        Ok(items)
    }

    async fn with_profile(
        &self,
        cx: &CallContext<'_>,
        mut record: Record<User>,
    ) -> Result<Record<User>, ConnectorError> {
        let user = &mut record.unified;
        if user.user_type == UserType::Bot {
            return Ok(record);
        }
        let scim = self.scim_get(cx, "scim.users.get", &format!("Users/{}", user.id)).await;
        if let Some(scim) = optional(scim)? {
            map::add_scim(user, scim.read(cx)?);
            record.remote = record.remote.map(|row| {
                together([("row", Some(&*row)), ("scim.users.get", Some(&*scim.remote()))])
            });
        }
        Ok(record)
    }

    /// Puts system roles with their places where a row had them without, or not at all.
    pub(super) async fn add_system_roles(
        &self,
        cx: &CallContext<'_>,
        items: &mut [Record<User>],
    ) -> Result<(), ConnectorError> {
        if items.is_empty() {
            return Ok(());
        }
        // Either id of somebody is theirs.
        let people: HashMap<String, usize> = (0..)
            .zip(items.iter())
            .flat_map(|(at, record)| map::ids(&record.unified).map(move |id| (id.to_owned(), at)))
            .collect();
        let none = RemoteQuery::default();
        let wanted = |row: &wire::SystemAssignment| people.contains_key(&row.user_id);
        let rows = self.all_system_assignments(cx, &[], &none, wanted).await;
        let Some(rows) = optional(rows)? else { return Ok(()) };
        for user in items.iter_mut().map(|record| &mut record.unified) {
            user.roles.retain(|role| !roles::is_provider_id(&role.id));
        }
        for (row, _) in rows {
            let at = people.get(&row.user_id);
            if let Some(record) = at.and_then(|at| items.get_mut(*at)) {
                record.unified.roles.push(map::system_role(row, &cx.account.organization.id));
            }
        }
        Ok(())
    }
}
