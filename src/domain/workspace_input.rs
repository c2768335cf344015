//! What a caller wishes a workspace to be: the same for a new one and for a change.

use serde::Deserialize;
use utoipa::ToSchema;

use super::input::{Comparison, Field, Flaw};
use super::workspace::Workspace;

/// The longest name in an address.
const LONGEST_DOMAIN: usize = 21;

/// How a workspace is to be. Absent fields are left as they are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[schema(example = json!({"name": "Research"}))]
#[serde(deny_unknown_fields)]
pub struct WorkspaceWish {
    /// Its name.
    #[schema(value_type = Option<String>, example = "Research")]
    #[serde(default)]
    pub name: Field<String>,
    /// The name in its address; made of the name when a new workspace has none. Only for a new one.
    #[schema(value_type = Option<String>, max_length = 21)]
    #[serde(default)]
    pub domain: Field<String>,
    /// What it is for.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub description: Field<String>,
    /// Who can find and join it, in the provider's word; Slack's are `open`, `closed`, `invite_only` and `unlisted`.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub discoverability: Field<String>,
    /// Where the provider can fetch its picture.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub icon_url: Field<String>,
    /// The channels that new members join.
    #[schema(value_type = Option<Vec<String>>)]
    #[serde(default)]
    pub default_channels: Field<Vec<String>>,
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
    /// Compares the setting with a workspace as it was read. Pictures are copied to addresses of the
    /// provider's own, and some providers do not show every setting.
    #[must_use]
    pub fn compare(self, workspace: &Workspace) -> Comparison {
        let shown = |is: Option<&String>, requested: &str| {
            is.map_or(Comparison::Unknown, |is| Comparison::of(is == requested))
        };
        match self {
            Self::Name(name) => Comparison::of(workspace.name == name),
            Self::Description(text) => shown(workspace.description.as_ref(), text),
            Self::Discoverability(word) => shown(workspace.discoverability.as_ref(), word),
            Self::Icon(url) => Comparison::or_unknown(workspace.icon_url.as_deref() == Some(url)),
            Self::DefaultChannels(ids) => match &workspace.default_channels {
                None => Comparison::Unknown,
                Some(is) if !ids.iter().all(|id| is.contains(id)) => Comparison::Different,
                // The general channel is one of them without being named.
                Some(is) => Comparison::or_unknown(is.iter().all(|id| ids.contains(id))),
            },
        }
    }
}

impl WorkspaceWish {
    /// What makes it no wish for a new workspace.
    #[must_use]
    pub fn flaws_of_new(&self) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        if self.name.value().is_none_or(|name| name.trim().is_empty()) {
            flaws.push(Flaw::at("/name", "a workspace has a name"));
        }
        if self.domain.value().is_some_and(|domain| domain.chars().count() > LONGEST_DOMAIN) {
            flaws.push(Flaw::at("/domain", "must have 21 characters at most"));
        }
        if self.default_channels.value().is_some() {
            let message = "a new workspace has no channels to name yet; PATCH it afterwards";
            flaws.push(Flaw::at("/default_channels", message));
        }
        flaws
    }

    /// What makes it no change of a workspace.
    #[must_use]
    pub fn flaws_of_change(&self) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        if self.domain.value().is_some() {
            flaws.push(Flaw::at("/domain", "stays what it was when the workspace was made"));
        }
        let cleared = [
            ("/name", self.name.is_clear()),
            ("/domain", self.domain.is_clear()),
            ("/description", self.description.is_clear()),
            ("/discoverability", self.discoverability.is_clear()),
            ("/icon_url", self.icon_url.is_clear()),
            ("/default_channels", self.default_channels.is_clear()),
        ];
        for (pointer, _) in cleared.into_iter().filter(|(_, is_clear)| *is_clear) {
            flaws.push(Flaw::at(pointer, "can't be cleared: leave it out, or send a value"));
        }
        flaws
    }

    /// The name in its address: as wished, or made of its name.
    #[must_use]
    pub fn address(&self) -> String {
        let made = || {
            let name =
                self.name.value().map(String::as_str).unwrap_or_default().to_ascii_lowercase();
            let words = name.split(|letter: char| !letter.is_ascii_alphanumeric());
            let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
            let text: String = words.join("-").chars().take(LONGEST_DOMAIN).collect();
            text.trim_end_matches('-').to_owned()
        };
        self.domain.value().cloned().unwrap_or_else(made)
    }

    /// The settings that it speaks of.
    #[must_use]
    pub fn settings(&self) -> Vec<WorkspaceSetting<'_>> {
        let Self { name, domain: _, description, discoverability, icon_url, default_channels } =
            self;
        let texts = [
            name.value().map(|text| WorkspaceSetting::Name(text)),
            description.value().map(|text| WorkspaceSetting::Description(text)),
            discoverability.value().map(|text| WorkspaceSetting::Discoverability(text)),
            icon_url.value().map(|text| WorkspaceSetting::Icon(text)),
            default_channels.value().map(|ids| WorkspaceSetting::DefaultChannels(ids)),
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
            let wish =
                WorkspaceWish { name: Field::Set(name.to_owned()), ..WorkspaceWish::default() };
            assert_eq!(wish.address(), address);
        }
    }
}
