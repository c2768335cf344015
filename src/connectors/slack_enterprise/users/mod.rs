//! Users. A page of a list is one call wherever `admin.users.list` can tell what was asked; `plan` says
//! which way a filter takes. One user is three calls at once: `users.info`, SCIM for the profile,
//! `admin.roles.listAssignments` for the system roles.

mod at;
mod expand;
mod lookup;
mod passes;
mod plan;
mod visit;

use async_trait::async_trait;

use self::at::{At, PassAt, Users};
use self::plan::Plan;
use super::api::{found, is_id, object, optional};
use super::{SlackEnterprise, map, wire};
use crate::connectors::position::position;
use crate::connectors::reading::together;
use crate::connectors::{CallContext, ConnectorError, Question, Reads, Record};
use crate::domain::filter::{Expansion, RemoteQuery};
use crate::domain::page::Page;
use crate::domain::user::User;

const LIST: &str = "admin.users.list";

#[async_trait]
impl Reads<User> for SlackEnterprise {
    async fn list(
        &self,
        cx: &CallContext<'_>,
        question: Question<'_, User>,
    ) -> Result<Users, ConnectorError> {
        let at: Option<At> = position(cx, LIST, question.page.position.as_ref())?;
        // Arguments of the caller's own are for a list, and SCIM's search is none.
        let plan = match at {
            None if question.remote_query.0.is_empty() => Plan::of(question.filter),
            None | Some(_) => Plan::scan(question.filter),
        };
        if let Plan::Lookup(lookup) = plan {
            let found = self.look_up(cx, lookup).await?;
            if let Some(items) = found {
                return Ok(Page { items, next: None });
            }
        }
        let plan = Plan::scan(question.filter);
        let page = self.scan(cx, &question, plan, at).await?;
        let mut expand = question.expand.clone();
        if plan.places_roles() {
            expand.0.remove(&Expansion::Roles);
        }
        let items = self.expand_users(cx, question.filter, &expand, page.items).await?;
        Ok(Page { items, ..page })
    }

    async fn get(
        &self,
        cx: &CallContext<'_>,
        id: &str,
    ) -> Result<Option<Record<User>>, ConnectorError> {
        self.user(cx, id).await
    }
}

impl SlackEnterprise {
    /// A page of a plan that goes through lists.
    async fn scan(
        &self,
        cx: &CallContext<'_>,
        question: &Question<'_, User>,
        plan: Plan<'_>,
        at: Option<At>,
    ) -> Result<Users, ConnectorError> {
        let nothing = Page { items: Vec::new(), next: None };
        match (plan, at) {
            (Plan::Passes(passes), None) => {
                self.pass(cx, question, passes, PassAt::start(passes.standing)).await
            }
            (Plan::Passes(passes), Some(At::Pass(at))) => self.pass(cx, question, passes, at).await,
            (Plan::Walk(visit), None) => match self.walk_start(cx, visit).await? {
                Some(walk) => self.visit(cx, question, visit, walk).await,
                None => Ok(nothing),
            },
            (Plan::Walk(visit), Some(At::Walk(walk))) => {
                self.visit(cx, question, visit, walk).await
            }
            (Plan::Walk(visit), Some(At::Outside(at))) => {
                self.outside(cx, question, visit, at).await
            }
            // A cursor is bound to its filter, so it never names a place of another plan.
            (Plan::Nobody | Plan::Lookup(_) | Plan::Passes(_) | Plan::Walk(_), _) => Ok(nothing),
        }
    }

    /// One user in full: three calls at once.
    async fn user(
        &self,
        cx: &CallContext<'_>,
        id: &str,
    ) -> Result<Option<Record<User>>, ConnectorError> {
        if !is_id(id) {
            return Ok(None);
        }
        let arguments = [("user", id), ("include_locale", "true")];
        let path = format!("Users/{id}");
        let info = self.web(cx, "users.info", &arguments);
        let scim = self.scim_get(cx, "scim.users.get", &path);
        let plain = CallContext { wants_remote: false, ..*cx };
        // Which of them are theirs is known only with the user, who may have another id there.
        let none = RemoteQuery::default();
        let held = self.all_system_assignments(&plain, &[], &none, |_| true);
        let (info, scim, held) = tokio::join!(info, scim, held);
        let Some(info) = found(info)? else { return Ok(None) };
        let wire::UsersInfo { user } = info.read(cx)?;
        let (user, _) = object::<wire::WebUser>(cx, "users.info", user)?;
        let organization = &cx.account.organization.id;
        let mut user = map::informed_user(user, organization);
        // Bots are not in SCIM, and a grant without the scope `admin` still reads the rest.
        let mut scim = optional(scim)?;
        let other =
            map::ids(&user).find(|other| *other != id).map(|other| format!("Users/{other}"));
        if let (None, Some(path)) = (&scim, other) {
            scim = optional(self.scim_get(cx, "scim.users.get", &path).await)?;
        }
        if let Some(scim) = &scim {
            map::add_scim(&mut user, scim.read(cx)?);
        }
        let held = optional(held)?.into_iter().flatten();
        let mut held: Vec<_> = held
            .filter(|(row, _)| map::ids(&user).any(|id| id == row.user_id))
            .map(|(row, _)| map::system_role(row, organization))
            .collect();
        user.roles.append(&mut held);
        let remote = cx.wants_remote.then(|| {
            let scim = scim.map(|scim| scim.remote());
            together([("users.info", Some(&*info.remote())), ("scim.users.get", scim.as_deref())])
        });
        Ok(Some(Record::new(user, remote)))
    }
}
