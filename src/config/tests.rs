//! Tests of the settings as a whole.

use std::collections::BTreeSet;
use std::ffi::OsString;

use super::*;

fn variables(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn read(file: &str, pairs: &[(&str, &str)]) -> Config {
    Config::assemble(Some(("a.toml", file)), variables(pairs)).unwrap()
}

/// Returns the errors in names and types only.
fn named(file: &str, pairs: &[(&str, &str)]) -> String {
    let errors = read(file, pairs).report.errors;
    errors.into_iter().map(|(_, error)| error).collect::<Vec<_>>().join("\n")
}

fn defaults() -> Table {
    DEFAULTS.parse().unwrap()
}

/// Returns the fields of a section's struct, as the error of serde for an unknown field lists them.
fn fields(section: &str) -> BTreeSet<String> {
    let mut tree = defaults();
    let at = if section.is_empty() { &mut tree } else { tree[section].as_table_mut().unwrap() };
    at.insert("no_such_field".to_owned(), 1.into());
    let complaint = tree.try_into::<Config>().unwrap_err().message().to_owned();
    let (_, names) = complaint.split_once(", expected ").unwrap();
    names.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn defaults_and_fields_correspond() {
    let tree = defaults();
    assert_eq!(fields(""), tree.keys().cloned().collect());
    for (section, settings) in &tree {
        let names: BTreeSet<String> = settings.as_table().unwrap().keys().cloned().collect();
        assert_eq!(fields(section), names, "[{section}]");
    }
    // No field has a second default in the code, which could differ.
    for key in loader::setting_keys(&tree) {
        let (section, name) = key.split_once('.').unwrap();
        let mut less = tree.clone();
        less[section].as_table_mut().unwrap().remove(name);
        let error = less.try_into::<Config>().expect_err(&key);
        assert!(error.message().contains(name), "{key}: {error}");
    }
}

#[test]
fn every_default_has_a_comment() {
    let mut before = "";
    for line in DEFAULTS.lines() {
        let is_setting = line.contains(" = ") && !line.starts_with('#');
        let is_free = line.matches('.').count() == 1 && line.starts_with('[');
        if is_setting || is_free {
            assert!(before.starts_with('#'), "{line:?} has no comment above it");
        }
        before = line;
    }
}

#[test]
fn every_secret_has_a_file_setting() {
    let keys = loader::setting_keys(&defaults());
    let is_secret = |key: &String| keys.contains(&format!("{key}{}", secret::FILE_SUFFIX));
    let secrets: Vec<_> = keys.iter().filter(|key| is_secret(key)).collect();
    assert_eq!(secrets, ["database.url", "limits.redis_url", "traces.otlp_headers", "vault.keys"]);
    // Quotas count keys and tokens; they are not secrets.
    for key in keys.iter().filter(|key| !key.starts_with("quotas.")) {
        let sounds_secret = ["password", "secret", "token", "key"]
            .iter()
            .any(|word| key.rsplit('.').next().unwrap().contains(word));
        assert!(!sounds_secret || key.ends_with(secret::FILE_SUFFIX) || is_secret(key), "{key}");
    }
}

#[test]
fn reports_all_errors_with_their_origin() {
    let file = "[server]\nlisten = \"nowhere\"\nlisten_on = 1\nmax_body_bytes = \"many\"\n\
                [limits]\ntime_scale = -1.0\n[slack_enterprise]\nweb_url = \"slack\"\n\
                [log]\nformat = \"xml\"\n";
    let config = read(
        file,
        &[("SWITCHBOARD__CACHE__ACCOUNTS", "0"), ("SWITCHBOARD__REFRESH__AHEAD_S", "soon")],
    );
    let report = config.validate().unwrap_err().to_string();
    for line in [
        "10 invalid setting(s):",
        "server.listen_on: is not a setting; did you mean server.listen? (in a.toml)",
        "server.max_body_bytes: must be a whole number (in a.toml)",
        "SWITCHBOARD__REFRESH__AHEAD_S: must be a whole number",
        "log.format: unknown variant `xml`, expected `pretty` or `json` (in a.toml)",
        "server.listen: \"nowhere\" is not an address and port; use one like 127.0.0.1:8080 (in a.toml)",
        "cache.accounts: must be between 1 and 10000000 (by SWITCHBOARD__CACHE__ACCOUNTS)",
        "limits.time_scale: must be between 0.001 and 1000000; 1 is the provider's rate (in a.toml)",
    ] {
        assert!(
            report.lines().any(|reported| reported == line),
            "{line:?} is missing in:\n{report}"
        );
    }
    for key in ["slack_enterprise.web_url: ", "database.url: is empty", "vault.keys: is empty"] {
        assert!(report.contains(key), "{key} is missing in:\n{report}");
    }
}

#[test]
fn suggests_a_known_name_for_an_unknown_one() {
    for (file, hint) in [
        ("[sever]\nlisten = \"x\"\n", "sever: is not a setting; did you mean server?"),
        ("[database]\nurl_fle = \"x\"\n", "did you mean database.url_file?"),
        ("[limits]\nwombat = 1\n", "config/default.toml lists all settings"),
        ("shutdown_timeout_s = 1\n", "did you mean server.shutdown_timeout_s?"),
        ("server = 5\n", "server: must be a section"),
        ("[limits.overrides.scim.x]\nper_minute = 1\nburst = 1\nrate = 2\n", "limits.overrides"),
    ] {
        let report = named(file, &[]);
        assert!(report.contains(hint), "{file:?}: {report:?}");
    }
    for (variable, hint) in [
        ("SWITCHBOARD__DATABASE_URL", "did you mean SWITCHBOARD__DATABASE__URL?"),
        ("SWITCHBOARD_DATABASE__URL", "did you mean SWITCHBOARD__DATABASE__URL?"),
        ("SWITCHBOARD_SERVER_LISTEN", "did you mean SWITCHBOARD__SERVER__LISTEN?"),
        ("SWITCHBOARD__SERVER", "is a section"),
        ("SWITCHBOARD__LIMITS__OVERRIDES", "add [limits.overrides] to a file"),
    ] {
        let report = named("", &[(variable, "x")]);
        assert!(report.contains(variable) && report.contains(hint), "{variable}: {report:?}");
    }
    // Kubernetes sets these for a Service named switchboard.
    let of_others = [("SWITCHBOARD_SERVICE_HOST", "x"), ("SWITCHBOARD_PORT_8080_TCP", "x")];
    assert_eq!(named("", &of_others), "");
}

#[test]
fn variables_override_the_file_and_are_parsed_by_the_type_of_the_default() {
    let config = read(
        "[server]\nmax_body_bytes = 1000\n[cache]\nserve_stale_s = 5\n",
        &[
            ("SWITCHBOARD__SERVER__MAX_BODY_BYTES", "2000"),
            ("SWITCHBOARD__DATABASE__URL", "1e5"),
            ("SWITCHBOARD__DATABASE__EMBEDDED", "True"),
            ("SWITCHBOARD__LIMITS__MAX_WAIT_S", "3"),
        ],
    );
    assert_eq!(config.server.max_body_bytes, 2_000);
    assert_eq!(config.database.url, "1e5");
    assert!(config.database.embedded);
    assert!((config.limits.max_wait_s - 3.0).abs() < f64::EPSILON);
    assert!((config.cache.serve_stale_s - 5.0).abs() < f64::EPSILON);
    assert_eq!(config.changed_settings().count(), 5);
}

#[test]
fn errors_do_not_contain_secrets() {
    let line = "[database]\nurl = postgres://user:hunter2@host/db\n";
    let error = Config::assemble(Some(("a.toml", line)), []).unwrap_err();
    let report = format!("{error} {error:?}");
    assert!(report.contains("line 2") && !report.contains("hunter2"), "{report}");
    let config = read(
        "[vault]\nkeys = \"hunter2:hunter2\"\n[limits]\nbackend = \"redis\"\n",
        &[
            ("SWITCHBOARD__DATABASE__URL", "user:hunter2@host"),
            ("SWITCHBOARD__LIMITS__REDIS_URL", "hunter2"),
            ("SWITCHBOARD__DATABASE__URL_FILE", "/nowhere"),
        ],
    );
    let report = config.validation_errors().join("\n");
    assert!(report.contains("database.url: is also set by"), "{report}");
    assert!(!format!("{report} {config:?}").contains(":hunter2"), "{report}");
}
