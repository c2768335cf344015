//! Evaluates rule sets: what people get by their attributes.

use serde_json::{Map, json};

use crate::domain::ids::EnvironmentId;
use crate::domain::policy::{ExpressionResults, Person};
use crate::domain::reconciliation::{DesiredUser, DesiredWorkspace, Rule, RuleSet};
use crate::domain::user::UserType;
use crate::expressions::ExpressionPool;
use crate::policies::{EXPRESSION_PAGE, PeopleResults, evaluate_on_people};

/// What a person gets.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleMatch {
    /// The desired state. Lists that no rule has are `None`; all of them for a person whom rules do not apply to.
    pub desired: DesiredUser,
    /// The names or numbers of the rules that match.
    pub matched: Vec<String>,
}

/// A rule and whether it matches a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleVerdict {
    /// The name or number of the rule.
    pub rule: String,
    /// Whether its condition is true; `None` when an expression failed.
    pub matches: Option<bool>,
    /// Why: what the deciding part of the condition found.
    pub reason: String,
}

/// Evaluates a rule set.
#[derive(Debug, Clone, Copy)]
pub struct RuleEvaluator<'a> {
    pool: &'a ExpressionPool,
    environment_id: EnvironmentId,
    rules: &'a RuleSet,
}

impl<'a> RuleEvaluator<'a> {
    /// Returns the evaluator of a rule set.
    #[must_use]
    pub fn new(
        pool: &'a ExpressionPool,
        environment_id: EnvironmentId,
        rules: &'a RuleSet,
    ) -> Self {
        Self { pool, environment_id, rules }
    }

    /// Returns what each of the people gets, in their order. A person has an error instead when an expression failed or
    /// rules contradict each other; then nothing is known about what the person is to have.
    pub async fn evaluate(&self, people: &[Person]) -> Vec<Result<RuleMatch, String>> {
        let mut matches = Vec::with_capacity(people.len());
        for people in people.chunks(EXPRESSION_PAGE) {
            let PeopleResults { results, errors } = self.run_expressions(people).await;
            let error = errors.into_values().next();
            for (person, results) in people.iter().zip(&results) {
                matches.push(self.match_of(person, results, error.as_deref()));
            }
        }
        matches
    }

    /// Returns why each rule matches a person or does not.
    pub async fn explain(&self, person: &Person) -> Vec<RuleVerdict> {
        let evaluated = self.run_expressions(std::slice::from_ref(person)).await;
        let none = ExpressionResults::default();
        let results = evaluated.results.first().unwrap_or(&none);
        let rules = self.rules.rules.iter().enumerate().map(|(index, rule)| {
            let matches = rule.when.holds(person, results);
            let reason = rule.when.reason(person, results);
            RuleVerdict { rule: rule.display_name(index), matches, reason }
        });
        rules.collect()
    }

    async fn run_expressions(&self, people: &[Person]) -> PeopleResults<'a> {
        let mut expressions = Vec::new();
        for rule in &self.rules.rules {
            rule.when.collect_expressions(&mut expressions);
        }
        expressions.sort_unstable();
        expressions.dedup();
        evaluate_on_people(self.pool, self.environment_id, &expressions, people).await
    }

    fn match_of(
        &self,
        person: &Person,
        results: &ExpressionResults<'_>,
        error: Option<&str>,
    ) -> Result<RuleMatch, String> {
        let mut matching: Vec<(String, &Rule)> = Vec::new();
        if !is_subject(person) {
            return Ok(RuleMatch { desired: DesiredUser::default(), matched: Vec::new() });
        }
        for (index, rule) in self.rules.rules.iter().enumerate() {
            let name = rule.display_name(index);
            match rule.when.holds(person, results) {
                Some(true) => matching.push((name, rule)),
                Some(false) => {}
                None => {
                    let error = error.unwrap_or("it has no value");
                    return Err(format!("the expression of {name} failed: {error}"));
                }
            }
        }
        let desired = self.desired(&matching)?;
        Ok(RuleMatch { desired, matched: matching.into_iter().map(|(name, _)| name).collect() })
    }

    /// Returns what all matching rules together give.
    fn desired(&self, matching: &[(String, &Rule)]) -> Result<DesiredUser, String> {
        let all = || self.rules.rules.iter().map(|rule| &rule.then);
        let given = || matching.iter().map(|(_, rule)| &rule.then);
        let mut workspaces: Vec<DesiredWorkspace> = Vec::new();
        for workspace in given().flat_map(|targets| &targets.workspaces) {
            match workspaces.iter_mut().find(|one| one.id == workspace.id) {
                None => workspaces.push(workspace.clone()),
                Some(same) => same.channel_ids.extend(workspace.channel_ids.iter().cloned()),
            }
        }
        for DesiredWorkspace { channel_ids, .. } in &mut workspaces {
            channel_ids.sort_unstable();
            channel_ids.dedup();
        }
        let (mut roles, mut groups) = (Vec::new(), Vec::new());
        for targets in given() {
            roles.extend(targets.roles.iter().cloned());
            groups.extend(targets.groups.iter().cloned());
        }
        roles.sort_unstable();
        roles.dedup();
        groups.sort_unstable();
        groups.dedup();
        let named = |is_named: bool| is_named.then_some(());
        Ok(DesiredUser {
            fields: user_type(matching)?
                .map(|kind| Map::from_iter([("user_type".to_owned(), json!(kind))]))
                .unwrap_or_default(),
            workspaces: named(all().any(|one| !one.workspaces.is_empty())).map(|()| workspaces),
            roles: named(all().any(|one| !one.roles.is_empty())).map(|()| roles),
            groups: named(all().any(|one| !one.groups.is_empty())).map(|()| groups),
        })
    }
}

/// Whether rules apply to a person: to those who can sign in and are no apps. What a deactivated person has is not
/// changed.
fn is_subject(person: &Person) -> bool {
    person.can_sign_in() && !person.is_bot()
}

/// Returns the kind of membership that rules give.
fn user_type(matching: &[(String, &Rule)]) -> Result<Option<UserType>, String> {
    let mut given = matching.iter().filter_map(|(name, rule)| Some((name, rule.then.user_type?)));
    let Some((first, kind)) = given.next() else { return Ok(None) };
    match given.find(|(_, other)| *other != kind) {
        None => Ok(Some(kind)),
        Some((other, _)) => Err(format!("{first} and {other} give different kinds of membership")),
    }
}
