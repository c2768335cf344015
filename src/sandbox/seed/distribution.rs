//! Distribution of roles over the accounts, for an organization of any size.

use super::rng::SeededRng;

/// Role of a generated account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PersonRole {
    PrimaryOwner,
    Owner,
    Admin,
    Member,
    InvitedMember,
    DeactivatedMember,
    MultiChannelGuest,
    SingleChannelGuest,
    DeactivatedGuest,
    Bot,
}

/// Returns one role for each of `users` accounts; the primary owner first, then owners and admins.
pub(super) fn distribute_roles(users: usize, rng: &mut SeededRng) -> Vec<PersonRole> {
    let owners = if users < 4 { 0 } else { (users / 60).clamp(1, 8) };
    let admins = if users < 6 { 0 } else { (users / 25).clamp(1, 40) };
    let mut others = Vec::with_capacity(users);
    let mut add = |part: PersonRole, count: usize| others.extend(std::iter::repeat_n(part, count));
    add(PersonRole::Bot, if users < 10 { 0 } else { (users / 50).clamp(1, 20) });
    if users >= 8 {
        add(PersonRole::MultiChannelGuest, (users * 6 / 100).max(1));
        add(PersonRole::SingleChannelGuest, (users * 3 / 100).max(1));
        add(PersonRole::InvitedMember, (users * 3 / 100).max(1));
    }
    if users >= 5 {
        add(PersonRole::DeactivatedMember, (users * 7 / 100).max(1));
    }
    add(PersonRole::DeactivatedGuest, users / 100);
    let rest = users.saturating_sub(1 + owners + admins);
    others.truncate(rest);
    others.resize(rest, PersonRole::Member);
    rng.shuffle(&mut others);

    let mut parts = vec![PersonRole::PrimaryOwner];
    parts.extend(std::iter::repeat_n(PersonRole::Owner, owners));
    parts.extend(std::iter::repeat_n(PersonRole::Admin, admins));
    parts.extend(others);
    parts.truncate(users.max(1));
    parts
}

impl PersonRole {
    /// Whether the account is a guest.
    pub(super) fn is_guest(self) -> bool {
        matches!(self, Self::MultiChannelGuest | Self::SingleChannelGuest | Self::DeactivatedGuest)
    }

    /// Whether the account is deactivated.
    pub(super) fn is_deactivated(self) -> bool {
        matches!(self, Self::DeactivatedMember | Self::DeactivatedGuest)
    }
}
