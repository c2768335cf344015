//! A part of the report: what was measured, against which budget, in Markdown.

use std::fmt;

/// A part of the report.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) title: &'static str,
    /// How it was measured.
    pub(crate) text: String,
    pub(crate) head: Vec<&'static str>,
    pub(crate) rows: Vec<Vec<String>>,
    /// What was missed.
    pub(crate) missed: Vec<String>,
}

impl Section {
    /// One without rows.
    pub(crate) fn new(title: &'static str, text: impl Into<String>, head: &[&'static str]) -> Self {
        let head = head.to_vec();
        Self { title, text: text.into(), head, rows: Vec::new(), missed: Vec::new() }
    }

    /// Whether a figure keeps its budget, as a word; one that doesn't is remembered.
    pub(crate) fn judge(&mut self, what: &str, keeps: bool) -> String {
        if keeps {
            return "kept".to_owned();
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
