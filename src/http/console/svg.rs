//! Pictures, drawn as SVG without inline style. Each has a text for people who can't see it.

use maud::{Markup, html};
use time::{Duration, OffsetDateTime};

use super::format::{count, number};
use crate::store::DailyChanges;

/// Width and height of a sparkline.
const SPARK: (usize, usize) = (560, 64);
/// The number of days of a sparkline.
pub(in crate::http) const DAYS: u16 = 14;

/// Returns the beginning of the first day of a sparkline.
pub(in crate::http) fn first_day(now: OffsetDateTime) -> OffsetDateTime {
    (now - Duration::days(i64::from(DAYS) - 1)).replace_time(time::Time::MIDNIGHT)
}

/// Renders the number of changes of each of the last days as bars.
pub(in crate::http) fn sparkline(days: &[DailyChanges]) -> Markup {
    let highest = days.iter().map(|day| day.count).max().unwrap_or(0).max(1);
    let total: i64 = days.iter().map(|day| day.count).sum();
    let (width, height) = SPARK;
    let step = width / usize::from(DAYS);
    let label = format!("Changes per day, last {DAYS} days: {} in total", number(total));
    html! {
        figure.spark {
            svg viewBox=(format!("0 0 {width} {height}")) role="img" aria-label=(label) preserveAspectRatio="none" {
                @for (place, day) in days.iter().enumerate() {
                    @let bar = bar_height(day.count, highest, height);
                    rect x=(place * step + 2) y=(height - bar) width=(step - 4) height=(bar) rx="2" class=(if day.count > 0 { "bar" } else { "bar none" }) {
                        title { (day.day.to_string()) ": " (number(day.count)) }
                    }
                }
            }
            figcaption {
                span { (day_name(days.first())) } span { (count_text(total)) } span { "today" }
            }
            details.data {
                summary { "As a table" }
                table {
                    thead { tr { th scope="col" { "Day (UTC)" } th scope="col" { "Changes" } } }
                    tbody { @for day in days { tr { td { (day.day.to_string()) } td { (number(day.count)) } } } }
                }
            }
        }
    }
}

fn count_text(total: i64) -> String {
    count(total, "change", "changes")
}

fn day_name(day: Option<&DailyChanges>) -> String {
    day.map(|day| day.day.to_string()).unwrap_or_default()
}

/// Returns the height of a bar: at least 3 for anything at all, 1 for nothing.
fn bar_height(count: i64, highest: i64, height: usize) -> usize {
    let (count, highest) =
        (usize::try_from(count).unwrap_or(0), usize::try_from(highest).unwrap_or(1));
    if count == 0 { 1 } else { (count * height / highest.max(1)).max(3) }
}

/// The cell of a heat map.
#[derive(Debug, Clone)]
pub(in crate::http) struct HeatCell {
    /// The number of people.
    pub(in crate::http) people: i64,
    /// The page that lists them, if there is one for these alone.
    pub(in crate::http) href: Option<String>,
}

/// A heat map: rows of places, columns of roles.
#[derive(Debug, Clone, Default)]
pub(in crate::http) struct HeatMap {
    /// The titles of the columns.
    pub(in crate::http) columns: Vec<String>,
    /// The rows: title and cells.
    pub(in crate::http) rows: Vec<(String, Vec<HeatCell>)>,
}

/// Width of the titles, width and height of a cell.
const CELL: (usize, usize, usize) = (150, 82, 34);
/// Height of the titles of the columns.
const HEAD: usize = 44;
/// The maximum length of a line of a title, in characters.
const TITLE_CHARS: usize = 12;

