//! Section of the report in Markdown: what was measured, against which budget.

use std::fmt;

/// A section of the report.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) title: &'static str,
    /// How it was measured.
    pub(crate) text: String,
    pub(crate) head: Vec<&'static str>,
    pub(crate) rows: Vec<Vec<String>>,
    /// Budgets that were missed.
    pub(crate) missed: Vec<String>,
}

impl Section {
    /// Creates a section without rows.
    pub(crate) fn new(title: &'static str, text: impl Into<String>, head: &[&'static str]) -> Self {
        let head = head.to_vec();
        Self { title, text: text.into(), head, rows: Vec::new(), missed: Vec::new() }
    }

    /// Returns whether a figure is within its budget, as text, and records it if it is not.
    pub(crate) fn check(&mut self, what: &str, is_met: bool) -> String {
        if is_met {
            return "met".to_owned();
        }
        self.missed.push(format!("{}: {what}", self.title));
        "**missed**".to_owned()
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "## {}\n\n{}\n", self.title, self.text)?;
        writeln!(f, "| {} |", self.head.join(" | "))?;
        writeln!(f, "|{}", " --- |".repeat(self.head.len()))?;
        self.rows.iter().try_for_each(|row| writeln!(f, "| {} |", row.join(" | ")))
    }
}
