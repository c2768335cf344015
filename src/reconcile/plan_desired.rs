//! Plans of uploaded or inline desired states: rows are read, matched with people, and compared.

use std::collections::{HashMap, HashSet};

use super::desired_resolver::{Resolver, declare};
use super::plan::{MAX_ROW_ERRORS, Planner};
use super::plan_stopped::{PlanStopped, problem};
use crate::domain::policy::Person;
use crate::domain::reconciliation::{
    DesiredUser, InvalidDesired, MatchBy, PlanOperation, ResolvedUser, RowError, StepSubject,
    creation, departure, new_user_key,
};
use crate::store::{PeopleFilter, PeoplePage, StagedRow};

/// Number of people, and of rows of the desired state, that are read together.
const PAGE: i64 = 2_000;

impl Planner<'_> {
    /// Plans the steps of an uploaded or inline desired state.
    pub(super) async fn plan_desired(
        &mut self,
        resolver: &Resolver<'_>,
    ) -> Result<(), PlanStopped> {
        let match_by = self.options.match_by;
        for (id, value) in self.db.match_values(self.account.id, match_by).await? {
            self.matched_by.entry(match_by.normalize(&value)).or_default().push(id);
        }
        let mode = self.options.mode;
        let mut usable: HashSet<i64> = HashSet::new();
        let mut keys: HashMap<String, i64> = HashMap::new();
        let mut after = 0;
        loop {
            let rows = self.rows(after).await?;
            let Some(last) = rows.last() else { break };
            after = last.row_number;
            for row in rows {
                let number = row.row_number;
                match self.read_row(resolver, &row, &mut keys) {
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
        let mut after = 0;
        loop {
            let rows = self.rows(after).await?;
            let Some(last) = rows.last() else { break };
            after = last.row_number;
            let mut users = Vec::with_capacity(rows.len());
            for row in rows.into_iter().filter(|row| usable.contains(&row.row_number)) {
                users.extend(self.read_row(resolver, &row, &mut keys).ok());
            }
            self.plan_users(users).await?;
        }
        if self.options.prune || !self.ownership.is_empty() {
            self.plan_departures(&keys).await?;
        }
        Ok(())
    }

    async fn rows(&self, after: i64) -> Result<Vec<StagedRow>, PlanStopped> {
        Ok(self.db.staged_rows(self.account.id, self.claimed.id, after, PAGE).await?)
    }

    /// Reads a row of the desired state. `keys` are the values of the rows before, with their rows.
    fn read_row(
        &self,
        resolver: &Resolver<'_>,
        row: &StagedRow,
        keys: &mut HashMap<String, i64>,
    ) -> Result<ResolvedUser, InvalidDesired> {
        let match_by = self.options.match_by;
        let at_key = |message: String| InvalidDesired { pointer: format!("/{match_by}"), message };
        let person = row.person.as_object().cloned().unwrap_or_default();
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

    /// Plans the steps of people of the desired state.
    async fn plan_users(&mut self, users: Vec<ResolvedUser>) -> Result<(), PlanStopped> {
        let id_of = |user: &ResolvedUser| self.matched_by.get(&user.key)?.first().cloned();
        let ids: Vec<Option<String>> = users.iter().map(id_of).collect();
        let filter = PeopleFilter::Ids(ids.iter().flatten().cloned().collect());
        let page = PeoplePage { as_of: None, after: None, limit: PAGE };
        let people = self.db.people(self.account.id, &filter, page).await?;
        let mut people: HashMap<String, Person> =
            people.into_iter().map(|person| (person.id.clone(), person)).collect();
        for (user, id) in users.iter().zip(ids) {
            let Some(person) = id.and_then(|id| people.remove(&id)) else {
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
        let mut after: Option<String> = None;
        loop {
            let page = PeoplePage { as_of: None, after: after.as_deref(), limit: PAGE };
            let people = self.db.people(self.account.id, &PeopleFilter::Everyone, page).await?;
            let Some(last) = people.last() else { return Ok(()) };
            after = Some(last.id.clone());
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
