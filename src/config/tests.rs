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

/// The mistakes of these settings in names and types alone.
fn named(file: &str, pairs: &[(&str, &str)]) -> String {
    let mistakes = read(file, pairs).given.mistakes;
    mistakes.into_iter().map(|(_, mistake)| mistake).collect::<Vec<_>>().join("\n")
}

fn defaults() -> Table {
    DEFAULTS.parse().unwrap()
}

/// The fields of the struct behind a section, as serde names them in its complaint about another one.
fn fields(section: &str) -> BTreeSet<String> {
    let mut tree = defaults();
    let at = if section.is_empty() { &mut tree } else { tree[section].as_table_mut().unwrap() };
    at.insert("no_such_field".to_owned(), 1.into());
    let complaint = tree.try_into::<Config>().unwrap_err().message().to_owned();
    let (_, names) = complaint.split_once(", expected ").unwrap();
    names.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn every_field_stands_in_the_defaults_and_every_default_is_a_field() {
    let tree = defaults();
    assert_eq!(fields(""), tree.keys().cloned().collect());
    for (section, settings) in &tree {
        let names: BTreeSet<String> = settings.as_table().unwrap().keys().cloned().collect();
        assert_eq!(fields(section), names, "[{section}]");
    }
    // Without a default of its own in the code, which could differ.
    for key in reading::leaves(&tree) {
        let (section, name) = key.split_once('.').unwrap();
        let mut less = tree.clone();
        less[section].as_table_mut().unwrap().remove(name);
        let error = less.try_into::<Config>().expect_err(&key);
        assert!(error.message().contains(name), "{key}: {error}");
    }
}

#[test]
fn every_default_has_its_reason() {
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
fn every_secret_can_be_given_by_a_file() {
    let keys = reading::leaves(&defaults());
    let is_secret = |key: &String| keys.contains(&format!("{key}{}", secret::FILE));
    let secrets: Vec<_> = keys.iter().filter(|key| is_secret(key)).collect();
    assert_eq!(secrets, ["database.url", "limits.redis_url", "traces.otlp_headers", "vault.keys"]);
    // Quotas are numbers of keys and tokens.
    for key in keys.iter().filter(|key| !key.starts_with("quotas.")) {
        let sounds_secret = ["password", "secret", "token", "key"]
            .iter()
            .any(|word| key.rsplit('.').next().unwrap().contains(word));
        assert!(!sounds_secret || key.ends_with(secret::FILE) || is_secret(key), "{key}");
    }
}

#[test]
fn all_mistakes_are_listed_at_once_with_their_place() {
    let file = "[server]\nlisten = \"nowhere\"\nlisten_on = 1\nmax_body_bytes = \"many\"\n\
                [limits]\ntime_scale = -1.0\n[slack_enterprise]\nweb_url = \"slack\"\n\
                [log]\nformat = \"xml\"\n";
    let config = read(
        file,
        &[("SWITCHBOARD__CACHE__ACCOUNTS", "0"), ("SWITCHBOARD__REFRESH__AHEAD_S", "soon")],
    );
    let told = config.validate().unwrap_err().to_string();
    for line in [
        "10 setting(s) need a change:",
        "server.listen_on: is no setting; did you mean server.listen? (in a.toml)",
        "server.max_body_bytes: must be a whole number (in a.toml)",
        "SWITCHBOARD__REFRESH__AHEAD_S: must be a whole number",
        "log.format: unknown variant `xml`, expected `pretty` or `json` (in a.toml)",
        "server.listen: \"nowhere\" is no address; write one like 127.0.0.1:8080 (in a.toml)",
        "cache.accounts: must be between 1 and 10000000 (by SWITCHBOARD__CACHE__ACCOUNTS)",
        "limits.time_scale: must be between 0.001 and 1000000; 1 is true (in a.toml)",
    ] {
        assert!(told.lines().any(|told| told == line), "{line:?} is missing in:\n{told}");
    }
    for key in ["slack_enterprise.web_url: ", "database.url: is empty", "vault.keys: is empty"] {
        assert!(told.contains(key), "{key} is missing in:\n{told}");
    }
}

#[test]
fn an_unknown_name_brings_the_known_one_to_mind() {
    for (file, hint) in [
        ("[sever]\nlisten = \"x\"\n", "sever: is no setting; did you mean server?"),
        ("[database]\nurl_fle = \"x\"\n", "did you mean database.url_file?"),
        ("[limits]\nwombat = 1\n", "config/default.toml has all of them"),
        ("shutdown_timeout_s = 1\n", "did you mean server.shutdown_timeout_s?"),
        ("server = 5\n", "server: must be a section"),
        ("[limits.overrides.scim.x]\nper_minute = 1\nburst = 1\nrate = 2\n", "limits.overrides"),
    ] {
        let told = named(file, &[]);
        assert!(told.contains(hint), "{file:?} told {told:?}");
    }
    for (variable, hint) in [
        ("SWITCHBOARD__DATABASE_URL", "did you mean SWITCHBOARD__DATABASE__URL?"),
        ("SWITCHBOARD_DATABASE__URL", "did you mean SWITCHBOARD__DATABASE__URL?"),
        ("SWITCHBOARD_SERVER_LISTEN", "did you mean SWITCHBOARD__SERVER__LISTEN?"),
        ("SWITCHBOARD__SERVER", "is a section"),
        ("SWITCHBOARD__LIMITS__OVERRIDES", "write [limits.overrides] into a file"),
    ] {
        let told = named("", &[(variable, "x")]);
        assert!(told.contains(variable) && told.contains(hint), "{variable} told {told:?}");
    }
    // Kubernetes gives these when a Service is called switchboard.
    let of_others = [("SWITCHBOARD_SERVICE_HOST", "x"), ("SWITCHBOARD_PORT_8080_TCP", "x")];
    assert_eq!(named("", &of_others), "");
}

#[test]
fn variables_go_before_the_file_and_are_taken_as_they_are() {
    let config = read(
        "[server]\nmax_body_bytes = 1000\n[cache]\nkeep_in_outage_s = 5\n",
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
    assert!((config.cache.keep_in_outage_s - 5.0).abs() < f64::EPSILON);
    assert_eq!(config.changed().count(), 5);
}

#[test]
fn no_mistake_repeats_a_secret() {
    let line = "[database]\nurl = postgres://user:hunter2@host/db\n";
    let error = Config::assemble(Some(("a.toml", line)), []).unwrap_err();
    let told = format!("{error} {error:?}");
    assert!(told.contains("line 2") && !told.contains("hunter2"), "{told}");
    let config = read(
        "[vault]\nkeys = \"hunter2:hunter2\"\n[limits]\nbackend = \"redis\"\n",
        &[
            ("SWITCHBOARD__DATABASE__URL", "user:hunter2@host"),
            ("SWITCHBOARD__LIMITS__REDIS_URL", "hunter2"),
            ("SWITCHBOARD__DATABASE__URL_FILE", "/nowhere"),
        ],
    );
    let told = config.mistakes().join("\n");
    assert!(told.contains("database.url: is given twice"), "{told}");
    assert!(!format!("{told} {config:?}").contains(":hunter2"), "{told}");
}
