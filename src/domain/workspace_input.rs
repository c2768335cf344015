//! What a caller wishes a workspace to be: the same for a new one and for a change.

use serde::Deserialize;
use utoipa::ToSchema;

use super::input::Flaw;
use super::workspace::Workspace;

/// The longest name in an address.
const LONGEST_DOMAIN: usize = 21;

/// How a workspace is to be. Absent fields are left as they are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[schema(example = json!({"name": "Research"}))]
#[serde(deny_unknown_fields)]
pub struct WorkspaceWish {
    /// Its name.
    #[schema(example = "Research")]
    pub name: Option<String>,
    /// The name in its address; made of the name when a new workspace has none. Only for a new one.
    #[schema(max_length = 21)]
    pub domain: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// Who can find and join it, in the provider's word; Slack's are `open`, `closed`, `invite_only` and `unlisted`.
    pub discoverability: Option<String>,
    /// Where the provider can fetch its picture.
    pub icon_url: Option<String>,
    /// The channels that new members join.
    pub default_channels: Option<Vec<String>>,
}

/// One setting of a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkspaceSetting<'a> {
    /// Its name.
    Name(&'a str),
    /// What it is for.
    Description(&'a str),
    /// Who can find and join it.
    Discoverability(&'a str),
    /// Where its picture is.
    Icon(&'a str),
    /// The channels that new members join.
    DefaultChannels(&'a [String]),
}

impl WorkspaceSetting<'_> {
    /// Its name in the API.
    #[must_use]
    pub fn field(self) -> &'static str {
        match self {
            Self::Name(_) => "name",
            Self::Description(_) => "description",
            Self::Discoverability(_) => "discoverability",
            Self::Icon(_) => "icon_url",
            Self::DefaultChannels(_) => "default_channels",
        }
    }
}

impl WorkspaceSetting<'_> {
    /// Whether a workspace is as wished. A description that the provider does not tell is not met.
    #[must_use]
    pub fn is_met_by(self, workspace: &Workspace) -> bool {
        match self {
            Self::Name(name) => workspace.name == name,
            Self::Description(text) => workspace.description.as_deref() == Some(text),
            Self::Discoverability(word) => workspace.discoverability.as_deref() == Some(word),
            Self::Icon(url) => workspace.icon_url.as_deref() == Some(url),
            Self::DefaultChannels(ids) => workspace.default_channels.as_deref() == Some(ids),
        }
    }
}

impl WorkspaceWish {
    /// What makes it no wish for a new workspace.
    #[must_use]
    pub fn flaws_of_new(&self) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        if self.name.as_deref().is_none_or(|name| name.trim().is_empty()) {
            flaws.push(Flaw::at("/name", "a workspace has a name"));
        }
        if self.domain.as_deref().is_some_and(|domain| domain.chars().count() > LONGEST_DOMAIN) {
            flaws.push(Flaw::at("/domain", "must have 21 characters at most"));
        }
        if self.default_channels.is_some() {
            let message = "a new workspace has no channels to name yet; PATCH it afterwards";
            flaws.push(Flaw::at("/default_channels", message));
        }
        flaws
    }

    /// What makes it no change of a workspace.
    #[must_use]
    pub fn flaws_of_change(&self) -> Vec<Flaw> {
        let domain = self.domain.iter();
        domain
            .map(|_| Flaw::at("/domain", "stays what it was when the workspace was made"))
            .collect()
    }

    /// The name in its address: as wished, or made of its name.
    #[must_use]
    pub fn address(&self) -> String {
        let made = || {
            let name = self.name.as_deref().unwrap_or_default().to_ascii_lowercase();
            let words = name.split(|letter: char| !letter.is_ascii_alphanumeric());
            let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
            let text: String = words.join("-").chars().take(LONGEST_DOMAIN).collect();
            text.trim_end_matches('-').to_owned()
        };
        self.domain.clone().unwrap_or_else(made)
    }

    /// The settings that it speaks of.
    #[must_use]
    pub fn settings(&self) -> Vec<WorkspaceSetting<'_>> {
        let Self { name, domain: _, description, discoverability, icon_url, default_channels } =
            self;
        let texts = [
            name.as_deref().map(WorkspaceSetting::Name),
            description.as_deref().map(WorkspaceSetting::Description),
            discoverability.as_deref().map(WorkspaceSetting::Discoverability),
            icon_url.as_deref().map(WorkspaceSetting::Icon),
            default_channels.as_deref().map(WorkspaceSetting::DefaultChannels),
        ];
        texts.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_made_of_the_name() {
        for (name, address) in [
            ("Research & Development", "research-development"),
            ("A Very Long Name Of A Workspace", "a-very-long-name-of-a"),
            ("Ünï", "n"),
        ] {
            let wish = WorkspaceWish { name: Some(name.to_owned()), ..WorkspaceWish::default() };
            assert_eq!(wish.address(), address);
        }
    }
}
