//! Plans of uploaded or inline desired states: rows are read, matched with people, and compared.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::desired_pages::{DesiredPage, DesiredPages, DesiredReader, MatchedIds};
use super::desired_resolver::{Resolver, declare};
use super::plan::{MAX_ROW_ERRORS, Planner};
use super::plan_stopped::{PlanStopped, problem};
use crate::domain::policy::Person;
use crate::domain::reconciliation::{
    DesiredUser, InvalidDesired, MatchBy, PlanOperation, ResolvedUser, RowError, StepSubject,
    creation, departure, new_user_key,
};
use crate::store::{PeopleFilter, StagedRow};

impl Planner<'_> {
    /// Plans the steps of an uploaded or inline desired state.
    pub(super) async fn plan_desired(
        &mut self,
        resolver: &Resolver<'_>,
    ) -> Result<(), PlanStopped> {
        let match_by = self.options.match_by;
        let mut matched_by: MatchedIds = HashMap::new();
        for (id, value) in self.db.match_values(self.account.id, match_by).await? {
            matched_by.entry(match_by.normalize(&value)).or_default().push(id);
        }
        self.matched_by = Arc::new(matched_by);
        let mode = self.options.mode;
        let mut usable: HashSet<i64> = HashSet::new();
        let mut keys: HashMap<String, i64> = HashMap::new();
        let mut pages = self.pages(None);
        while let Some(DesiredPage { rows, .. }) = pages.next().await? {
            for row in rows {
                let number = row.row_number;
                match self.read_row(resolver, row, &mut keys) {
                    Ok(user) => {
                        declare(&mut self.ownership, &user, mode);
                        usable.insert(number);
                    }
                    Err(error) => self.row_error(number, error),
                }
            }
        }
        // The people of rows that are left out would lose access as if they were not desired.
        let loses_people = self.options.prune || !self.ownership.is_empty();
        if self.has_row_errors && (!self.options.skip_bad_rows || loses_people) {
            let detail = "The desired state has rows that can't be used; `row_errors` names them. Correct them, or set \
                          `skip_bad_rows` for a plan that removes no one.";
            let problem = problem("invalid_desired_state", detail.to_owned());
            return Err(PlanStopped::Failed(problem, std::mem::take(&mut self.row_errors)));
        }
        self.desired_users = usable.len() as u64;
        keys.clear();
        let mut pages = self.pages(Some(Arc::clone(&self.matched_by)));
        while let Some(DesiredPage { rows, people }) = pages.next().await? {
            let mut users = Vec::with_capacity(rows.len());
            for row in rows.into_iter().filter(|row| usable.contains(&row.row_number)) {
                users.extend(self.read_row(resolver, row, &mut keys).ok());
            }
            self.plan_users(users, people).await?;
        }
        if self.options.prune || !self.ownership.is_empty() {
            self.plan_departures(&keys).await?;
        }
        Ok(())
    }

    /// Returns the rows of the desired state in pages, with the people of `people_by`.
    fn pages(&self, people_by: Option<Arc<MatchedIds>>) -> DesiredPages {
        let (db, account_id) = (self.db.clone(), self.account.id);
        let reconciliation_id = self.claimed.id;
        DesiredPages::new(DesiredReader { db, account_id, reconciliation_id, people_by })
    }

    /// Reads a row of the desired state. `keys` are the values of the rows before, with their rows.
    fn read_row(
        &self,
        resolver: &Resolver<'_>,
        row: StagedRow,
        keys: &mut HashMap<String, i64>,
    ) -> Result<ResolvedUser, InvalidDesired> {
        let match_by = self.options.match_by;
        let at_key = |message: String| InvalidDesired { pointer: format!("/{match_by}"), message };
        let person = if let Value::Object(person) = row.person { person } else { Map::new() };
        let desired = DesiredUser::parse(person)?;
        let source = format!("row {}", row.row_number);
        let key = desired.key(match_by)?;
        let user = resolver.resolve(desired, key, source)?;
        if let Some((one, other)) = user.contradicting_levels() {
            let message = format!("names the levels {} and {} in the same place", one.id, other.id);
            return Err(InvalidDesired { pointer: "/roles".to_owned(), message });
        }
        if let Some(before) = keys.insert(user.key.clone(), row.row_number) {
            return Err(at_key(format!("is that of row {before} too: name each person once")));
        }
        match self.matched_by.get(&user.key).map(Vec::len) {
            Some(count) if count > 1 => {
                Err(at_key(format!("matches {count} people of the directory")))
            }
            Some(_) | None => Ok(user),
        }
    }

    fn row_error(&mut self, row: i64, error: InvalidDesired) {
        self.has_row_errors = true;
        if self.row_errors.len() < MAX_ROW_ERRORS {
            let column = error.pointer.trim_start_matches('/');
            self.row_errors.push(RowError {
                row: u64::try_from(row).unwrap_or_default(),
                column: (!column.is_empty()).then(|| column.to_owned()),
                message: error.message,
            });
        }
    }

    /// Plans the steps of people of the desired state. `people` are those whom they match.
    async fn plan_users(
        &mut self,
        users: Vec<ResolvedUser>,
        people: Vec<Person>,
    ) -> Result<(), PlanStopped> {
        let mut people: HashMap<String, Person> =
            people.into_iter().map(|person| (person.id.clone(), person)).collect();
        for user in &users {
            let id = self.matched_by.get(&user.key).and_then(|ids| ids.first());
            let Some(person) = id.and_then(|id| people.remove(id)) else {
                self.plan_creation(user).await?;
                continue;
            };
            self.desired.insert(person.id.clone());
            self.plan_user(person, user).await?;
        }
        Ok(())
    }

    async fn plan_creation(&mut self, user: &ResolvedUser) -> Result<(), PlanStopped> {
        let name = user.fields.get("name").and_then(|name| name.as_str()).map(str::to_owned);
        let subject = StepSubject { id: None, key: user.key.clone(), name };
        let mut created = true;
        for step in creation(user) {
            for mut step in self.checks.check(step) {
                let is_creation = matches!(step.operation, PlanOperation::Create(_));
                created &= !is_creation || step.skipped.is_none();
                if !created && !is_creation && step.skipped.is_none() {
                    step.skipped = Some("The person is not created.".to_owned());
                }
                let key = is_creation.then(|| new_user_key(&user.key));
                self.writer.push(step, subject.clone(), (key, 0)).await?;
            }
        }
        Ok(())
    }

    /// Plans the steps of the people who are not in the desired state. `desired` are the values by which its people are
    /// matched: a person with one of them, as a second address or since the plan was begun, is no stranger to it.
    async fn plan_departures(&mut self, desired: &HashMap<String, i64>) -> Result<(), PlanStopped> {
        let match_by = self.options.match_by;
        let everyone = PeopleFilter::Everyone;
        let mut pages = self.db.people_pages(self.account.id, everyone, None);
        while let Some(people) = pages.next().await? {
            for person in people {
                let is_desired = || {
                    let mut values = match_values(&person, match_by).into_iter();
                    values.any(|value| desired.contains_key(&match_by.normalize(&value)))
                };
                if self.desired.contains(&person.id) || is_desired() {
                    continue;
                }
                let steps = departure(&person, &self.ownership, self.options.prune);
                let key = person.email().unwrap_or(&person.id).to_owned();
                self.push_all(person, &key, steps).await?;
            }
        }
        Ok(())
    }
}

/// Returns the values by which a person could be matched.
fn match_values(person: &Person, match_by: MatchBy) -> Vec<String> {
    match match_by {
        MatchBy::Email => person.profile.emails.iter().map(|one| one.email.clone()).collect(),
        MatchBy::Username => person.profile.username.iter().cloned().collect(),
        MatchBy::ExternalId | MatchBy::EmployeeNumber => {
            let value = person.json().get(match_by.name()).and_then(|value| value.as_str());
            value.map(str::to_owned).into_iter().collect()
        }
    }
}
