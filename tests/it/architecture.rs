//! The dependencies between layers: a folder uses those above it in the map of `src/lib.rs` and none below.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::support::source_files::source_files;

/// The folders, the lowest first. A folder may use itself and what stands before it.
const ORDER: &[&str] = &[
    "domain",
    "config",
    "telemetry",
    "embedded",
    "expressions",
    "store",
    "jobs",
    "vault",
    "limit",
    "upstream",
    "connectors",
    "unified",
    "sync",
    "webhooks",
    "policies",
    "reconcile",
    "link",
    "admin",
    "http",
    "sandbox",
    "app",
    "cli",
];
/// What the sandbox may use: code that it shared with the connectors would share their errors.
const SANDBOX_MAY_USE: &[&str] = &["domain", "sandbox"];
/// Folders that may use the sandbox: only the commands that start it.
const MAY_USE_SANDBOX: &[&str] = &["sandbox", "cli"];
/// Where a secret may be exposed.
const MAY_EXPOSE: &[&str] = &["vault", "upstream"];
/// The longest a source file may be, less its inline tests.
const MAX_LINES: usize = 400;

struct Source {
    path: PathBuf,
    folder: String,
    /// Without inline tests.
    text: String,
}

fn sources() -> std::io::Result<Vec<Source>> {
    let sources = source_files()?.into_iter().map(|(path, whole)| {
        let first = path.iter().next().unwrap_or_default().to_string_lossy();
        let folder = first.trim_end_matches(".rs").to_owned();
        let text = whole.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
        Source { path, folder, text }
    });
    Ok(sources.collect())
}

fn place(folder: &str) -> Option<usize> {
    ORDER.iter().position(|known| *known == folder)
}

/// The folders that a text names behind `crate::`, also in groups: `use crate::{a::X, b::Y}`.
fn used(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    for part in text.split("crate::").skip(1) {
        let group = part.strip_prefix('{').and_then(|rest| rest.split_once("};")).map(|(g, _)| g);
        let heads: Vec<&str> = match group {
            Some(group) => group.split(',').map(str::trim).collect(),
            None => vec![part],
        };
        names.extend(heads.into_iter().map(|head| {
            let end = head.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(head.len());
            head.get(..end).unwrap_or_default().to_owned()
        }));
    }
    names
}

#[test]
fn one_statement_changes_the_status_of_an_account() -> std::io::Result<()> {
    let changes = |source: &Source| {
        let text = source.text.split_whitespace().collect::<Vec<_>>().join(" ");
        text.contains("UPDATE integrated_accounts SET status")
            || text.contains("UPDATE integrated_accounts a SET status")
    };
    let found = sources()?.into_iter().filter(changes);
    let found: Vec<String> = found.map(|source| source.path.display().to_string()).collect();
    assert_eq!(found, ["store/account_states.rs"]);
    Ok(())
}

