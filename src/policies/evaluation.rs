//! Applies policies to the people of an account's copy: to everybody, or to those whom events concern. All policies see
//! each person once, page by page.

use std::collections::{BTreeMap, HashSet};

use time::OffsetDateTime;

use super::evaluation_error::{EvaluationError, MAX_FINDINGS, NotEvaluated};
use super::fix_support::FixSupport;
use super::kinds::{Check, CheckContext, GroupCheck, GroupMember, PolicyKind};
use super::people_expressions::{EXPRESSION_PAGE, evaluate_on_people};
use super::services::PolicyServices;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::domain::policy::{Finding, FindingSubject, Person, Policy};
use crate::domain::sync::SyncResource;
use crate::store::{
    EvaluatedSubjects, EvaluationScope, PeopleFilter, PeoplePage, PolicyFindings, TenantDb,
};

/// A policy and its parsed parameters.
struct Rule<'a> {
    policy: &'a Policy,
    check: Box<dyn Check>,
}

/// What an evaluation found of one policy.
#[derive(Debug)]
pub struct EvaluatedPolicy<'a> {
    /// The findings; `None` when it was not evaluated at all.
    pub findings: Option<PolicyFindings<'a>>,
    /// The policy.
    pub policy: &'a Policy,
    /// Why it was not, or not completely, evaluated.
    pub problem: Option<NotEvaluated>,
}

/// The findings of a policy while people are read.
#[derive(Debug, Default)]
struct Collected {
    findings: Vec<Finding>,
    omitted: HashSet<FindingSubject>,
    groups: BTreeMap<String, Vec<GroupMember>>,
    failed: usize,
    first_error: Option<String>,
    /// The people whose expressions failed: what is stored of them does not change.
    undecided: HashSet<FindingSubject>,
}

impl Collected {
    fn add(&mut self, finding: Finding) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        } else {
            self.omitted.insert(finding.subject);
        }
    }
}

/// An evaluation of policies in one account.
pub(super) struct Evaluation<'a> {
    pub(super) services: &'a PolicyServices,
    pub(super) db: &'a TenantDb,
    pub(super) environment_id: EnvironmentId,
    pub(super) account_id: IntegratedAccountId,
    pub(super) as_of: Option<OffsetDateTime>,
    pub(super) now: OffsetDateTime,
}

