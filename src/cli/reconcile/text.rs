//! Plans as text, with colours on a terminal that has them.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use console::{Style, colors_enabled};

use super::view::PlanView;

/// Writes the text of a plan to standard output.
pub(super) fn print_plan(text: &str) -> io::Result<()> {
    let with_colours = colors_enabled();
    let mut out = io::stdout().lock();
    for line in text.lines() {
        match style_of(line).filter(|_| with_colours) {
            Some(style) => writeln!(out, "{}", style.apply_to(line))?,
            None => writeln!(out, "{line}")?,
        }
    }
    out.flush()
}

/// Returns the style of a line by its sign.
fn style_of(line: &str) -> Option<Style> {
    match line.get(..4)? {
        "  + " => Some(Style::new().green()),
        "  ~ " => Some(Style::new().yellow()),
        "  - " => Some(Style::new().red()),
        "  ! " => Some(Style::new().dim()),
        "Plan" => Some(Style::new().bold()),
        _ => None,
    }
}

/// Returns the numbers of outcomes as a table.
pub(super) fn outcomes(view: &PlanView) -> String {
    let counts = view.counts;
    let mut table = String::new();
    for (outcome, count) in [
        ("applied", counts.applied),
        ("unchanged", counts.unchanged),
        ("conflict", counts.conflict),
        ("failed", counts.failed),
        ("skipped", counts.skipped),
        ("pending", counts.pending),
    ] {
        // Writing into a `String` can't fail.
        let _ = writeln!(table, "{outcome:<10} {count:>8}");
    }
    let _ = write!(table, "{:<10} {:>8}", "total", counts.total());
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_steps_have_the_style_of_their_sign() {
        for (line, is_styled) in [
            ("  +    1  ada@example.com  create the person", true),
            ("  ~    2  ada@example.com  change the profile", true),
            ("  -   13  ada@example.com  workspace Sales", true),
            ("  !    4  ada@example.com  role org:admin", true),
            ("            title: null -> \"+ 1\"", false),
            ("Plan: 1 to create", true),
            ("", false),
            ("é +", false),
        ] {
            assert_eq!(style_of(line).is_some(), is_styled, "{line}");
        }
    }
}
