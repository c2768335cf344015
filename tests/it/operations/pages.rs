//! The pages of operations: their links, settings and commands exist.

use super::{is_command, path, text};

const PAGES: [&str; 2] = ["docs/operations/install.md", "docs/operations/running.md"];

#[test]
fn links_resolve_to_files() -> anyhow::Result<()> {
    for page in PAGES {
        let folder = path(page);
        let folder = folder.parent().unwrap_or(&folder);
        for link in text(page)?.split("](").skip(1) {
            let target = link.split(')').next().unwrap_or_default();
            assert!(target.contains("://") || folder.join(target).exists(), "{page}: {target}");
        }
    }
    Ok(())
}

#[test]
fn referenced_settings_exist() -> anyhow::Result<()> {
    let known = switchboard::config::DEFAULTS;
    let defaults: toml::Table = known.parse()?;
    for page in PAGES {
        for word in text(page)?.split('`').skip(1).step_by(2) {
            let word = word.split([' ', '=', ':']).next().unwrap_or_default();
            let Some((section, key)) = word.split_once('.') else { continue };
            let Some(section) = defaults.get(section).and_then(toml::Value::as_table) else {
                continue;
            };
            assert!(section.contains_key(key), "{page}: {word}");
        }
    }
    Ok(())
}

#[test]
fn referenced_commands_exist() -> anyhow::Result<()> {
    for page in PAGES {
        let page = text(page)?;
        for command in page.lines().filter_map(|line| line.strip_prefix("switchboard ")) {
            let is_word = |word: &&str| word.chars().all(|letter| letter.is_ascii_lowercase());
            is_command(&command.split(' ').take_while(is_word).take(2).collect::<Vec<_>>())?;
        }
    }
    Ok(())
}
