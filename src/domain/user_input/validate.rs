//! Validation of user input that holds for every provider: missing fields, fields that are not allowed, and
//! contradictions.

use time::OffsetDateTime;

use super::{RoleInput, UserInput, UserStatusInput};
use crate::domain::patch::{PatchField, ValidationError};
use crate::domain::role::replaces_level;
use crate::domain::user::UserType;

impl UserInput {
    /// Returns the input without the fields that the provider rejects, `rejected`: a rule about such a field would
    /// contradict its rejection.
    #[must_use]
    pub fn without_rejected(&self, rejected: &[ValidationError]) -> Self {
        let is_rejected = |pointer: &str| rejected.iter().any(|error| error.pointer == pointer);
        let mut input = self.clone();
        if is_rejected("/user_type") {
            input.user_type = PatchField::Absent;
        }
        if is_rejected("/expires_at") {
            input.expires_at = PatchField::Absent;
        }
        input.invite &= !is_rejected("/invite");
        input
    }

    /// Returns the validation errors of a request to create a user.
    #[must_use]
    pub fn validate_create(&self, now: OffsetDateTime) -> Vec<ValidationError> {
        let mut errors = self.contradictions();
        if self.primary_email().is_none_or(|email| !email.contains('@')) {
            errors.push(ValidationError::at("/email", "must be an e-mail address"));
        }
        if self.status == PatchField::Set(UserStatusInput::Inactive) {
            errors
                .push(ValidationError::at("/status", "must be `active` or absent for a new user"));
        }
        if self.invite && self.workspaces.is_empty() {
            errors.push(ValidationError::at(
                "/workspaces",
                "must have an entry: an invitation needs a workspace",
            ));
        }
        errors.extend(self.validate_guest());
        errors.extend(self.validate_expiry(now));
        errors
    }

    /// Returns the validation errors of a request to change a user.
    #[must_use]
    pub fn validate_update(&self, now: OffsetDateTime) -> Vec<ValidationError> {
        let mut errors = self.contradictions();
        if self.kind() == Some(UserType::Bot) {
            errors.push(ValidationError::at("/user_type", "must not be `bot`"));
        }
        if self.kind() == Some(UserType::Member) && self.expires_at.value().is_some() {
            errors.extend(ValidationError::conflict("/user_type", "/expires_at"));
        }
        let uncleared =
            [("/status", self.status.is_clear()), ("/user_type", self.user_type.is_clear())];
        for (pointer, is_clear) in uncleared {
            if is_clear {
                errors.push(ValidationError::at(
                    pointer,
                    "can't be cleared: leave it out, or send a value",
                ));
            }
        }
        if !self.workspaces.is_empty() {
            let message = "are changed by POST and DELETE of /workspaces/{id}/members";
            errors.push(ValidationError::at("/workspaces", message));
        }
        if !self.roles.is_empty() {
            errors.push(ValidationError::at(
                "/roles",
                "are changed by POST and DELETE of /role-assignments",
            ));
        }
        if self.invite {
            errors.push(ValidationError::at("/invite", "is only allowed for a new user"));
        }
        errors.extend(self.validate_expiry(now));
        errors
    }

    /// Rejects an expiry in the past: providers store seconds, where 0 means none and negative numbers are undefined.
    fn validate_expiry(&self, now: OffsetDateTime) -> Option<ValidationError> {
        let is_past = self.expiry().is_some_and(|at| at <= now);
        let message = "must be in the future, and 9999-12-31T23:59:59Z at the latest";
        is_past.then(|| ValidationError::at("/expires_at", message))
    }

    fn validate_guest(&self) -> Vec<ValidationError> {
        let mut errors = Vec::new();
        let fits: fn(usize) -> bool = match self.kind() {
            Some(UserType::Bot) => {
                errors.push(ValidationError::at("/user_type", "must not be `bot`"));
                return errors;
            }
            Some(UserType::Member) | None => {
                if self.expires_at.value().is_some() {
                    errors.push(ValidationError::at("/expires_at", "is only allowed for guests"));
                }
                return errors;
            }
            Some(UserType::GuestMultiChannel) => |channels| channels > 0,
            Some(UserType::GuestSingleChannel) => |channels| channels == 1,
        };
        if self.workspaces.is_empty() {
            errors.push(ValidationError::at(
                "/workspaces",
                "must have an entry: a guest needs a workspace",
            ));
        }
        for (number, workspace) in self.workspaces.iter().enumerate() {
            if !fits(workspace.channel_ids.len()) {
                let pointer = format!("/workspaces/{number}/channel_ids");
                errors.push(ValidationError::at(
                    pointer,
                    "must list the guest's channels: one, or several",
                ));
            }
        }
        errors
    }

    /// Returns two errors for each pair of contradicting fields.
    fn contradictions(&self) -> Vec<ValidationError> {
        let mut errors = self.contradicting_names();
        errors.extend(self.contradicting_emails());
        for (number, workspace) in self.workspaces.iter().enumerate() {
            let mut before = self.workspaces.iter().take(number);
            if let Some(place) = before.position(|one| one.id == workspace.id) {
                let at = |place: usize| format!("/workspaces/{place}/id");
                errors.extend(ValidationError::conflict(&at(place), &at(number)));
            }
        }
        errors.extend(contradicting_roles(&self.roles));
        errors
    }

    fn contradicting_emails(&self) -> Vec<ValidationError> {
        let mut errors = Vec::new();
        let agrees = match (&self.email, &self.emails) {
            (PatchField::Absent, _) | (_, PatchField::Absent) => true,
            (PatchField::Clear, emails) => emails.is_clear(),
            (PatchField::Set(_), PatchField::Clear) => false,
            (PatchField::Set(email), PatchField::Set(emails)) => {
                let primary = emails.iter().find(|one| one.is_primary).or(emails.first());
                primary.is_some_and(|one| one.email.eq_ignore_ascii_case(email))
            }
        };
        if !agrees {
            errors.extend(ValidationError::conflict("/email", "/emails"));
        }
        let listed = self.emails.value().into_iter().flatten().enumerate();
        let mut primary = listed.filter(|(_, email)| email.is_primary).map(|(place, _)| place);
        if let (Some(one), Some(other)) = (primary.next(), primary.next()) {
            let at = |place: usize| format!("/emails/{place}/is_primary");
            errors.extend(ValidationError::conflict(&at(one), &at(other)));
        }
        errors
    }
}

/// Returns the errors of contradicting roles: two levels in one place, or one role in two places.
#[must_use]
pub fn contradicting_roles(roles: &[RoleInput]) -> Vec<ValidationError> {
    let place = |role: &RoleInput| (role.workspace_id.clone(), role.channel_id.clone());
    let mut errors = Vec::new();
    for (number, role) in roles.iter().enumerate() {
        if role.workspace_id.is_some() && role.channel_id.is_some() {
            let at = |field: &str| format!("/roles/{number}/{field}");
            errors.extend(ValidationError::conflict(&at("workspace_id"), &at("channel_id")));
        }
        let mut before = roles.iter().take(number);
        let other =
            before.position(|one| replaces_level(&role.id, &one.id) && place(one) == place(role));
        if let Some(other) = other {
            let at = |place: usize| format!("/roles/{place}/id");
            errors.extend(ValidationError::conflict(&at(other), &at(number)));
        }
    }
    errors
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
            let errors = input.contradictions();
            let found: Vec<&str> = errors.iter().map(|error| error.pointer.as_str()).collect();
            assert_eq!(found, pointers, "{body}");
        }
    }
}
