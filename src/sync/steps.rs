//! The steps of a run: each reads one page of a pass and writes it.

use std::sync::atomic::Ordering;

use super::passes::PassPage;
use super::problem::{self, Consequence};
use super::run::{Run, write_page};
use super::run_end::{End, StepError};
use crate::connectors::paging::PageHistory;
use crate::connectors::{ConnectorError, ErrorKind};
use crate::domain::sync::SyncStatus;
use crate::domain::sync_run::{Started, SyncPass, SyncProblem};
use crate::store::RunPage;

/// How often lists are read from their start again in one run.
const MAX_RESTARTS: u32 = 5;

impl Run<'_> {
    /// Reads and writes one page of a pass. While it is written, the next page is read.
    pub(super) async fn step(&mut self, pass: SyncPass) -> Result<(), StepError> {
        let token = self.claimed.checkpoint.token.clone();
        let read = match self.next_page.take() {
            Some(read) if read.pass == pass && read.token == token => read,
            _ => self.parts().0.read(pass, token).await,
        };
        if let Some(resource) = pass.resource() {
            let started = Started(read.read_at);
            self.claimed.checkpoint.started.entry(resource).or_insert(started);
        }
        let mut page = match read.page {
            Ok(page) => page,
            Err(StepError::Connector(error)) => return self.after_failed_page(pass, &error),
            Err(other) => return Err(other),
        };
        self.note_unreadable(pass);
        let (emits, initial) = (self.emits(pass), self.is_initial(pass));
        let part = |objects, profiles, provider_calls| RunPage {
            objects,
            removals: Vec::new(),
            profiles,
            read_at: read.read_at,
            emits,
            initial,
            provider_calls,
        };
        // The position is moved with the last part: a run that is continued in between reads the page again.
        let mut objects = page.objects.take_part();
        while !page.objects.is_empty() {
            let calls = self.calls.swap(0, Ordering::Relaxed);
            self.write(&part(objects, Vec::new(), calls)).await?;
            objects = page.objects.take_part();
        }
        self.advance(pass, &page)?;
        let page = part(objects, page.profiles, self.calls.swap(0, Ordering::Relaxed));
        let is_same_pass = self.claimed.checkpoint.pass == pass;
        let Some(next) = self.claimed.checkpoint.token.clone().filter(|_| is_same_pass) else {
            return self.write(&page).await;
        };
        let (reader, claimed) = self.parts();
        let writing = write_page(reader, claimed, &page);
        let (written, next_page) = tokio::join!(writing, reader.read(pass, Some(next)));
        self.next_page = Some(next_page);
        written
    }

    /// Moves the checkpoint behind a page. A list that repeats has no end.
    fn advance(&mut self, pass: SyncPass, page: &PassPage) -> Result<(), StepError> {
        let Some(next) = &page.next else {
            if pass == SyncPass::Profiles {
                self.claimed.checkpoint.has_profiles = true;
            }
            self.next_pass();
            return Ok(());
        };
        let checkpoint = &mut self.claimed.checkpoint;
        let mut history = PageHistory::from_bytes(&checkpoint.history)
            .map(|(history, _)| history)
            .unwrap_or_default();
        let endless = history
            .check_rows(page.ids.iter().map(String::as_str))
            .and_then(|()| history.visit(&next.0));
        if let Err(endless) = endless {
            let problem = Some(problem::endless(pass.resource(), endless.reason()));
            return Err(StepError::End(End { status: SyncStatus::Failed, problem }));
        }
        checkpoint.history = history.to_bytes();
        checkpoint.token = Some(next.0.clone());
        Ok(())
    }

    /// Leaves out a resource that can't be read, or decides what else follows from a failed page.
    fn after_failed_page(
        &mut self,
        pass: SyncPass,
        error: &ConnectorError,
    ) -> Result<(), StepError> {
        match problem::consequence(error) {
            Consequence::SkipResource if error.kind == ErrorKind::Unsupported => {
                self.claimed.checkpoint.unsupported.extend(pass.resource());
                self.next_pass();
                Ok(())
            }
            Consequence::SkipResource => {
                let resource = pass.resource();
                let problem = problem::describe(error, resource);
                // Users are worth having without their profiles, unless the copy has them: they would be lost.
                let is_skipped = pass != SyncPass::Profiles || self.claimed.copy_has_profiles;
                let resource = resource.filter(|_| is_skipped);
                self.claimed.checkpoint.problems.push(SyncProblem { resource, ..problem });
                self.next_pass();
                Ok(())
            }
            Consequence::Restart
                if self.claimed.checkpoint.token.is_some()
                    && self.claimed.checkpoint.restarts < MAX_RESTARTS =>
            {
                self.claimed.checkpoint.restarts += 1;
                self.claimed.checkpoint.token = None;
                self.claimed.checkpoint.history.clear();
                Ok(())
            }
            Consequence::Restart | Consequence::Retry | Consequence::Fail => {
                match self.after_failure(error, pass.resource()) {
                    Ok(end) => Err(StepError::End(end)),
                    Err(interrupted) => Err(StepError::Interrupted(interrupted)),
                }
            }
        }
    }

    /// A resource with unreadable rows, or whose list may have more rows, is incomplete.
    fn note_unreadable(&mut self, pass: SyncPass) {
        let ((rows, more), lists) =
            (self.unreadable_rows.take(), self.unreadable_rows.take_incomplete());
        let Some(resource) = pass.resource() else { return };
        let problem = match (rows.first(), lists.first()) {
            (Some(first), _) => problem::unreadable(resource, first.method, rows.len() + more),
            (None, Some(list)) => problem::incomplete(resource, *list),
            (None, None) => return,
        };
        if self.claimed.checkpoint.incomplete.insert(resource) {
            self.claimed.checkpoint.problems.push(problem);
        }
    }
}