#[test]
fn no_arrow_points_up() {
    let mut wrong = Vec::new();
    for source in sources().unwrap() {
        let Some(own) = place(&source.folder) else {
            let is_root = matches!(source.folder.as_str(), "lib" | "main");
            assert!(is_root, "src/{} is not in the map: add it to ORDER", source.folder);
            continue;
        };
        for name in used(&source.text) {
            let points_up = place(&name).is_some_and(|used| used > own);
            let is_kept_apart = (source.folder == "sandbox"
                && place(&name).is_some()
                && !SANDBOX_MAY_USE.contains(&name.as_str()))
                || (name == "sandbox" && !MAY_USE_SANDBOX.contains(&source.folder.as_str()));
            if points_up || is_kept_apart {
                wrong.push(format!("src/{} uses {name}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "move what is shared to a lower folder:\n{}", wrong.join("\n"));
}

#[test]
fn the_map_of_the_house_names_every_folder_in_order() {
    let map = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs"));
    let map = map.unwrap();
    let places: Vec<usize> = ORDER
        .iter()
        .map(|folder| map.find(&format!("| [`{folder}`]")).unwrap_or_else(|| panic!("{folder}")))
        .collect();
    assert!(places.is_sorted(), "the map and ORDER differ in their order");
}

#[test]
fn secrets_are_laid_bare_in_few_places() {
    for source in sources().unwrap() {
        let may = MAY_EXPOSE.contains(&source.folder.as_str());
        let exposes = source.text.contains("expose_secret");
        assert!(may || !exposes, "src/{} calls expose_secret", source.path.display());
    }
}

#[test]
fn sql_stands_in_the_store_alone() {
    for source in sources().unwrap() {
        let has_query = source.text.contains("sqlx::query");
        let may = source.folder == "store";
        assert!(may || !has_query, "src/{} holds a query", source.path.display());
    }
}

/// The one reader of requests' bodies, and who reads responses of our own.
const MAY_READ_BODIES: [&str; 7] = [
    "http/console/upload.rs",
    "http/extract/body.rs",
    "http/v1/batch/run.rs",
    "http/idempotency/execution.rs",
    "http/idempotency/resource_reader.rs",
    "http/internal_api.rs",
    "http/truto/loopback.rs",
];
/// How a handler or a middleware would read a body past the bounds of the one reader.
const OTHER_READERS: [&str; 7] = [
    "to_bytes",
    ".into_data_stream(",
    ".collect().await",
    "Form<",
    "): Json<",
    ": Multipart,",
    "(multipart: Multipart",
];
/// The same, as an argument of a handler.
const READING_ARGUMENTS: [&str; 2] = [": Bytes", ": String"];

#[test]
fn request_bodies_have_one_reader() {
    let mut wrong = Vec::new();
    for source in sources().unwrap().iter().filter(|source| source.folder == "http") {
        let path = source.path.to_string_lossy().replace('\\', "/");
        let text = source.text.replace("into_bytes", "");
        let reads = OTHER_READERS.iter().any(|reader| text.contains(reader));
        if (reads || has_reading_handler(&text)) && !MAY_READ_BODIES.contains(&&*path) {
            wrong.push(format!("src/{path}"));
        }
    }
    let fix = "read bodies with `read_up_to` of http/extract";
    assert!(wrong.is_empty(), "{fix}:\n{}", wrong.join("\n"));
}

/// Whether a handler takes its body read already. Other functions may take bytes.
fn has_reading_handler(text: &str) -> bool {
    text.split("async fn ").skip(1).any(|function| {
        let signature = function.split('{').next().unwrap_or_default();
        let marks = ["State(", "HeaderMap", "Extension("];
        let is_handler = marks.iter().any(|mark| signature.contains(mark));
        is_handler && READING_ARGUMENTS.iter().any(|argument| signature.contains(argument))
    })
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    let mut long = BTreeMap::new();
    for source in sources().unwrap() {
        assert!(source.text.starts_with("//!"), "src/{} has no text", source.path.display());
        let lines = source.text.lines().count();
        if lines > MAX_LINES {
            long.insert(source.path.clone(), lines);
        }
    }
    assert!(long.is_empty(), "split these files: {long:?}");
}

/// Types that are embedded where they are used: they have no name in the OpenAPI document.
const EMBEDDED_SCHEMAS: [&str; 1] = ["Parameters"];

/// The OpenAPI document names a schema after its type, without the module, or by `as`: the later of two of one name
/// replaces the earlier.
#[test]
fn types_with_a_schema_have_different_names() {
    let mut paths = BTreeMap::<String, Vec<PathBuf>>::new();
    for source in sources().unwrap() {
        let (mut is_derived, mut other_name) = (false, None);
        for line in source.text.lines().map(str::trim) {
            is_derived |= line.contains("ToSchema") && !line.starts_with("use ");
            other_name = line.strip_prefix("#[schema(as = ").or(other_name);
            let mut words = line.split(' ').skip_while(|word| !matches!(*word, "struct" | "enum"));
            if let (true, Some(_), Some(own_name)) = (is_derived, words.next(), words.next()) {
                let name = other_name.unwrap_or(own_name);
                let name = name.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
                paths.entry(name.to_owned()).or_default().push(source.path.clone());
                (is_derived, other_name) = (false, None);
            }
        }
    }
    assert!(paths.len() > 200, "{} types were found", paths.len());
    paths.retain(|name, paths| paths.len() > 1 && !EMBEDDED_SCHEMAS.contains(&name.as_str()));
    assert!(paths.is_empty(), "give these types names of their own: {paths:?}");
}
