//! What makes a wish one that nobody can grant, whatever the provider.

use time::OffsetDateTime;

use super::{UserInput, WishedStatus};
use crate::domain::input::Flaw;
use crate::domain::user::UserType;

impl UserInput {
    /// What makes it no wish for somebody new.
    #[must_use]
    pub fn flaws_of_new(&self, now: OffsetDateTime) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        if self.primary_email().is_none_or(|email| !email.contains('@')) {
            flaws.push(Flaw::at("/email", "must be an e-mail address"));
        }
        if self.status == Some(WishedStatus::Inactive) {
            flaws.push(Flaw::at("/status", "somebody new is active"));
        }
        if self.invite && self.workspaces.is_empty() {
            flaws.push(Flaw::at("/workspaces", "an invitation is into a workspace"));
        }
        flaws.extend(self.flaws_of_guest());
        flaws.extend(self.flaw_of_expiry(now));
        flaws
    }

    /// What makes it no change of somebody.
    #[must_use]
    pub fn flaws_of_change(&self, now: OffsetDateTime) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        if self.user_type == Some(UserType::Bot) {
            flaws.push(Flaw::at("/user_type", "nobody is made a bot"));
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
        let fits: fn(usize) -> bool = match self.user_type {
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
}
