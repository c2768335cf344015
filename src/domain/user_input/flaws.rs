//! What makes a request for a user impossible, whatever the provider: fields that are missing, that
//! do not belong there, or that contradict each other.

use time::OffsetDateTime;

use super::{RoleInput, UserInput, WishedStatus};
use crate::domain::input::{Field, Flaw};
use crate::domain::user::UserType;

impl UserInput {
    /// What is wrong with it as a request for a new user.
    #[must_use]
    pub fn flaws_of_new(&self, now: OffsetDateTime) -> Vec<Flaw> {
        let mut flaws = self.contradictions();
        if self.primary_email().is_none_or(|email| !email.contains('@')) {
            flaws.push(Flaw::at("/email", "must be an e-mail address"));
        }
        if self.status == Field::Set(WishedStatus::Inactive) {
            flaws.push(Flaw::at("/status", "somebody new is active"));
        }
        if self.invite && self.workspaces.is_empty() {
            flaws.push(Flaw::at("/workspaces", "an invitation is into a workspace"));
        }
        flaws.extend(self.flaws_of_guest());
        flaws.extend(self.flaw_of_expiry(now));
        flaws
    }

    /// What is wrong with it as a change of a user.
    #[must_use]
    pub fn flaws_of_change(&self, now: OffsetDateTime) -> Vec<Flaw> {
        let mut flaws = self.contradictions();
        if self.kind() == Some(UserType::Bot) {
            flaws.push(Flaw::at("/user_type", "nobody is made a bot"));
        }
        if self.kind() == Some(UserType::Member) && self.expires_at.value().is_some() {
            flaws.extend(Flaw::pair("/user_type", "/expires_at"));
        }
        let uncleared =
            [("/status", self.status.is_clear()), ("/user_type", self.user_type.is_clear())];
        for (pointer, is_clear) in uncleared {
            if is_clear {
                flaws.push(Flaw::at(pointer, "can't be cleared: leave it out, or send a value"));
            }
        }
        if !self.workspaces.is_empty() {
            let message = "are changed by POST and DELETE of /workspaces/{id}/members";
            flaws.push(Flaw::at("/workspaces", message));
        }
        if !self.roles.is_empty() {
            flaws.push(Flaw::at("/roles", "are changed by POST and DELETE of /role-assignments"));
        }
        if self.invite {
            flaws.push(Flaw::at("/invite", "is only for somebody new"));
        }
        flaws.extend(self.flaw_of_expiry(now));
        flaws
    }

    /// Providers hold an expiry as seconds, where 0 means none and negative numbers mean anything.
    fn flaw_of_expiry(&self, now: OffsetDateTime) -> Option<Flaw> {
        let is_past = self.expiry().is_some_and(|at| at <= now);
        let message = "must be in the future, and 9999-12-31T23:59:59Z at the latest";
        is_past.then(|| Flaw::at("/expires_at", message))
    }

    fn flaws_of_guest(&self) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        let fits: fn(usize) -> bool = match self.kind() {
            Some(UserType::Bot) => {
                flaws.push(Flaw::at("/user_type", "nobody is made a bot"));
                return flaws;
            }
            Some(UserType::Member) | None => {
                if self.expires_at.value().is_some() {
                    flaws.push(Flaw::at("/expires_at", "only guests have an end of their stay"));
                }
                return flaws;
            }
            Some(UserType::GuestMultiChannel) => |channels| channels > 0,
            Some(UserType::GuestSingleChannel) => |channels| channels == 1,
        };
        if self.workspaces.is_empty() {
            flaws.push(Flaw::at("/workspaces", "a guest is a guest of a workspace"));
        }
        for (number, workspace) in self.workspaces.iter().enumerate() {
            if !fits(workspace.channel_ids.len()) {
                let pointer = format!("/workspaces/{number}/channel_ids");
                flaws.push(Flaw::at(pointer, "must name the guest's channels: one, or some"));
            }
        }
        flaws
    }

    /// The pairs of fields that contradict each other, two entries for each pair.
    fn contradictions(&self) -> Vec<Flaw> {
        let mut flaws = self.contradicting_names();
        flaws.extend(self.contradicting_emails());
        for (number, workspace) in self.workspaces.iter().enumerate() {
            let mut before = self.workspaces.iter().take(number);
            if let Some(place) = before.position(|one| one.id == workspace.id) {
                let at = |place: usize| format!("/workspaces/{place}/id");
                flaws.extend(Flaw::pair(&at(place), &at(number)));
            }
        }
        flaws.extend(contradicting_roles(&self.roles));
        flaws
    }

    fn contradicting_emails(&self) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        let agrees = match (&self.email, &self.emails) {
            (Field::Keep, _) | (_, Field::Keep) => true,
            (Field::Clear, emails) => emails.is_clear(),
            (Field::Set(_), Field::Clear) => false,
            (Field::Set(email), Field::Set(emails)) => {
                let primary = emails.iter().find(|one| one.is_primary).or(emails.first());
                primary.is_some_and(|one| one.email.eq_ignore_ascii_case(email))
            }
        };
        if !agrees {
            flaws.extend(Flaw::pair("/email", "/emails"));
        }
        let listed = self.emails.value().into_iter().flatten().enumerate();
        let mut primary = listed.filter(|(_, email)| email.is_primary).map(|(place, _)| place);
        if let (Some(one), Some(other)) = (primary.next(), primary.next()) {
            let at = |place: usize| format!("/emails/{place}/is_primary");
            flaws.extend(Flaw::pair(&at(one), &at(other)));
        }
        flaws
    }
}

