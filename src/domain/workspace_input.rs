//! Input that creates or changes a workspace.

use serde::Deserialize;
use utoipa::ToSchema;

use super::patch::{Comparison, PatchField, ValidationError};
use super::workspace::Workspace;

/// Maximum length of the domain, in characters.
const MAX_DOMAIN_CHARS: usize = 21;

/// The requested state of a workspace. Absent fields are unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[schema(example = json!({"name": "Quality Assurance"}))]
#[serde(deny_unknown_fields)]
pub struct WorkspaceInput {
    /// The name.
    #[schema(value_type = Option<String>, example = "Quality Assurance")]
    #[serde(default)]
    pub name: PatchField<String>,
    /// The name in the URL; derived from the name when absent. Only for a new workspace.
    #[schema(value_type = Option<String>, max_length = 21)]
    #[serde(default)]
    pub domain: PatchField<String>,
    /// The description.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub description: PatchField<String>,
    /// The discoverability, by the provider's name; Slack has `open`, `closed`, `invite_only` and `unlisted`.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub discoverability: PatchField<String>,
    /// The URL that the provider fetches the icon from.
    #[schema(value_type = Option<String>)]
    #[serde(default)]
    pub icon_url: PatchField<String>,
    /// The channels that new members join.
    #[schema(value_type = Option<Vec<String>>)]
    #[serde(default)]
    pub default_channels: PatchField<Vec<String>>,
}

/// One setting of a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkspaceSettingInput<'a> {
    /// The name.
    Name(&'a str),
    /// The description.
    Description(&'a str),
    /// The discoverability.
    Discoverability(&'a str),
    /// The icon's URL.
    Icon(&'a str),
    /// The channels that new members join.
    DefaultChannels(&'a [String]),
}

impl WorkspaceSettingInput<'_> {
    /// Returns the name in the API.
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

impl WorkspaceSettingInput<'_> {
    /// Compares the setting with a workspace as read. Icons are copied to the provider's own URLs, and some providers
    /// do not return every setting.
    #[must_use]
    pub fn compare(self, workspace: &Workspace) -> Comparison {
        let shown = |is: Option<&String>, requested: &str| {
            is.map_or(Comparison::Unknown, |is| Comparison::of_equality(is == requested))
        };
        match self {
            Self::Name(name) => Comparison::of_equality(workspace.name == name),
            Self::Description(text) => shown(workspace.description.as_ref(), text),
            Self::Discoverability(word) => shown(workspace.discoverability.as_ref(), word),
            Self::Icon(url) => Comparison::or_unknown(workspace.icon_url.as_deref() == Some(url)),
            Self::DefaultChannels(ids) => match &workspace.default_channels {
                None => Comparison::Unknown,
                Some(is) if !ids.iter().all(|id| is.contains(id)) => Comparison::Different,
                // The general channel is always a default channel.
                Some(is) => Comparison::or_unknown(is.iter().all(|id| ids.contains(id))),
            },
        }
    }
}

impl WorkspaceInput {
    /// Returns the validation errors of a request to create a workspace.
    #[must_use]
    pub fn validate_create(&self) -> Vec<ValidationError> {
        let mut errors = Vec::new();
        if self.name.value().is_none_or(|name| name.trim().is_empty()) {
            errors.push(ValidationError::at("/name", "must not be empty"));
        }
        if self.domain.value().is_some_and(|domain| domain.chars().count() > MAX_DOMAIN_CHARS) {
            errors.push(ValidationError::at("/domain", "must have 21 characters at most"));
        }
        if self.default_channels.value().is_some() {
            let message = "must be absent for a new workspace: PATCH it afterwards";
            errors.push(ValidationError::at("/default_channels", message));
        }
        errors
    }

    /// Returns the validation errors of a request to change a workspace.
    #[must_use]
    pub fn validate_update(&self) -> Vec<ValidationError> {
        let mut errors = Vec::new();
        if self.domain.value().is_some() {
            errors.push(ValidationError::at(
                "/domain",
                "can't be changed after the workspace was created",
            ));
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
            errors.push(ValidationError::at(
                pointer,
                "can't be cleared: leave it out, or send a value",
            ));
        }
        errors
    }

    /// Returns the requested domain, or one derived from the name.
    #[must_use]
    pub fn domain_or_default(&self) -> String {
        let made = || {
            let name =
                self.name.value().map(String::as_str).unwrap_or_default().to_ascii_lowercase();
            let words = name.split(|letter: char| !letter.is_ascii_alphanumeric());
            let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
            let text: String = words.join("-").chars().take(MAX_DOMAIN_CHARS).collect();
            text.trim_end_matches('-').to_owned()
        };
        self.domain.value().cloned().unwrap_or_else(made)
    }

    /// Returns the settings to change.
    #[must_use]
    pub fn settings(&self) -> Vec<WorkspaceSettingInput<'_>> {
        let Self { name, domain: _, description, discoverability, icon_url, default_channels } =
            self;
        let texts = [
            name.value().map(|text| WorkspaceSettingInput::Name(text)),
            description.value().map(|text| WorkspaceSettingInput::Description(text)),
            discoverability.value().map(|text| WorkspaceSettingInput::Discoverability(text)),
            icon_url.value().map(|text| WorkspaceSettingInput::Icon(text)),
            default_channels.value().map(|ids| WorkspaceSettingInput::DefaultChannels(ids)),
        ];
        texts.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derives_the_domain_from_the_name() {
        for (name, address) in [
            ("Research & Development", "research-development"),
            ("A Very Long Name Of A Workspace", "a-very-long-name-of-a"),
            ("Ünï", "n"),
        ] {
            let input = WorkspaceInput {
                name: PatchField::Set(name.to_owned()),
                ..WorkspaceInput::default()
            };
            assert_eq!(input.domain_or_default(), address);
        }
    }
}