impl HeatMap {
    /// Renders the map as a picture. The table beside it has the same numbers.
    pub(in crate::http) fn picture(&self) -> Markup {
        let (titles, wide, high) = CELL;
        let width = titles + wide * self.columns.len();
        let height = HEAD + high * self.rows.len();
        let cells = self.rows.iter().flat_map(|(_, cells)| cells);
        let highest = cells.map(|cell| cell.people).max().unwrap_or(0).max(1);
        html! {
            svg.heat viewBox=(format!("0 0 {width} {height}")) width=(width) height=(height) aria-hidden="true" focusable="false" {
                @for (column, title) in self.columns.iter().enumerate() {
                    @for (line, text) in title_lines(title).iter().enumerate() {
                        text x=(titles + column * wide + wide / 2) y=(14 + line * 16) text-anchor="middle" class="head" { (text) }
                    }
                }
                @for (row, (title, cells)) in self.rows.iter().enumerate() {
                    text x="0" y=(HEAD + row * high + high / 2 + 5) class="row" { (shortened(title, 18)) }
                    @for (column, cell) in cells.iter().enumerate() {
                        rect x=(titles + column * wide + 1) y=(HEAD + row * high + 1) width=(wide - 2) height=(high - 2) rx="4" class=(heat(cell.people, highest)) {
                            title { (title) ", " (self.columns.get(column).map_or("", String::as_str)) ": " (number(cell.people)) }
                        }
                        text x=(titles + column * wide + wide / 2) y=(HEAD + row * high + high / 2 + 5) text-anchor="middle" class=(text_class(cell.people, highest)) { (number(cell.people)) }
                    }
                }
            }
        }
    }

    /// Renders the map as a table with colored cells; numbers lead to the people.
    pub(in crate::http) fn table(&self, caption: &str) -> Markup {
        let cells = self.rows.iter().flat_map(|(_, cells)| cells);
        let highest = cells.map(|cell| cell.people).max().unwrap_or(0).max(1);
        html! {
            div.scroll role="region" aria-label=(caption) tabindex="0" {
                table.heat {
                    caption.hidden { (caption) }
                    thead { tr { th scope="col" { "Place" } @for title in &self.columns { th scope="col" { (title) } } } }
                    tbody {
                        @for (title, cells) in &self.rows {
                            tr {
                                th scope="row" { (title) }
                                @for cell in cells {
                                    td class=(heat(cell.people, highest)) {
                                        @if cell.people == 0 { span.quiet { "0" } }
                                        @else if let Some(href) = &cell.href { a href=(href) { (number(cell.people)) } }
                                        @else { (number(cell.people)) }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Returns a title in two lines at most.
fn title_lines(title: &str) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in title.split_whitespace() {
        let is_full = lines.last().is_some_and(|line| {
            !line.is_empty() && line.chars().count() + word.chars().count() >= TITLE_CHARS
        });
        if is_full && lines.len() < 2 {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.iter().map(|line| shortened(line, TITLE_CHARS)).collect()
}

fn shortened(title: &str, length: usize) -> String {
    let short: String = title.chars().take(length).collect();
    if short.len() < title.len() { format!("{short}…") } else { short }
}

/// Returns the class of a number: five steps between none and the highest.
fn heat(people: i64, highest: i64) -> &'static str {
    if people <= 0 {
        return "heat-0";
    }
    match people * 5 / highest {
        0 | 1 => "heat-1",
        2 => "heat-2",
        3 => "heat-3",
        4 => "heat-4",
        _ => "heat-5",
    }
}

fn text_class(people: i64, highest: i64) -> &'static str {
    if people * 5 / highest >= 4 { "on-heat" } else { "cell" }
}

/// Renders how much of a quota is left, as a bar with its text.
pub(in crate::http) fn meter(used: u32, quota: u32, label: &str) -> Markup {
    let share = u64::from(used.min(quota)) * 100 / u64::from(quota.max(1));
    let class = match share {
        ..60 => "fill good",
        60..90 => "fill warn",
        _ => "fill bad",
    };
    html! {
        svg.meter viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label=(label) {
            rect width="100" height="6" rx="3" class="track" {}
            rect width=(share) height="6" rx="3" class=(class) {}
        }
    }
}
