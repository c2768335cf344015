//! `docs/operations/alerts.yaml` and `docs/operations/grafana.json`: they query the metrics of `/metrics` as named in
//! `docs/METRICS.md`.

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde_json::Value;
use switchboard::domain::account::AccountStatus;
use switchboard::telemetry::names;

use super::{at, number, text, yaml};

const ALERTS: &str = "docs/operations/alerts.yaml";
const DASHBOARD: &str = "docs/operations/grafana.json";
const PAGE: &str = "docs/METRICS.md";
/// Labels with few, documented values.
const LABELS: [&str; 4] = ["outcome", "state", "status", "cache"];

fn dashboard() -> anyhow::Result<Value> {
    serde_json::from_str(&text(DASHBOARD)?).context(DASHBOARD)
}

fn files() -> anyhow::Result<[(&'static str, Value); 2]> {
    Ok([(ALERTS, yaml(ALERTS)?), (DASHBOARD, dashboard()?)])
}

fn list<'a>(value: &'a Value, pointer: &str) -> anyhow::Result<&'a Vec<Value>> {
    at(value, pointer)?.as_array().with_context(|| format!("{pointer} is no list"))
}

/// Returns the Prometheus queries of a file: each `expr`.
fn queries(value: &Value) -> Vec<&str> {
    let own = value.get("expr").and_then(Value::as_str);
    let fields = value.as_object().into_iter().flat_map(serde_json::Map::values);
    let inside = value.as_array().into_iter().flatten().chain(fields);
    own.into_iter().chain(inside.flat_map(queries)).collect()
}

/// Returns the words of a text that look like metrics.
fn metric_names(text: &str) -> Vec<&str> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(|word| word.starts_with("switchboard_") || word.starts_with("process_"))
        .collect()
}

/// Returns the names of a metric's samples, by its type in the page.
fn sample_names(metric: &str, page: &str) -> anyhow::Result<Vec<String>> {
    let begins = format!("| `{metric}` | ");
    let row = page.lines().find_map(|line| line.strip_prefix(&begins));
    let row = row.with_context(|| format!("{metric} is not in {PAGE}"))?;
    let endings: &[&str] = match row.split(' ').next().unwrap_or_default() {
        "counter" => &["_total"],
        "histogram" => &["_bucket", "_sum", "_count"],
        "info" => &["_info"],
        "gauge" => &[""],
        kind => anyhow::bail!("{metric} is a {kind}"),
    };
    Ok(endings.iter().map(|ending| format!("{metric}{ending}")).collect())
}

/// Returns the label matchers of an `expr`, each with every value.
fn label_matchers(expr: &str) -> Vec<(&str, &str)> {
    let braces = expr.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let matchers = braces.flat_map(|inside| inside.split(','));
    matchers
        .filter_map(|matcher| matcher.split_once('"'))
        .flat_map(|(label, values)| {
            let label = label.trim().trim_end_matches(['=', '!', '~']);
            values.trim().trim_end_matches('"').split('|').map(move |value| (label, value))
        })
        .collect()
}

/// Statuses are HTTP classes or account statuses.
fn is_status(value: &str) -> bool {
    let is_class = ["1xx", "2xx", "3xx", "4xx", "5xx"].contains(&value);
    is_class || value.parse::<AccountStatus>().is_ok()
}

#[test]
fn every_referenced_metric_is_served() -> anyhow::Result<()> {
    let page = text(PAGE)?;
    let mut known = BTreeSet::new();
    for metric in names::ALL {
        known.extend(sample_names(metric, &page)?);
    }
    for (file, value) in files()? {
        let whole = text(file)?;
        for name in queries(&value).into_iter().chain([&*whole]).flat_map(metric_names) {
            assert!(known.contains(name), "{file}: {name}");
        }
    }
    Ok(())
}

#[test]
fn every_metric_is_in_a_panel() -> anyhow::Result<()> {
    let (page, dashboard) = (text(PAGE)?, dashboard()?);
    let shown: BTreeSet<&str> =
        queries(at(&dashboard, "/panels")?).into_iter().flat_map(metric_names).collect();
    for metric in names::ALL {
        let names = sample_names(metric, &page)?;
        assert!(names.iter().any(|name| shown.contains(&**name)), "{metric} is in no panel");
    }
    Ok(())
}

#[test]
fn every_matched_label_value_is_documented() -> anyhow::Result<()> {
    let page = text(PAGE)?;
    let mut count = 0;
    for (file, value) in files()? {
        for (label, value) in queries(&value).into_iter().flat_map(label_matchers) {
            if !LABELS.contains(&label) {
                continue;
            }
            count += 1;
            let is_known = page.contains(&format!("`{value}`"));
            let is_known = is_known || (label == "status" && is_status(value));
            assert!(is_known, "{file}: {label}=\"{value}\"");
        }
    }
    assert!(count > 10, "only {count} values were found");
    Ok(())
}

#[test]
fn every_alert_has_a_duration_a_severity_and_a_description() -> anyhow::Result<()> {
    let alerts = yaml(ALERTS)?;
    let rules = list(&alerts, "/groups/0/rules")?;
    let mut names = BTreeSet::new();
    for rule in rules {
        let name = at(rule, "/alert")?.as_str().unwrap_or_default();
        assert!(!name.is_empty() && names.insert(name), "{name} is there twice");
        for field in ["/expr", "/for", "/annotations/summary", "/annotations/description"] {
            let reported = at(rule, field)?.as_str().unwrap_or_default();
            assert!(!reported.trim().is_empty(), "{name}: {field}");
        }
        let severity = at(rule, "/labels/severity")?;
        assert!(severity == "page" || severity == "ticket", "{name}: {severity}");
    }
    assert!(!rules.is_empty());
    Ok(())
}

#[test]
fn every_panel_has_a_title_and_a_query_and_the_dashboard_no_owner() -> anyhow::Result<()> {
    let dashboard = dashboard()?;
    assert_eq!(at(&dashboard, "/uid")?, "switchboard");
    assert!(at(&dashboard, "/id")?.is_null());
    let mut ids = BTreeSet::new();
    for panel in list(&dashboard, "/panels")? {
        let title = at(panel, "/title")?.as_str().unwrap_or_default();
        assert!(!title.is_empty(), "{panel}");
        assert!(ids.insert(number(panel, "/id")?), "{title}: its id is there twice");
        if at(panel, "/type")? == "row" {
            continue;
        }
        let targets = list(panel, "/targets")?;
        assert!(!targets.is_empty(), "{title}");
        for target in targets {
            let expr = at(target, "/expr")?.as_str().unwrap_or_default();
            assert!(!expr.is_empty(), "{title}");
            assert_eq!(at(target, "/datasource/uid")?, "${datasource}", "{title}");
        }
    }
    Ok(())
}
