//! What the doctor found: a line for each check, for people or as JSON.

use serde::Serialize;

use crate::cli::output::say;

/// How a check ended; the worst of all is how the examination ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    /// All is well.
    Ok,
    /// It works, and not as well as it should.
    Warn,
    /// It does not work.
    Fail,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One check.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    name: &'static str,
    status: Outcome,
    found: String,
    fix: Option<String>,
}

/// All checks, in the order they are told.
#[derive(Debug, Default)]
pub(super) struct Report(Vec<Check>);

impl Report {
    /// It is well.
    pub(super) fn ok(&mut self, name: &'static str, found: impl Into<String>) {
        self.0.push(Check { name, status: Outcome::Ok, found: found.into(), fix: None });
    }

    /// It works, and should be better.
    pub(super) fn warn(
        &mut self,
        name: &'static str,
        found: impl Into<String>,
        fix: impl Into<String>,
    ) {
        let fix = Some(fix.into());
        self.0.push(Check { name, status: Outcome::Warn, found: found.into(), fix });
    }

    /// It does not work.
    pub(super) fn fail(
        &mut self,
        name: &'static str,
        found: impl Into<String>,
        fix: impl Into<String>,
    ) {
        let fix = Some(fix.into());
        self.0.push(Check { name, status: Outcome::Fail, found: found.into(), fix });
    }

    /// Puts another report behind this one.
    pub(super) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// How many checks failed.
    pub(super) fn failures(&self) -> usize {
        self.0.iter().filter(|check| check.status == Outcome::Fail).count()
    }

    /// Prints it for people: `ok    database   …`, and below what is not well the way to fix it.
    pub(super) fn print(&self) -> std::io::Result<()> {
        for Check { name, status, found, fix } in &self.0 {
            say(format!("{:<5} {name:<12} {found}", status.name()))?;
            if let Some(fix) = fix {
                say(format!("{:<18} fix: {fix}", ""))?;
            }
        }
        Ok(())
    }

    /// Prints it for programs: one object.
    pub(super) fn print_json(&self) -> anyhow::Result<()> {
        let status = self.0.iter().map(|check| check.status).max().unwrap_or(Outcome::Ok);
        let whole = serde_json::json!({"status": status, "checks": self.0});
        Ok(say(serde_json::to_string_pretty(&whole)?)?)
    }
}