impl Evaluation<'_> {
    /// Evaluates policies.
    ///
    /// # Errors
    ///
    /// See [`EvaluationError`].
    pub(super) async fn run<'p>(
        &self,
        policies: &'p [Policy],
        scope: &EvaluationScope,
    ) -> Result<Vec<EvaluatedPolicy<'p>>, EvaluationError> {
        let copied = self.copied_resources().await?;
        let (mut rules, mut evaluated) = (Vec::new(), Vec::new());
        for policy in policies {
            match rule(policy, &copied) {
                Ok(rule) => rules.push(rule),
                Err(problem) => {
                    evaluated.push(EvaluatedPolicy {
                        findings: None,
                        policy,
                        problem: Some(problem),
                    });
                }
            }
        }
        let support = self.fix_support().await?;
        let mut collected: Vec<Collected> = rules.iter().map(|_| Collected::default()).collect();
        match scope {
            EvaluationScope::Everyone => {
                self.check_people(PeopleFilter::Everyone, &rules, &mut collected, true).await?;
            }
            EvaluationScope::People(ids) if ids.is_empty() => {}
            EvaluationScope::People(ids) => {
                let filter = PeopleFilter::Ids(ids.clone());
                self.check_people(filter, &rules, &mut collected, false).await?;
            }
        }
        for (rule, mut found) in rules.into_iter().zip(collected) {
            let subjects = match scope {
                EvaluationScope::Everyone => {
                    Self::check_groups(&rule, &mut found);
                    EvaluatedSubjects::All
                }
                EvaluationScope::People(ids) => {
                    let mut subjects: HashSet<FindingSubject> =
                        ids.iter().map(|id| FindingSubject::user(id)).collect();
                    if let Some(groups) = rule.check.groups().filter(|_| !ids.is_empty()) {
                        let keys = self.read_groups(rule.policy, groups, ids, &mut found).await?;
                        subjects.extend(keys.iter().map(|key| groups.subject(key)));
                        Self::check_groups(&rule, &mut found);
                    }
                    EvaluatedSubjects::Only(subjects)
                }
            };
            for finding in &mut found.findings {
                support.restrict(finding);
            }
            evaluated.push(finish(rule.policy, subjects, found));
        }
        Ok(evaluated)
    }

    /// Returns what the account's provider can do.
    async fn fix_support(&self) -> Result<FixSupport, EvaluationError> {
        let account = self.db.cached_account(self.account_id).await?;
        // A copy belongs to an account.
        let account = account.ok_or(EvaluationError::NotSynced)?;
        Ok(FixSupport::of(self.services, &account))
    }

    /// Returns the resources with a complete copy.
    async fn copied_resources(&self) -> Result<HashSet<SyncResource>, EvaluationError> {
        let mut copied = HashSet::new();
        for resource in SyncResource::ALL {
            if self.db.copy_freshness(self.account_id, resource.kinds()).await?.is_some() {
                copied.insert(*resource);
            }
        }
        if copied.contains(&SyncResource::Users) {
            Ok(copied)
        } else {
            Err(EvaluationError::NotSynced)
        }
    }

    /// Applies rules to people, page by page. With `with_groups` it also collects the members of groups.
    async fn check_people(
        &self,
        filter: PeopleFilter,
        rules: &[Rule<'_>],
        collected: &mut [Collected],
        with_groups: bool,
    ) -> Result<(), EvaluationError> {
        let mut pages = self.db.people_pages(self.account_id, filter, self.as_of);
        while let Some(people) = pages.next().await? {
            for people in people.chunks(EXPRESSION_PAGE) {
                self.check_chunk(people, rules, collected, with_groups).await;
            }
        }
        Ok(())
    }

    async fn check_chunk(
        &self,
        people: &[Person],
        rules: &[Rule<'_>],
        collected: &mut [Collected],
        with_groups: bool,
    ) {
        let expressions: Vec<&str> =
            rules.iter().flat_map(|rule| rule.check.expressions()).collect();
        let pool = &self.services.expressions;
        let evaluated = evaluate_on_people(pool, self.environment_id, &expressions, people).await;
        for (person, results) in people.iter().zip(&evaluated.results) {
            let context = CheckContext { now: self.now, results };
            for (rule, found) in rules.iter().zip(collected.iter_mut()) {
                if let Some(finding) = rule.check.check(person, &context) {
                    found.add(finding);
                } else if rule.check.is_undecided(person, &context) {
                    found.failed += 1;
                    let failed = |one: &&str| results.get(one).is_none();
                    let failed = rule.check.expressions().into_iter().find(failed);
                    let error = || evaluated.errors.get(failed?).cloned();
                    found.first_error = found.first_error.take().or_else(error);
                    found.undecided.insert(FindingSubject::user(&person.id));
                }
                if let Some(groups) = rule.check.groups().filter(|_| with_groups) {
                    add_to_groups(groups, person, &mut found.groups);
                }
            }
        }
    }

    /// Reads the members of the groups that a change of some people concerns, and returns these groups.
    async fn read_groups(
        &self,
        policy: &Policy,
        groups: &dyn GroupCheck,
        user_ids: &[String],
        found: &mut Collected,
    ) -> Result<Vec<String>, EvaluationError> {
        let keys = if let Some(keys) = groups.all() {
            keys
        } else {
            let mut keys = self.db.subjects_of_users(self.account_id, policy.id, user_ids).await?;
            let filter = PeopleFilter::Ids(user_ids.to_vec());
            let page = PeoplePage { as_of: self.as_of, after: None, limit: i64::MAX };
            let people = self.db.people(self.account_id, &filter, page).await?;
            keys.extend(people.iter().flat_map(|person| groups.of(person)));
            keys.sort_unstable();
            keys.dedup();
            keys
        };
        let filter = groups.members(&keys);
        let mut pages = self.db.people_pages(self.account_id, filter, self.as_of);
        while let Some(people) = pages.next().await? {
            for person in &people {
                add_to_groups(groups, person, &mut found.groups);
            }
        }
        found.groups.retain(|key, _| keys.contains(key));
        Ok(keys)
    }

    fn check_groups(rule: &Rule<'_>, found: &mut Collected) {
        let Some(groups) = rule.check.groups() else { return };
        let mut members = std::mem::take(&mut found.groups);
        for key in groups.all().unwrap_or_default() {
            members.entry(key).or_default();
        }
        for (key, people) in members {
            if let Some(finding) = groups.check(&key, &people) {
                found.add(finding);
            }
        }
    }
}

fn add_to_groups(
    groups: &dyn GroupCheck,
    person: &Person,
    into: &mut BTreeMap<String, Vec<GroupMember>>,
) {
    for key in groups.of(person) {
        into.entry(key).or_default().push(groups.member(person));
    }
}

fn rule<'p>(policy: &'p Policy, copied: &HashSet<SyncResource>) -> Result<Rule<'p>, NotEvaluated> {
    let kind = PolicyKind::named(&policy.kind)
        .ok_or_else(|| NotEvaluated::Unknown(format!("its kind {} is unknown", policy.kind)))?;
    let check = kind.check(&policy.parameters).map_err(|errors| {
        let first = errors.into_iter().next();
        NotEvaluated::Unknown(first.map(|error| error.message).unwrap_or_default())
    })?;
    match check.resources().iter().find(|resource| !copied.contains(resource)) {
        Some(missing) => Err(NotEvaluated::NoCopyOf(*missing)),
        None => Ok(Rule { policy, check }),
    }
}

fn finish(policy: &Policy, subjects: EvaluatedSubjects, found: Collected) -> EvaluatedPolicy<'_> {
    let Collected { findings, mut omitted, failed, first_error, undecided, .. } = found;
    let count = findings.len() + omitted.len();
    let problem = if failed > 0 {
        Some(NotEvaluated::ExpressionFailed(failed, first_error.unwrap_or_default()))
    } else {
        (!omitted.is_empty()).then_some(NotEvaluated::TooManyFindings(count))
    };
    omitted.extend(undecided);
    let findings = PolicyFindings { policy, subjects, findings, omitted };
    EvaluatedPolicy { findings: Some(findings), policy, problem }
}
