//! The report of the checks: one line each, or JSON.

use serde::Serialize;

use crate::cli::output::print_line;

/// The status of a check; that of the report is the worst one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum CheckStatus {
    /// No problem.
    Ok,
    /// It works with a limitation.
    Warn,
    /// It does not work.
    Fail,
}

impl CheckStatus {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// The result of one check.
#[derive(Debug, Serialize)]
pub(super) struct CheckResult {
    name: &'static str,
    status: CheckStatus,
    found: String,
    fix: Option<String>,
}

/// All results, in the order of output.
#[derive(Debug, Default)]
pub(super) struct DoctorReport(Vec<CheckResult>);

impl DoctorReport {
    /// Adds a passed check.
    pub(super) fn ok(&mut self, name: &'static str, found: impl Into<String>) {
        self.0.push(CheckResult { name, status: CheckStatus::Ok, found: found.into(), fix: None });
    }

    /// Adds a warning.
    pub(super) fn warn(
        &mut self,
        name: &'static str,
        found: impl Into<String>,
        fix: impl Into<String>,
    ) {
        let fix = Some(fix.into());
        self.0.push(CheckResult { name, status: CheckStatus::Warn, found: found.into(), fix });
    }

    /// Adds a failure.
    pub(super) fn fail(
        &mut self,
        name: &'static str,
        found: impl Into<String>,
        fix: impl Into<String>,
    ) {
        let fix = Some(fix.into());
        self.0.push(CheckResult { name, status: CheckStatus::Fail, found: found.into(), fix });
    }

    /// Appends another report.
    pub(super) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// Returns the number of failures.
    pub(super) fn failures(&self) -> usize {
        self.0.iter().filter(|check| check.status == CheckStatus::Fail).count()
    }

    /// Prints a line for each check: `ok    database   …`, followed by the fix of a problem.
    pub(super) fn print(&self) -> std::io::Result<()> {
        for CheckResult { name, status, found, fix } in &self.0 {
            print_line(format!("{:<5} {name:<12} {found}", status.name()))?;
            if let Some(fix) = fix {
                print_line(format!("{:<18} fix: {fix}", ""))?;
            }
        }
        Ok(())
    }

    /// Prints one JSON object.
    pub(super) fn print_json(&self) -> anyhow::Result<()> {
        let status = self.0.iter().map(|check| check.status).max().unwrap_or(CheckStatus::Ok);
        let whole = serde_json::json!({"status": status, "checks": self.0});
        Ok(print_line(serde_json::to_string_pretty(&whole)?)?)
    }
}
