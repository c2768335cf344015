//! Reads users. A page of a list is one call wherever `admin.users.list` supports the filter; `plan` selects the calls.
//! One user takes three concurrent calls: `users.info`, SCIM for the profile, `admin.roles.listAssignments` for the
//! system roles.

mod expand;
mod lookup;
mod org_scan;
mod page_token;
mod plan;
mod workspace_scan;

use async_trait::async_trait;

use self::page_token::{OrgScanPosition, ScanPosition, UserPage};
use self::plan::UserPlan;
use super::api::{is_id, not_found_as_none, parse_object, unavailable_as_none};
use super::{SlackConnector, map, wire};
use crate::connectors::page_token::decode;
use crate::connectors::response::merge_remote;
use crate::connectors::{CallContext, ConnectorError, ListRequest, ReadResource, Unified};
use crate::domain::filter::{Expansion, RemoteQuery};
use crate::domain::page::Page;
use crate::domain::user::User;

const LIST: &str = "admin.users.list";

#[async_trait]
impl ReadResource<User> for SlackConnector {
    async fn list(
        &self,
        cx: &CallContext<'_>,
        request: ListRequest<'_, User>,
    ) -> Result<UserPage, ConnectorError> {
        let at: Option<ScanPosition> = decode(cx, LIST, request.page.token.as_ref())?;
        // The caller's own arguments are for a list, not for a search by SCIM.
        let plan = match at {
            None if request.remote_query.0.is_empty() => UserPlan::of(request.filter),
            None | Some(_) => UserPlan::scan(request.filter),
        };
        if let UserPlan::Lookup(lookup) = plan {
            let found = self.look_up(cx, lookup).await?;
            if let Some(items) = found {
                return Ok(Page { items, next: None });
            }
        }
        let plan = UserPlan::scan(request.filter);
        let page = self.scan(cx, &request, plan, at).await?;
        let mut expand = request.expand.clone();
        if plan.has_role_scopes() {
            expand.0.remove(&Expansion::Roles);
        }
        let items = self.expand_users(cx, request.filter, &expand, page.items).await?;
        Ok(Page { items, ..page })
    }

    async fn get(
        &self,
        cx: &CallContext<'_>,
        id: &str,
    ) -> Result<Option<Unified<User>>, ConnectorError> {
        self.user(cx, id, true).await
    }

    async fn get_own_fields(
        &self,
        cx: &CallContext<'_>,
        id: &str,
    ) -> Result<Option<Unified<User>>, ConnectorError> {
        self.user(cx, id, false).await
    }
}

impl SlackConnector {
    /// Reads a page of a plan that scans lists.
    async fn scan(
        &self,
        cx: &CallContext<'_>,
        request: &ListRequest<'_, User>,
        plan: UserPlan<'_>,
        at: Option<ScanPosition>,
    ) -> Result<UserPage, ConnectorError> {
        let nothing = Page { items: Vec::new(), next: None };
        match (plan, at) {
            (UserPlan::OrgScan(passes), None) => {
                self.scan_organization(cx, request, passes, OrgScanPosition::start(passes.activity))
                    .await
            }
            (UserPlan::OrgScan(passes), Some(ScanPosition::Organization(at))) => {
                self.scan_organization(cx, request, passes, at).await
            }
            (UserPlan::WorkspaceScan(visit), None) => {
                match self.start_workspace_scan(cx, visit).await? {
                    Some(walk) => self.scan_workspace(cx, request, visit, walk).await,
                    None => Ok(nothing),
                }
            }
            (UserPlan::WorkspaceScan(visit), Some(ScanPosition::Workspaces(walk))) => {
                self.scan_workspace(cx, request, visit, walk).await
            }
            (UserPlan::WorkspaceScan(visit), Some(ScanPosition::NoWorkspace(at))) => {
                self.users_without_workspace(cx, request, visit, at).await
            }
            // A cursor is bound to its filter, so it is never of another plan.
            (
                UserPlan::Empty
                | UserPlan::Lookup(_)
                | UserPlan::OrgScan(_)
                | UserPlan::WorkspaceScan(_),
                _,
            ) => Ok(nothing),
        }
    }

    /// Reads one user in full: two concurrent calls, and one for system roles. People of other organizations are none.
    async fn user(
        &self,
        cx: &CallContext<'_>,
        id: &str,
        with_system_roles: bool,
    ) -> Result<Option<Unified<User>>, ConnectorError> {
        if !is_id(id) {
            return Ok(None);
        }
        let arguments = [("user", id), ("include_locale", "true")];
        let path = format!("Users/{id}");
        let info = self.web(cx, "users.info", &arguments);
        let scim = self.scim_get(cx, "scim.users.get", &path);
        let plain = CallContext { include_remote: false, ..*cx };
        // Filtered below, since the user may be listed under another id.
        let none = RemoteQuery::default();
        let held = async {
            if with_system_roles {
                self.all_system_assignments(&plain, &[], &none, |_| true).await
            } else {
                Ok(Vec::new())
            }
        };
        let (info, scim, held) = tokio::join!(info, scim, held);
        let Some(info) = not_found_as_none(info)? else { return Ok(None) };
        let wire::UsersInfo { user } = info.read(cx)?;
        let (user, _) = parse_object::<wire::WebUser>(cx, "users.info", user)?;
        if self.is_of_other_organization(cx, &user).await? {
            return Ok(None);
        }
        let organization = &cx.account.organization.id;
        let mut user = map::user_from_info(user, organization);
        // SCIM has no bots, and a grant without the scope `admin` can read the rest.
        let mut scim = unavailable_as_none(scim)?;
        let other =
            map::ids(&user).find(|other| *other != id).map(|other| format!("Users/{other}"));
        if let (None, Some(path)) = (&scim, other) {
            scim = unavailable_as_none(self.scim_get(cx, "scim.users.get", &path).await)?;
        }
        if let Some(scim) = &scim {
            map::add_scim(&mut user, scim.read(cx)?);
        }
        let held = unavailable_as_none(held)?.into_iter().flatten();
        let mut held: Vec<_> = held
            .filter(|(row, _)| map::ids(&user).any(|id| id == row.user_id))
            .map(|(row, _)| map::system_role(row, organization))
            .collect();
        user.roles.append(&mut held);
        let remote = cx.include_remote.then(|| {
            let scim = scim.map(|scim| scim.remote());
            merge_remote([
                ("users.info", Some(&*info.remote())),
                ("scim.users.get", scim.as_deref()),
            ])
        });
        Ok(Some(Unified::new(user, remote)))
    }
}
