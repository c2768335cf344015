//! The progress of an application: a bar on a terminal, otherwise lines.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

use super::view::PlanView;
use crate::cli::output::note;

/// The pause between two lines.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Shows progress on standard error.
pub(super) struct Progress {
    bar: ProgressBar,
    last_line: Option<Instant>,
}

impl Progress {
    pub(super) fn new() -> anyhow::Result<Self> {
        let style = ProgressStyle::with_template(
            "{bar:30} {pos}/{len} steps, {per_sec}, {msg}, {elapsed} elapsed",
        )?;
        let bar = ProgressBar::no_length().with_style(style.progress_chars("=> "));
        Ok(Self { bar, last_line: None })
    }

    pub(super) fn show(&mut self, view: &PlanView) {
        let counts = view.counts;
        let eta = view.eta_s.map_or_else(|| "…".to_owned(), |seconds| format!("{seconds} s left"));
        if !self.bar.is_hidden() {
            self.bar.set_length(counts.total());
            self.bar.set_position(counts.ended());
            self.bar.set_message(eta);
            return;
        }
        if self.last_line.is_none_or(|at| at.elapsed() >= LINE_INTERVAL) {
            self.last_line = Some(Instant::now());
            note(format_args!(
                "{}: {} of {} steps, {} failed, {eta}",
                view.status,
                counts.ended(),
                counts.total(),
                counts.failed
            ));
        }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
