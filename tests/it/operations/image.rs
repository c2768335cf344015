//! The `Dockerfile`: the files it copies exist, its settings are known, its commands exist.

use anyhow::Context as _;

use super::{is_command, path, port, settings, text};

/// Returns the lines without comments, continued ones joined.
fn instructions() -> anyhow::Result<Vec<String>> {
    let whole = text("Dockerfile")?;
    let lines = whole.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    let joined = lines.replace("\\\n", " ");
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(joined.lines().map(words).filter(|line| !line.is_empty()).collect())
}

/// Returns the arguments of an instruction in the last stage.
fn last_stage(word: &str) -> anyhow::Result<String> {
    let all = instructions()?;
    let start = all.iter().rposition(|line| line.starts_with("FROM ")).context("no FROM")?;
    let line = all.iter().skip(start).find_map(|line| line.strip_prefix(word)?.strip_prefix(' '));
    Ok(line.with_context(|| format!("no {word}"))?.to_owned())
}

/// Returns the words of an instruction in list form.
fn list(text: &str) -> anyhow::Result<Vec<String>> {
    Ok(serde_json::from_str(text.get(text.find('[').context("no list")?..).unwrap_or_default())?)
}

#[test]
fn the_image_is_scratch_and_its_user_has_no_rights() -> anyhow::Result<()> {
    assert_eq!(last_stage("FROM")?, "scratch");
    let user = last_stage("USER")?;
    let numbers: Vec<u32> = user.split(':').map(str::parse).collect::<Result<_, _>>()?;
    assert!(numbers.iter().all(|number| *number > 0), "{user}");
    // Without these no certificate of a provider is trusted.
    let build = instructions()?.join("\n");
    assert!(build.contains("/image/etc/ssl/certs/ca-certificates.crt"), "{build}");
    Ok(())
}

#[test]
fn its_settings_exist_and_its_port_is_the_listening_one() -> anyhow::Result<()> {
    let variables: Vec<_> = last_stage("ENV")?
        .split(' ')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    assert!(!variables.is_empty());
    let mut all = variables;
    for secret in ["DATABASE__URL_FILE", "VAULT__KEYS_FILE"] {
        all.push((format!("SWITCHBOARD__{secret}"), "/run/secrets/x".to_owned()));
    }
    let config = settings(&all, true)?;
    assert_eq!(last_stage("EXPOSE")?.parse::<u64>()?, port(&config.server.listen)?);
    Ok(())
}

#[test]
fn it_runs_commands_of_the_program_it_copies() -> anyhow::Result<()> {
    let program = list(&last_stage("ENTRYPOINT")?)?;
    let build = instructions()?.join("\n");
    assert!(build.contains(&format!(" /image{} ", program[0])), "{build}");
    is_command(&list(&last_stage("CMD")?)?.iter().map(String::as_str).collect::<Vec<_>>())?;
    let health = list(&last_stage("HEALTHCHECK")?)?;
    assert_eq!(health.first(), program.first());
    is_command(&health.iter().skip(1).map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn the_build_context_contains_every_source_file() -> anyhow::Result<()> {
    let ignored = text(".dockerignore")?;
    let given: Vec<_> = ignored.lines().filter_map(|line| line.strip_prefix('!')).collect();
    for one in &given {
        assert!(path(one).exists(), "{one} is not there");
    }
    for needed in
        ["Cargo.toml", "Cargo.lock", ".sqlx", "migrations", "config", "scripts", "src", "web"]
    {
        assert!(given.contains(&needed), "{needed} is excluded from the build");
    }
    // Cargo needs the file of every target.
    for line in text("Cargo.toml")?.lines() {
        if let Some(file) = line.strip_prefix("path = ") {
            let file = file.trim_matches('"');
            assert!(
                given.iter().any(|one| file.starts_with(one)),
                "{file} is excluded from the build"
            );
        }
    }
    Ok(())
}
