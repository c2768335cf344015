//! Names of Slack's system roles.

/// Names of the system roles by id.
const NAMES: &[(&str, &str)] = &[
    ("Rl01", "Channel Admin"),
    ("Rl02", "Role Admin"),
    ("Rl03", "User Admin"),
    ("Rl04", "Legal Holds Admin"),
    ("Rl05", "Conversation Admin"),
    ("Rl09", "DLP Admin"),
    ("Rl0A", "Channel Manager"),
    ("Rl0B", "Slack Platform Developer"),
    ("Rl0C", "Audit Logs Admin"),
    ("Rl0D", "Integrations Manager"),
    ("Rl0E", "Message Activity Manager"),
    ("Rl0F", "Exports Admin"),
    ("Rl0G", "Sales Admin"),
    ("Rl0H", "Sales User"),
    ("Rl0J", "Security Admin"),
    ("Rl0K", "Workflow Admin"),
    ("Rl0L", "Analytics Admin"),
];

/// Returns the name of a system role, or `None` for an unknown id.
#[must_use]
pub fn role_name(id: &str) -> Option<&'static str> {
    NAMES.iter().find(|(role, _)| *role == id).map(|(_, name)| *name)
}