/// The roles of a list that contradict each other: two levels in one place, and one role in two places.
#[must_use]
pub fn contradicting_roles(roles: &[RoleInput]) -> Vec<Flaw> {
    let place = |role: &RoleInput| (role.workspace_id.clone(), role.channel_id.clone());
    let family = |role: &RoleInput| role.id.split_once(':').map(|(family, _)| family.to_owned());
    let mut flaws = Vec::new();
    for (number, role) in roles.iter().enumerate() {
        if role.workspace_id.is_some() && role.channel_id.is_some() {
            let at = |field: &str| format!("/roles/{number}/{field}");
            flaws.extend(Flaw::pair(&at("workspace_id"), &at("channel_id")));
        }
        let mut before = roles.iter().take(number);
        let other = before.position(|one| {
            let is_level_of_one = family(role).is_some() && family(one) == family(role);
            is_level_of_one && one.id != role.id && place(one) == place(role)
        });
        if let Some(other) = other {
            let at = |place: usize| format!("/roles/{place}/id");
            flaws.extend(Flaw::pair(&at(other), &at(number)));
        }
    }
    flaws
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_both_sides_of_every_contradiction() {
        for (body, pointers) in [
            (json!({"email": "a@b.c", "emails": [{"email": "d@e.f"}]}), vec!["/email", "/emails"]),
            (json!({"email": "a@b.c", "emails": null}), vec!["/email", "/emails"]),
            (
                json!({"emails": [{"email": "a@b.c", "is_primary": true},
                    {"email": "d@e.f", "is_primary": true}]}),
                vec!["/emails/0/is_primary", "/emails/1/is_primary"],
            ),
            (json!({"name": "Ada L", "last_name": "M"}), vec!["/name", "/last_name"]),
            (
                json!({"workspaces": [{"id": "T1"}, {"id": "T2"}, {"id": "T1", "channel_ids": ["C1"]}]}),
                vec!["/workspaces/0/id", "/workspaces/2/id"],
            ),
            (
                json!({"roles": [{"id": "ws:admin", "workspace_id": "T1"},
                    {"id": "ws:owner", "workspace_id": "T1"}]}),
                vec!["/roles/0/id", "/roles/1/id"],
            ),
            (
                json!({"roles": [{"id": "Rl0A", "workspace_id": "T1", "channel_id": "C1"}]}),
                vec!["/roles/0/workspace_id", "/roles/0/channel_id"],
            ),
            (json!({"email": "a@b.c", "emails": [{"email": "A@b.c"}]}), vec![]),
            (
                json!({"roles": [{"id": "ws:admin", "workspace_id": "T1"},
                    {"id": "ws:admin", "workspace_id": "T1"}, {"id": "org:admin"}]}),
                vec![],
            ),
        ] {
            let input: UserInput = serde_json::from_value(body.clone()).unwrap();
            let flaws = input.contradictions();
            let found: Vec<&str> = flaws.iter().map(|flaw| flaw.pointer.as_str()).collect();
            assert_eq!(found, pointers, "{body}");
        }
    }
}
