//! The security page: each claim names an existing test.

use super::text;

const PAGE: &str = "docs/security.md";

/// Returns the rows of the page's tables of claims: file and test.
fn claims(page: &str) -> impl Iterator<Item = (&str, &str)> {
    page.lines().filter_map(|line| {
        let cell = line.strip_suffix(" |")?.rsplit(" | ").next()?;
        let mut words = cell.split('`').skip(1).step_by(2);
        let (file, test) = (words.next()?, words.next()?);
        std::path::Path::new(file).extension()?.eq_ignore_ascii_case("rs").then_some((file, test))
    })
}

#[test]
fn every_claim_names_an_existing_test() -> anyhow::Result<()> {
    let page = text(PAGE)?;
    let mut count = 0;
    for (file, test) in claims(&page) {
        let source = text(&format!("tests/it/{file}"))?;
        let (before, _) = source.split_once(&format!("fn {test}(")).unwrap_or_default();
        let attribute = before.rsplit("\n\n").next().unwrap_or_default();
        assert!(attribute.contains("test"), "{file} has no test {test}");
        assert!(!attribute.contains("#[ignore"), "{file}: {test} is not run");
        count += 1;
    }
    let rows = page.lines().filter(|line| line.starts_with("| ") && line.contains(".rs`")).count();
    assert_eq!(count, rows, "a row of the page names no test");
    assert!(count > 40, "{count} claims");
    Ok(())
}

#[test]
fn our_code_has_no_unsafe_block() -> anyhow::Result<()> {
    let manifest: toml::Table = text("Cargo.toml")?.parse()?;
    let lints = manifest.get("lints").and_then(|lints| lints.get("rust"));
    let level = lints.and_then(|rust| rust.get("unsafe_code")).and_then(toml::Value::as_str);
    assert_eq!(level, Some("forbid"));
    Ok(())
}
