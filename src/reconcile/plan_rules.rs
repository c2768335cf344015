//! Plans by rule sets: what people are to have follows from their attributes.

use super::desired_resolver::{Resolver, declare};
use super::plan::Planner;
use super::plan_guards::PlanGuards;
use super::plan_stopped::{PlanStopped, failed};
use super::rules::RuleEvaluator;
use super::services::{MAX_WAIT, ReconcileServices};
use super::step_checks::StepChecks;
use crate::connectors::UnreadableRows;
use crate::domain::account::IntegratedAccount;
use crate::domain::ids::{JobId, ReconciliationId, RuleSetId};
use crate::domain::policy::Person;
use crate::domain::reconciliation::{
    Approval, DesiredUser, MatchBy, Ownership, OwnershipMode, ProposedStep, ReconciliationOptions,
    ResolvedUser, RuleSet, difference,
};
use crate::domain::user::User;
use crate::policies::BackgroundChanges;
use crate::store::{AuditEntry, NewReconciliation, PeopleFilter, StoreError, TenantDb};

impl Planner<'_> {
    /// Plans what a rule set gives and takes.
    pub(super) async fn plan_rule_set(
        &mut self,
        resolver: &Resolver<'_>,
        id: RuleSetId,
    ) -> Result<(), PlanStopped> {
        let Some(rule_set) = self.db.rule_set(id).await? else {
            return Err(failed("not_found", format!("The rule set {id} was deleted.")));
        };
        // What the request declares has precedence over the rule set.
        let mode = self.options.mode;
        let owned = own(&mut self.ownership, resolver, &rule_set, mode);
        owned.map_err(|error| failed("invalid_rule_set", error))?;
        let filter = match &self.options.only_users {
            Some(ids) => PeopleFilter::Ids(ids.clone()),
            None => PeopleFilter::Everyone,
        };
        let pool = &self.services.policies.expressions;
        let evaluator = RuleEvaluator::new(pool, self.db.environment_id(), &rule_set);
        let mut pages = self.db.people_pages(self.account.id, filter, None);
        while let Some(people) = pages.next().await? {
            let found = evaluator.evaluate(&people).await;
            for (person, found) in people.into_iter().zip(found) {
                let found = match found {
                    Ok(found) if found.matched.is_empty() && self.ownership.is_empty() => continue,
                    Ok(found) => found,
                    Err(error) => {
                        self.person_error(&person, &error);
                        continue;
                    }
                };
                match resolve(resolver, &person, found.desired, &found.matched) {
                    Ok(user) => {
                        self.desired_users += 1;
                        self.plan_user(person, &user).await?;
                    }
                    Err(error) => self.person_error(&person, &error),
                }
            }
        }
        Ok(())
    }
}

impl ReconcileServices {
    /// Returns the steps that a rule set would carry out for a person now.
    ///
    /// # Errors
    ///
    /// When the database fails. What the rules name and the directory does not have is the inner error.
    pub async fn preview(
        &self,
        db: &TenantDb,
        account: &IntegratedAccount,
        rule_set: &RuleSet,
        (person, desired, matched): (&Person, DesiredUser, &[String]),
    ) -> Result<Result<Vec<ProposedStep>, String>, StoreError> {
        let services = &self.policies;
        let connector = services.sync.registry.connector(account.provider);
        let (resolver, _) = Resolver::read(db, account.id, connector, &[]).await?;
        let mut owned = Ownership::default();
        let found = own(&mut owned, &resolver, rule_set, rule_set.mode)
            .and_then(|()| resolve(&resolver, person, desired, matched));
        let user = match found {
            Ok(found) => found,
            Err(error) => return Ok(Err(error)),
        };
        let Ok(profile) = serde_json::from_str::<User>(&person.body) else {
            return Ok(Err("the copied user has an unknown form".to_owned()));
        };
        let unreadable_rows = UnreadableRows::default();
        let (actor, request_id) = (rule_set.id.text(), rule_set.id.text());
        let background = BackgroundChanges {
            services,
            db,
            account,
            actor: &actor,
            request_id: &request_id,
            unreadable_rows: &unreadable_rows,
            max_wait: MAX_WAIT,
        };
        let cx = background.call_context();
        let checks = StepChecks { cx, connector, clock: &*services.clock };
        let mut guards = PlanGuards::read(db, account, connector, &rule_set.guards).await?;
        let mut steps = Vec::new();
        for step in difference(person, &profile, &user, &owned) {
            for step in checks.check(step) {
                steps.push(guards.check(person, step).await?);
            }
        }
        Ok(Ok(steps))
    }

    /// Requests that a rule set is applied to people, as far as its guards allow, and returns the reconciliation.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn apply_to_people(
        &self,
        db: &TenantDb,
        rule_set: &RuleSet,
        user_ids: Vec<String>,
    ) -> Result<ReconciliationId, StoreError> {
        let services = &self.policies;
        let (clock, entropy) = (&*services.clock, &*services.entropy);
        let options = ReconciliationOptions {
            mode: rule_set.mode,
            guards: rule_set.guards.clone(),
            only_users: Some(user_ids),
            approve: Some(Approval::WithinGuards),
            ..ReconciliationOptions::default()
        };
        let (id, actor) = (ReconciliationId::generate(clock, entropy), rule_set.id.text());
        let new = NewReconciliation {
            id,
            job_id: JobId::generate(clock, entropy),
            account_id: rule_set.integrated_account_id,
            options: &options,
            rule_set_id: Some(rule_set.id),
            inverse_of: None,
            new_workspaces: &[],
            desired_users: 0,
            row_errors: &[],
            created_by: &actor,
        };
        let subject = id.text();
        let entry = AuditEntry {
            account_id: Some(rule_set.integrated_account_id),
            subject: Some(&subject),
            ..AuditEntry::new("reconciliation.requested", &actor, clock, entropy)
        };
        db.insert_reconciliation(&new, clock.now(), Some(&entry)).await?;
        Ok(id)
    }
}

/// Declares what a rule set owns: everything that its rules name.
fn own(
    owned: &mut Ownership,
    resolver: &Resolver<'_>,
    rule_set: &RuleSet,
    mode: OwnershipMode,
) -> Result<(), String> {
    for rule in &rule_set.rules {
        let targets = DesiredUser {
            workspaces: Some(rule.then.workspaces.clone()),
            roles: Some(rule.then.roles.clone()),
            groups: Some(rule.then.groups.clone()),
            ..DesiredUser::default()
        };
        let user = resolver.resolve(targets, String::new(), String::new());
        declare(owned, &user.map_err(|error| error.message)?, mode);
    }
    Ok(())
}

/// Finds what the matching rules give a person.
fn resolve(
    resolver: &Resolver<'_>,
    person: &Person,
    desired: DesiredUser,
    matched: &[String],
) -> Result<ResolvedUser, String> {
    let source = match matched {
        [] => "no rule".to_owned(),
        [one] => format!("the rule {one}"),
        several => format!("the rules {}", several.join(", ")),
    };
    let key =
        person.email().map_or_else(|| person.id.clone(), |email| MatchBy::Email.normalize(email));
    let mut user = resolver.resolve(desired, key, source).map_err(|error| error.message)?;
    user.keep_highest_levels();
    Ok(user)
}
